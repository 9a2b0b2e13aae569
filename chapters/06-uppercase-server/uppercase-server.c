/* uppercase-server.c -- sends every client its bytes back in capitals.
 *
 * Build: cc -o uppercase-server uppercase-server.c -levent
 * Run:   ./uppercase-server [ADDRESS PORT]     (127.0.0.1 9995)
 * Try:   echo hello | nc -N 127.0.0.1 9995
 */
#include <ctype.h>
#include <err.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <event2/util.h>

static const struct timeval REST = {1, 0};  /* after accept has failed */
static const struct timeval IDLE = {60, 0}; /* a silent client is dropped */
static const struct timeval GRACE = {2, 0}; /* from the signal to the end */

/* Bytes of output that may wait for a slow client: reading stops above HIGH
 * and goes on below LOW. */
enum { HIGH = 256 * 1024, LOW = 64 * 1024 };

struct server {
    struct event_base *base;
    struct evconnlistener *listener; /* NULL once a signal has come */
    LIST_HEAD(conn_list, conn) conns;
};

struct conn {
    struct bufferevent *bev; /* owns the fd */
    int ended;               /* the peer has sent all that it will */
    LIST_ENTRY(conn) next;
};

static void usage(int status)
{
    fprintf(
        status ? stderr : stdout, "usage: uppercase-server [ADDRESS PORT]\n");
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

/* Send small answers at once: with Nagle's algorithm on, the end of a long
 * answer would wait up to 40 ms for the peer's delayed acknowledgement. */
static void set_nodelay(evutil_socket_t fd)
{
    int on = 1;

    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)
        warn("cannot set TCP_NODELAY");
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

/* Everything that the peer sent has been answered. */
static void conn_close(struct conn *conn)
{
    printf("Connection closed.\n");
    conn_free(conn);
}

/* ASCII alone: toupper(3) would follow the locale and damage UTF-8. */
static void make_upper(unsigned char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = bytes[i];

        bytes[i] = c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c;
    }
}

/* Answer all that has come. While no answer waits, it goes to the socket at
 * once, without the two epoll_ctl calls that waiting for EV_WRITE costs; what
 * the socket does not take is queued, and so is an error met again. */
static void read_cb(struct bufferevent *bev, void *arg)
{
    struct evbuffer *input = bufferevent_get_input(bev);
    struct evbuffer *output = bufferevent_get_output(bev);
    size_t length = evbuffer_get_length(input);
    unsigned char *bytes = evbuffer_pullup(input, -1);
    ssize_t sent = 0;

    if (!bytes)
        errx(1, "cannot take what has come");
    make_upper(bytes, length);
    if (evbuffer_get_length(output) == 0)
        sent = send(bufferevent_getfd(bev), bytes, length, 0);
    if (sent < 0)
        sent = 0;
    if ((size_t)sent < length &&
        bufferevent_write(bev, bytes + sent, length - (size_t)sent) < 0)
        errx(1, "cannot queue an answer");
    evbuffer_drain(input, length);
    if (evbuffer_get_length(output) > HIGH)
        bufferevent_disable(bev, EV_READ);
}

/* The output has drained to LOW or below: read on, or end. */
static void write_cb(struct bufferevent *bev, void *arg)
{
    struct conn *conn = arg;

    if (!conn->ended && bufferevent_enable(bev, EV_READ) < 0)
        errx(1, "cannot watch a connection");
    if (evbuffer_get_length(bufferevent_get_output(bev)) > 0)
        return;
    printf("flushed answer\n");
    if (conn->ended)
        conn_close(conn);
}

static void event_cb(struct bufferevent *bev, short what, void *arg)
{
    int error = EVUTIL_SOCKET_ERROR(); /* before a call can change it */
    struct conn *conn = arg;

    if (what & BEV_EVENT_EOF) {
        conn->ended = 1;
        if (evbuffer_get_length(bufferevent_get_output(bev)) == 0)
            conn_close(conn);
        return; /* else the peer still reads, and write_cb ends it */
    }
    if (what & BEV_EVENT_TIMEOUT)
        warnx("dropped a client that was idle");
    else
        warnx("got an error on the connection: %s",
            evutil_socket_error_to_string(error));
    conn_free(conn);
}

