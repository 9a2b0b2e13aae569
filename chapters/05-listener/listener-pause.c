/* listener-pause.c -- two listeners that greet each client, and can be paused.
 *
 * Build: cc -o listener-pause listener-pause.c -levent
 * Run:   ./listener-pause [ADDRESS PORT]     (127.0.0.1 9995)
 * Try:   nc 127.0.0.1 9995; kill -USR1 $(pidof listener-pause), and nc again
 */
#include <ctype.h>
#include <err.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <event2/util.h>

static const struct timeval REST = {1, 0}; /* after accept has failed */

struct server {
    struct event_base *base;
    struct evconnlistener *bound; /* made by evconnlistener_new_bind */
    struct evconnlistener *own;   /* by evconnlistener_new, on our own socket */
    int paused;                   /* both listeners are disabled */
    unsigned long clients;        /* greeted so far */
    LIST_HEAD(conn_list, conn) conns;
};

struct conn {
    struct bufferevent *bev; /* owns the fd */
    LIST_ENTRY(conn) next;
};

static void usage(int status)
{
    fprintf(status ? stderr : stdout, "usage: listener-pause [ADDRESS PORT]\n");
    exit(status);
}

/* The port that TEXT names, 0 to 65535, or -1 if it names none. The resolver
 * would not say: getaddrinfo(3) takes 70000 for 4464. */
static int parse_port(const char *text)
{
    char *end;
    long port = strtol(text, &end, 10);

    if (!isdigit((unsigned char)text[0]) || *end != '\0' || port > 65535)
        return -1;
    return (int)port;
}

/* The addresses of HOST and PORT for a stream socket, to be freed with
 * evutil_freeaddrinfo. A name that has none ends the program. */
static struct evutil_addrinfo *resolve(const char *host, const char *port)
{
    struct evutil_addrinfo *list;
    struct evutil_addrinfo hints = {
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = EVUTIL_AI_NUMERICSERV,
    };
    int error = evutil_getaddrinfo(host, port, &hints, &list);

    if (error)
        errx(1, "cannot resolve %s: %s", host, evutil_gai_strerror(error));
    return list;
}

/* Say where FD listens: given port 0, only the kernel knows. */
static void print_ready(evutil_socket_t fd)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    char host[NI_MAXHOST], port[NI_MAXSERV];

    if (getsockname(fd, (struct sockaddr *)&address, &length) != 0)
        err(1, "getsockname");
    int error = getnameinfo((struct sockaddr *)&address, length, host,
        sizeof(host), port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
    if (error)
        errx(1, "getnameinfo: %s", gai_strerror(error));
    printf("listening on %s port %s\n", host, port);
}

/* Make EVENT pending; what cannot be watched ends the program. */
static void add_event(struct event *event)
{
    if (!event || event_add(event, NULL) < 0)
        errx(1, "cannot add an event");
}

static void conn_free(struct conn *conn)
{
    LIST_REMOVE(conn, next);
    bufferevent_free(conn->bev);
    free(conn);
}

/* The greeting has gone to the kernel: that was all. */
static void write_cb(struct bufferevent *bev, void *arg)
{
    conn_free(arg);
}

static void event_cb(struct bufferevent *bev, short what, void *arg)
{
    if (what & BEV_EVENT_ERROR)
        warn("cannot greet a client");
    conn_free(arg);
}

/* FD is the client's, already accepted; ADDRESS is the client's too. */
static void accept_cb(struct evconnlistener *listener, evutil_socket_t fd,
    struct sockaddr *address, int length, void *arg)
{
    struct server *server = arg;
    struct conn *conn = calloc(1, sizeof(*conn));

