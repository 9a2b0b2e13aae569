/* Starter and solution in one: look once you have passed (make compare-NN). */
/* backlog-zero.c -- greets each client, on a socket that it made itself.
 *
 * Build: cc -o backlog-zero backlog-zero.c -levent_core
 * Run:   ./backlog-zero [PORT]            (9995, on 127.0.0.1)
 * Try:   nc 127.0.0.1 9995; kill -HUP $(pidof backlog-zero), and nc again
 */
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
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

static const struct timeval REST = {1, 0}; /* after accept has failed */

struct server {
    struct event_base *base;
    struct evconnlistener *listener; /* owns its socket */
    int port;                        /* as given: 0 is any free port */
    unsigned long clients;           /* greeted so far */
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

/* The greeting has gone to the kernel: close the connection. */
static void write_cb(struct bufferevent *bev, void *arg)
{
    conn_free(arg);
}

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
    LIST_INSERT_HEAD(&server->conns, conn, next);
    bufferevent_setcb(conn->bev, NULL, write_cb, event_cb, conn);
    server->clients++;
    if (evbuffer_add_printf(bufferevent_get_output(conn->bev),
            "hello, client %lu\n", server->clients) < 0)
        conn_fail(conn, "cannot greet it");
}

static void rest_cb(evutil_socket_t fd, short what, void *arg)
{
    struct server *server = arg;

    if (evconnlistener_enable(server->listener) < 0)
        print_line(stderr, "cannot accept again");
}

static void accept_error_cb(struct evconnlistener *listener, void *arg)
{
    struct server *server = arg;

    print_line(
        stderr, "cannot accept, trying again in a second: %s", strerror(errno));
    if (event_base_once(server->base, -1, EV_TIMEOUT, rest_cb, server, &REST) ==
        0)
        evconnlistener_disable(listener);
}

/* A socket on 127.0.0.1 and PORT that never blocks. Made by hand, it can be
 * given options of its own before it is bound. */
static evutil_socket_t bind_by_hand(int port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons((in_port_t)port),
    };
    evutil_socket_t fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || evutil_make_socket_nonblocking(fd) < 0 ||
        evutil_make_socket_closeonexec(fd) < 0 ||
        evutil_make_listen_socket_reuseable(fd) < 0)
        err(1, "cannot make a socket");
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
        err(1, "cannot bind 127.0.0.1 port %d", port);
    return fd;
}

/* Accept clients on a new socket, and print its address. */
static void server_listen(struct server *server)
{
    evutil_socket_t fd = bind_by_hand(server->port);

#ifdef SOLUTION
    server->listener = evconnlistener_new(server->base, accept_cb, server,
        LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, SOMAXCONN, fd);
#else
    server->listener = evconnlistener_new(server->base, accept_cb, server,
        LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
#endif
    if (!server->listener)
        err(1, "cannot listen on 127.0.0.1 port %d", server->port);
    evconnlistener_set_error_cb(server->listener, accept_error_cb);
    print_ready(evconnlistener_get_fd(server->listener));
}

/* The old listener goes first, and its socket with it: until then its port
 * is taken. */
static void hangup_cb(evutil_socket_t signum, short what, void *arg)
{
    struct server *server = arg;

    evconnlistener_free(server->listener);
    server_listen(server);
}

static void signal_cb(evutil_socket_t signum, short what, void *arg)
{
    event_base_loopbreak(arg);
}

int main(int argc, char **argv)
{
    struct server server = {.port = argc == 2 ? parse_port(argv[1]) : 9995};

    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    if (argc > 2 || server.port < 0) {
        fprintf(stderr, "usage: backlog-zero [PORT]\n");
        return 2;
    }

    server.base = event_base_new();
    if (!server.base)
        errx(1, "cannot make an event base");
    LIST_INIT(&server.conns);
    struct event *hangup =
        evsignal_new(server.base, SIGHUP, hangup_cb, &server);
    struct event *terminate =
        evsignal_new(server.base, SIGTERM, signal_cb, server.base);
    add_event(hangup);
    add_event(terminate);

    server_listen(&server);
    int result = event_base_dispatch(server.base);

    while (!LIST_EMPTY(&server.conns))
        conn_free(LIST_FIRST(&server.conns));
    evconnlistener_free(server.listener);
    event_free(terminate);
    event_free(hangup);
    event_base_free(server.base);
    return result < 0 ? 1 : 0;
}
