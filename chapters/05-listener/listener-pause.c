/* listener-pause.c -- two listeners that greet each client, and can be paused.
 *
 * Build: cc -o listener-pause listener-pause.c -levent_core
 * Run:   ./listener-pause [ADDRESS PORT]     (127.0.0.1 9995)
 * Try:   nc 127.0.0.1 9995; kill -USR1 $(pidof listener-pause), and nc again
 */
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
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

static const struct timeval REST = {1, 0};   /* after accept has failed */
static const struct timeval LINGER = {2, 0}; /* from our last word to the end */

struct server {
    struct event_base *base;
    struct evconnlistener *bound; /* made by evconnlistener_new_bind */
    struct evconnlistener *own;   /* by evconnlistener_new, on our own socket */
    struct event *rest_event;     /* pending while no descriptor is left */
    bool paused;                  /* by hand: both listeners are disabled */
    unsigned long clients;        /* greeted so far */
    LIST_HEAD(conn_list, conn) conns;
};

struct conn {
    struct server *server;
    struct bufferevent *bev; /* owns the fd */
    struct event *deadline;  /* for the client to close; NULL at first */
    LIST_ENTRY(conn) next;
};

static void usage(int status)
{
    fprintf(status ? stderr : stdout, "usage: listener-pause [ADDRESS PORT]\n");
    exit(status);
}

/* Print a line on standard output, or on standard error as warnx(3) does. A
 * line that would block is dropped: a callback that waits for the reader of a
 * log stops the whole loop. If poll(2) says writable, a line has room. */
__attribute__((format(printf, 2, 3))) static void print_line(
    FILE *stream, const char *format, ...)
{
    struct pollfd pollfd = {.fd = fileno(stream), .events = POLLOUT};
    va_list arguments;

    if (poll(&pollfd, 1, 0) == 0)
        return;
    va_start(arguments, format);
    if (stream == stderr) {
        vwarnx(format, arguments);
    } else {
        vprintf(format, arguments);
        putchar('\n');
    }
    va_end(arguments);
}

/* Open what is missing of standard input, output and error: the numbers would
 * otherwise go to libevent's own descriptors, and what we print with them.
 * Opened for reading alone, so that printing fails as it did. */
static void open_standard_fds(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            open("/dev/null", O_RDONLY); /* gets the lowest number, FD */
}

/* The port that TEXT names, 0 to 65535, or -1 if it names none. The resolver
 * would not report it: getaddrinfo(3) reads 70000 as 4464. */
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
        .ai_socktype = SOCK_STREAM, .ai_flags = EVUTIL_AI_NUMERICSERV};
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

    if (getsockname(fd, (struct sockaddr *)&address, &length) != 0 ||
        getnameinfo((struct sockaddr *)&address, length, host, sizeof(host),
            port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        errx(1, "cannot read the listening address");
    print_line(stdout, "listening on %s port %s", host, port);
}

/* Accept on both listeners, or on none. Returns whether that could be done. */
static bool set_accepting(struct server *server, bool on)
{
    int (*change)(struct evconnlistener *) =
        on ? evconnlistener_enable : evconnlistener_disable;

    return change(server->bound) == 0 && change(server->own) == 0;
}

/* Accept unless a person has paused us; false if that is not possible now. */
static bool accept_again(struct server *server)
{
    return server->paused || set_accepting(server, true);
}

/* Afterwards a descriptor is free, and a client may be waiting for it. */
static void conn_free(struct conn *conn)
{
    struct server *server = conn->server;

    LIST_REMOVE(conn, next);
    if (conn->deadline)
        event_free(conn->deadline);
    bufferevent_free(conn->bev);
    free(conn);
    if (event_pending(server->rest_event, EV_TIMEOUT, NULL))
        accept_again(server);
}

static void deadline_cb(evutil_socket_t fd, short what, void *arg)
{
    conn_free(arg);
}

/* The greeting is in the kernel, and nothing follows. If we closed with input
 * unread, the kernel would send a reset, and what had not reached the client
 * would be lost. So we half-close, and read until the client closes its side
 * too, or until the deadline. */
static void write_cb(struct bufferevent *bev, void *arg)
{
    struct conn *conn = arg;

    conn->deadline = evtimer_new(conn->server->base, deadline_cb, conn);
    if (!conn->deadline || event_add(conn->deadline, &LINGER) < 0 ||
        shutdown(bufferevent_getfd(bev), SHUT_WR) != 0 ||
        bufferevent_enable(bev, EV_READ) < 0)
        conn_free(conn);
}

/* Discard what a client sends. */
static void read_cb(struct bufferevent *bev, void *arg)
{
    struct evbuffer *input = bufferevent_get_input(bev);

    evbuffer_drain(input, evbuffer_get_length(input));
}

static void event_cb(struct bufferevent *bev, short what, void *arg)
{
    if (what & BEV_EVENT_ERROR)
        print_line(stderr, "got an error on the connection: %s",
            evutil_socket_error_to_string(EVUTIL_SOCKET_ERROR()));
    conn_free(arg);
}

/* FD is the client's, already accepted; ADDRESS is the client's too. */
static void accept_cb(struct evconnlistener *listener, evutil_socket_t fd,
    struct sockaddr *address, int length, void *arg)
{
    struct server *server = arg;
    struct conn *conn = calloc(1, sizeof(*conn));

    if (conn)
        conn->bev =
            bufferevent_socket_new(server->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (!conn || !conn->bev) {
        print_line(stderr, "cannot serve a client: %s", strerror(errno));
        evutil_closesocket(fd);
        free(conn);
        return;
    }
    conn->server = server;
    LIST_INSERT_HEAD(&server->conns, conn, next);
    bufferevent_setcb(conn->bev, read_cb, write_cb, event_cb, conn);
    server->clients++;
    print_line(stdout, "client %lu, by the %s listener", server->clients,
        listener == server->bound ? "first" : "second");
    if (evbuffer_add_printf(bufferevent_get_output(conn->bev),
            "hello, client %lu\n", server->clients) < 0 ||
        bufferevent_enable(conn->bev, EV_WRITE) < 0) {
        print_line(stderr, "cannot greet a client: %s", strerror(errno));
        conn_free(conn);
    }
}

/* The pause is over. The event is persistent, so that another second passes if
 * the listeners cannot be enabled. */
static void rest_cb(evutil_socket_t fd, short what, void *arg)
{
    struct server *server = arg;

    if (accept_again(server))
        event_del(server->rest_event);
}

/* With no descriptor left, accepting would fail again and again. So it pauses
 * until conn_free has closed a descriptor, or for a second. */
static void accept_error_cb(struct evconnlistener *listener, void *arg)
{
    int error = EVUTIL_SOCKET_ERROR(); /* before a call can change it */
    struct server *server = arg;

    if (!event_pending(server->rest_event, EV_TIMEOUT, NULL)) {
        print_line(stderr, "cannot accept, trying again in a second: %s",
            evutil_socket_error_to_string(error));
        if (event_add(server->rest_event, &REST) < 0)
            return; /* without a clock, accepting must not stop */
    }
    evconnlistener_disable(listener);
}

static void pause_cb(evutil_socket_t signum, short what, void *arg)
{
    struct server *server = arg;

    if (!set_accepting(server, server->paused)) {
        print_line(stderr, "cannot %s the listeners",
            server->paused ? "enable" : "disable");
        return;
    }
    server->paused = !server->paused;
    print_line(stdout, "%s",
        server->paused ? "paused: new clients wait in the backlog" : "resumed");
}

static void signal_cb(evutil_socket_t signum, short what, void *arg)
{
    event_base_loopbreak(arg);
}

/* A socket that never blocks, on HOST and PORT. Connections accepted on it ask
 * now and then whether a silent peer still exists: SO_KEEPALIVE is inherited.
 */
static evutil_socket_t bind_socket(const char *host, const char *port)
{
    struct evutil_addrinfo *address = resolve(host, port);
    evutil_socket_t fd = socket(address->ai_family, SOCK_STREAM, 0);
    int on = 1;

    if (fd < 0 || evutil_make_socket_nonblocking(fd) < 0 ||
        evutil_make_socket_closeonexec(fd) < 0 ||
        evutil_make_listen_socket_reuseable(fd) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)) != 0)
        err(1, "cannot make a socket");
    if (bind(fd, address->ai_addr, (socklen_t)address->ai_addrlen) != 0)
        err(1, "cannot listen on %s port %s", host, port);
    evutil_freeaddrinfo(address);
    return fd;
}