    if (!conn)
        err(1, "cannot take a connection");
    conn->bev = bufferevent_socket_new(server->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (!conn->bev)
        errx(1, "cannot make a bufferevent");
    LIST_INSERT_HEAD(&server->conns, conn, next);
    bufferevent_setcb(conn->bev, NULL, write_cb, event_cb, conn);
    server->clients++;
    printf("client %lu, by the %s listener\n", server->clients,
        listener == server->bound ? "first" : "second");
    if (evbuffer_add_printf(bufferevent_get_output(conn->bev),
            "hello, client %lu\n", server->clients) < 0)
        errx(1, "cannot greet a client");
}

/* Both calls return -1 only if the event cannot be added or deleted. */
static void set_accepting(struct server *server, int on)
{
    int (*change)(struct evconnlistener *) =
        on ? evconnlistener_enable : evconnlistener_disable;

    if (change(server->bound) < 0 || change(server->own) < 0)
        errx(1, "cannot %s the listeners", on ? "enable" : "disable");
}

static void rest_cb(evutil_socket_t fd, short what, void *arg)
{
    struct server *server = arg;

    if (!server->paused)
        set_accepting(server, 1);
}

/* Without descriptors the connection stays in the backlog and the listener
 * stays ready: left enabled it would fail, and call this, without end. */
static void accept_error_cb(struct evconnlistener *listener, void *arg)
{
    struct server *server = arg;

    warn("cannot accept, trying again in a second");
    set_accepting(server, 0);
    if (event_base_once(server->base, -1, EV_TIMEOUT, rest_cb, server, &REST) <
        0)
        errx(1, "cannot rest");
}

static void pause_cb(evutil_socket_t signum, short what, void *arg)
{
    struct server *server = arg;

    server->paused = !server->paused;
    set_accepting(server, !server->paused);
    printf("%s\n",
        server->paused ? "paused: new clients wait in the backlog" : "resumed");
}

static void signal_cb(evutil_socket_t signum, short what, void *arg)
{
    struct event_base *base = arg;

    event_base_loopbreak(base);
}

/* What evconnlistener_new_bind does for us is done here by hand, so that the
 * socket could be given options of its own before it is bound. */
static evutil_socket_t bind_by_hand(const struct sockaddr *address, int length)
{
    evutil_socket_t fd = socket(address->sa_family, SOCK_STREAM, 0);

    if (fd < 0 || evutil_make_socket_nonblocking(fd) < 0 ||
        evutil_make_listen_socket_reuseable(fd) < 0)
        err(1, "cannot make a socket");
    if (bind(fd, address, (socklen_t)length) != 0)
        err(1, "cannot bind the second socket");
    return fd;
}

/* The first listener on HOST and PORT, the second on HOST and any port. */
static void server_listen(
    struct server *server, const char *host, const char *port)
{
    //> new-bind
    struct evutil_addrinfo *first = resolve(host, port);
    server->bound = evconnlistener_new_bind(server->base, accept_cb, server,
        LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, -1, first->ai_addr,
        (int)first->ai_addrlen);
    if (!server->bound)
        err(1, "cannot listen on %s port %s", host, port);
    evutil_freeaddrinfo(first);

    //> new
    struct evutil_addrinfo *second = resolve(host, "0");
    evutil_socket_t fd = bind_by_hand(second->ai_addr, (int)second->ai_addrlen);
    server->own = evconnlistener_new(
        server->base, accept_cb, server, LEV_OPT_CLOSE_ON_FREE, -1, fd);
    if (!server->own)
        err(1, "cannot listen on the second socket");
    evutil_freeaddrinfo(second);

    evconnlistener_set_error_cb(server->bound, accept_error_cb);
    evconnlistener_set_error_cb(server->own, accept_error_cb);
    print_ready(evconnlistener_get_fd(server->bound));
    print_ready(evconnlistener_get_fd(server->own));
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        usage(0);
    if ((argc != 1 && argc != 3) || (argc == 3 && parse_port(argv[2]) < 0))
        usage(2);
    signal(SIGPIPE, SIG_IGN); /* a lost peer is an error of send, no death */

    struct server server = {.base = event_base_new()};
    if (!server.base)
        errx(1, "cannot make an event base");
    LIST_INIT(&server.conns);

    //> signals
    struct event *interrupt =
        evsignal_new(server.base, SIGINT, signal_cb, server.base);
    struct event *terminate =
        evsignal_new(server.base, SIGTERM, signal_cb, server.base);
    struct event *toggle =
        evsignal_new(server.base, SIGUSR1, pause_cb, &server);
    add_event(interrupt);
    add_event(terminate);
    add_event(toggle);

    //> run
    server_listen(&server, argc == 3 ? argv[1] : "127.0.0.1",
        argc == 3 ? argv[2] : "9995");
    int result = event_base_dispatch(server.base);

    //> clean-up
    while (!LIST_EMPTY(&server.conns))
        conn_free(LIST_FIRST(&server.conns));
    evconnlistener_free(server.own);
    evconnlistener_free(server.bound);
    event_free(toggle);
    event_free(terminate);
    event_free(interrupt);
    event_base_free(server.base);
    return result < 0 ? 1 : 0;
}
