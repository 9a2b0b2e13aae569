/* Starter and solution in one: look once you have passed (make compare-NN). */
/* spinning-listener.c -- an echo server that too many ask at once.
 *
 * Build: cc -o spinning-listener spinning-listener.c -levent_core
 * Run:   ./spinning-listener [PORT]            (8888, on 127.0.0.1)
 * Try:   (ulimit -n 9; ./spinning-listener), and nc 127.0.0.1 8888 four times
 */
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <event2/util.h>

#ifdef SOLUTION
static const struct timeval REST = {0, 200 * 1000}; /* after accept failed */

#endif
struct server {
    struct event_base *base;
    LIST_HEAD(conn_list, conn) conns;
};

struct conn {
    struct bufferevent *bev; /* owns the fd */
    LIST_ENTRY(conn) next;
};

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

/* Print a line on standard output, or on standard error as warnx(3) does. A
 * line that would block is dropped: a callback that waits for the reader of a
 * log stops the whole loop. A pipe that poll(2) calls writable has room for
 * PIPE_BUF bytes, see pipe(7); a terminal has room for a short line. */
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
    print_line(stdout, "listening on %s port %s", host, port);
}

/* Send small answers at once: with Nagle's algorithm on, the end of a long
 * answer would wait up to 40 ms for the peer's delayed acknowledgement. */
static void set_nodelay(evutil_socket_t fd)
{
    int on = 1;

    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)
        print_line(stderr, "cannot set TCP_NODELAY: %s", strerror(errno));
}

/* Make EVENT pending, at start-up: an event that cannot be added ends the
 * program. */
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

/* A failure on one connection ends that connection, not the server. */
static void conn_fail(struct conn *conn, const char *why)
{
    print_line(stderr, "lost a client: %s", why);
    conn_free(conn);
}

/* Send the input back. Until it is sent no more is read, so that a client that
 * does not read its answers uses no more memory than one answer. */
static void read_cb(struct bufferevent *bev, void *arg)
{
    if (bufferevent_write_buffer(bev, bufferevent_get_input(bev)) < 0 ||
        bufferevent_disable(bev, EV_READ) < 0)
        conn_fail(arg, "cannot answer it");
}

static void write_cb(struct bufferevent *bev, void *arg)
{
    if (bufferevent_enable(bev, EV_READ) < 0)
        conn_fail(arg, "cannot read on");
}

/* The client has ended and has all its answers, or the connection failed. */
static void event_cb(struct bufferevent *bev, short what, void *arg)
{
    conn_free(arg);
}

static void accept_cb(struct evconnlistener *listener, evutil_socket_t fd,
    struct sockaddr *address, int length, void *arg)
{
    struct server *server = arg;
    struct conn *conn = calloc(1, sizeof(*conn));

    if (conn)
        conn->bev =
            bufferevent_socket_new(server->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (!conn || !conn->bev) {
        print_line(stderr, "cannot take a connection");
        free(conn);
        evutil_closesocket(fd);
        return;
    }
    set_nodelay(fd);
    LIST_INSERT_HEAD(&server->conns, conn, next);
    bufferevent_setcb(conn->bev, read_cb, write_cb, event_cb, conn);
    if (bufferevent_enable(conn->bev, EV_READ) < 0)
        conn_fail(conn, "cannot read from it");
}

#ifdef SOLUTION
static void rest_cb(evutil_socket_t fd, short what, void *arg)
{
    if (evconnlistener_enable(arg) < 0)
        print_line(stderr, "cannot accept again");
}

/* Without descriptors the connection stays in the backlog and the listener
 * stays ready: if it were enabled, it would fail and call this again and again.
 * Nothing reports a free descriptor: so try again from time to time. */
static void accept_error_cb(struct evconnlistener *listener, void *arg)
{
    struct server *server = arg;

    print_line(stderr, "cannot accept, trying again soon: %s", strerror(errno));
    if (event_base_once(
            server->base, -1, EV_TIMEOUT, rest_cb, listener, &REST) == 0)
        evconnlistener_disable(listener);
}

#endif
static void signal_cb(evutil_socket_t signum, short what, void *arg)
{
    event_base_loopbreak(arg);
}

static struct evconnlistener *listen_on(struct server *server, int port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons((in_port_t)port),
    };
    struct evconnlistener *listener =
        evconnlistener_new_bind(server->base, accept_cb, server,
            LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE,
            SOMAXCONN, (struct sockaddr *)&address, sizeof(address));

    if (!listener)
        err(1, "cannot listen on 127.0.0.1 port %d", port);
    return listener;
}

int main(int argc, char **argv)
{
    int port = argc == 2 ? parse_port(argv[1]) : 8888;

    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    if (argc > 2 || port < 0) {
        fprintf(stderr, "usage: spinning-listener [PORT]\n");
        return 2;
    }

    struct server server = {.base = event_base_new()};
    if (!server.base)
        errx(1, "cannot make an event base");
    LIST_INIT(&server.conns);
    struct evconnlistener *listener = listen_on(&server, port);
#ifdef SOLUTION
    evconnlistener_set_error_cb(listener, accept_error_cb);
#endif
    struct event *terminate =
        evsignal_new(server.base, SIGTERM, signal_cb, server.base);
    add_event(terminate);

    print_ready(evconnlistener_get_fd(listener));
    int result = event_base_dispatch(server.base);

    while (!LIST_EMPTY(&server.conns))
        conn_free(LIST_FIRST(&server.conns));
    event_free(terminate);
    evconnlistener_free(listener);
    event_base_free(server.base);
    return result < 0 ? 1 : 0;
}