/* The first listener on HOST and PORT, the second on HOST and any port. */
static void server_listen(
    struct server *server, const char *host, const char *port)
{
    //> new-bind
    struct evutil_addrinfo *first = resolve(host, port);
    server->bound = evconnlistener_new_bind(server->base, accept_cb, server,
        LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE,
        SOMAXCONN, first->ai_addr, (int)first->ai_addrlen);
    if (!server->bound)
        err(1, "cannot listen on %s port %s", host, port);
    evutil_freeaddrinfo(first);

    //> new
    evutil_socket_t fd = bind_socket(host, "0");
    server->own = evconnlistener_new(server->base, accept_cb, server,
        LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, SOMAXCONN, fd);
    if (!server->own)
        err(1, "cannot listen on the second socket");

    if (!set_accepting(server, true)) /* new and new_bind do not report it */
        errx(1, "cannot watch the listening sockets");
    evconnlistener_set_error_cb(server->bound, accept_error_cb);
    evconnlistener_set_error_cb(server->own, accept_error_cb);
}

int main(int argc, char **argv)
{
    open_standard_fds();
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        usage(0);
    if ((argc != 1 && argc != 3) || (argc == 3 && parse_port(argv[2]) < 0))
        usage(2);
    signal(SIGPIPE, SIG_IGN); /* writing to a closed connection must fail */

    struct server server = {.base = event_base_new()};
    if (!server.base)
        errx(1, "cannot make an event base");
    LIST_INIT(&server.conns);

    //> listen
    server_listen(&server, argc == 3 ? argv[1] : "127.0.0.1",
        argc == 3 ? argv[2] : "9995");

    //> events
    server.rest_event =
        event_new(server.base, -1, EV_PERSIST, rest_cb, &server);
    struct event *interrupt =
        evsignal_new(server.base, SIGINT, signal_cb, server.base);
    struct event *terminate =
        evsignal_new(server.base, SIGTERM, signal_cb, server.base);
    struct event *toggle =
        evsignal_new(server.base, SIGUSR1, pause_cb, &server);
    if (!server.rest_event || !interrupt || !terminate || !toggle ||
        event_add(interrupt, NULL) < 0 || event_add(terminate, NULL) < 0 ||
        event_add(toggle, NULL) < 0)
        errx(1, "cannot add an event");

    //> run
    print_ready(evconnlistener_get_fd(server.bound));
    print_ready(evconnlistener_get_fd(server.own));
    int result = event_base_dispatch(server.base);

    //> clean-up
    while (!LIST_EMPTY(&server.conns))
        conn_free(LIST_FIRST(&server.conns));
    evconnlistener_free(server.own);
    evconnlistener_free(server.bound);
    event_free(toggle);
    event_free(terminate);
    event_free(interrupt);
    event_free(server.rest_event);
    event_base_free(server.base);
    return result < 0 ? 1 : 0;
}