static void accept_cb(struct evconnlistener *listener, evutil_socket_t fd,
    struct sockaddr *address, int length, void *arg)
{
    struct server *server = arg;
    struct conn *conn = calloc(1, sizeof(*conn));

    if (!conn)
        err(1, "cannot take a connection");
    set_nodelay(fd);
    conn->bev = bufferevent_socket_new(server->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (!conn->bev)
        errx(1, "cannot make a bufferevent");
    LIST_INSERT_HEAD(&server->conns, conn, next);
    bufferevent_setcb(conn->bev, read_cb, write_cb, event_cb, conn);
    bufferevent_setwatermark(conn->bev, EV_WRITE, LOW, 0);
    bufferevent_set_timeouts(conn->bev, &IDLE, &IDLE);
    if (bufferevent_enable(conn->bev, EV_READ) < 0)
        errx(1, "cannot watch a connection");
}

static void rest_cb(evutil_socket_t fd, short what, void *arg)
{
    struct server *server = arg;

    if (server->listener && evconnlistener_enable(server->listener) < 0)
        errx(1, "cannot accept again");
}

/* With no descriptor left, accepting would fail without end: it rests. */
static void accept_error_cb(struct evconnlistener *listener, void *arg)
{
    struct server *server = arg;

    warn("cannot accept, trying again in a second");
    evconnlistener_disable(listener);
    if (event_base_once(server->base, -1, EV_TIMEOUT, rest_cb, server, &REST) <
        0)
        errx(1, "cannot rest");
}

/* The first signal ends accepting and sets the clock; a second one does not
 * want to wait. */
static void signal_cb(evutil_socket_t signum, short what, void *arg)
{
    struct server *server = arg;

    if (!server->listener) {
        event_base_loopbreak(server->base);
        return;
    }
    printf("Caught an interrupt signal; exiting cleanly in two seconds.\n");
    evconnlistener_free(server->listener);
    server->listener = NULL;
    event_base_loopexit(server->base, &GRACE);
}

static struct evconnlistener *listen_on(
    struct server *server, const char *host, const char *port)
{
    struct evutil_addrinfo *address = resolve(host, port);
    struct evconnlistener *listener =
        evconnlistener_new_bind(server->base, accept_cb, server,
            LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE,
            -1, address->ai_addr, (int)address->ai_addrlen);

    if (!listener)
        err(1, "cannot listen on %s port %s", host, port);
    evconnlistener_set_error_cb(listener, accept_error_cb);
    evutil_freeaddrinfo(address);
    return listener;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        usage(0);
    if ((argc != 1 && argc != 3) || (argc == 3 && parse_port(argv[2]) < 0))
        usage(2);
    signal(SIGPIPE, SIG_IGN); /* a lost peer is an error of send, no death */

    //> base
    struct server server = {.base = event_base_new()};
    if (!server.base)
        errx(1, "cannot make an event base");
    LIST_INIT(&server.conns);

    //> signals
    struct event *interrupt =
        evsignal_new(server.base, SIGINT, signal_cb, &server);
    struct event *terminate =
        evsignal_new(server.base, SIGTERM, signal_cb, &server);
    add_event(interrupt);
    add_event(terminate);

    //> run
    server.listener = argc == 3 ? listen_on(&server, argv[1], argv[2])
                                : listen_on(&server, "127.0.0.1", "9995");
    print_ready(evconnlistener_get_fd(server.listener));
    int result = event_base_dispatch(server.base);

    //> clean-up
    while (!LIST_EMPTY(&server.conns))
        conn_free(LIST_FIRST(&server.conns));
    if (server.listener)
        evconnlistener_free(server.listener);
    event_free(terminate);
    event_free(interrupt);
    event_base_free(server.base);
    printf("done\n");
    return result < 0 ? 1 : 0;
}
