/* Starter and solution in one: look once you have passed (make compare-NN). */
/* freed-too-late.c -- an echo server that is well until its last moment.
 *
 * Build: cc -o freed-too-late freed-too-late.c -levent_core
 * Run:   ./freed-too-late [PORT]            (8888, on 127.0.0.1)
 * Try:   nc 127.0.0.1 8888, type a line; then end the server with Ctrl-C
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

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <event2/util.h>

static const struct timeval REST = {1, 0}; /* after accept has failed */

/* Bytes of output that may wait for a slow client: reading stops above HIGH
 * and goes on below LOW. */
enum { HIGH = 256 * 1024, LOW = 64 * 1024 };

struct server {
    struct event_base *base;
    struct evconnlistener *listener;
    struct event *interrupt, *terminate; /* SIGINT and SIGTERM */
    unsigned long clients;               /* accepted so far */
    LIST_HEAD(conn_list, conn) conns;
};

struct conn {
    struct bufferevent *bev; /* owns the fd */
    int ended;               /* the peer has sent all that it will */
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

static void read_cb(struct bufferevent *bev, void *arg)
{
    struct evbuffer *input = bufferevent_get_input(bev);
    size_t length = evbuffer_get_length(input);
    unsigned char *bytes = evbuffer_pullup(input, -1);

    /* Copied: bufferevent_write_buffer would keep a kilobyte for one. */
    if (!bytes || bufferevent_write(bev, bytes, length) < 0) {
        conn_fail(arg, "cannot queue an answer");
        return;
    }
    evbuffer_drain(input, length);
    if (evbuffer_get_length(bufferevent_get_output(bev)) > HIGH)
        bufferevent_disable(bev, EV_READ);
}

/* The output has drained to LOW or below: read on, or end. */
static void write_cb(struct bufferevent *bev, void *arg)
{
    struct conn *conn = arg;

    if (conn->ended && evbuffer_get_length(bufferevent_get_output(bev)) == 0)
        conn_free(conn);
    else if (!conn->ended && bufferevent_enable(bev, EV_READ) < 0)
        conn_fail(conn, "cannot read on");
}

static void event_cb(struct bufferevent *bev, short what, void *arg)
{
    struct conn *conn = arg;

    conn->ended = 1;
    if (what & BEV_EVENT_EOF &&
        evbuffer_get_length(bufferevent_get_output(bev)) > 0)
        return; /* the peer still reads, and write_cb ends it */
    conn_free(conn);
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
    server->clients++;
    bufferevent_setcb(conn->bev, read_cb, write_cb, event_cb, conn);
    bufferevent_setwatermark(conn->bev, EV_WRITE, LOW, 0);
    if (bufferevent_enable(conn->bev, EV_READ) < 0)
        conn_fail(conn, "cannot read from it");
}

static void rest_cb(evutil_socket_t fd, short what, void *arg)
{
    struct server *server = arg;

    if (evconnlistener_enable(server->listener) < 0)
        print_line(stderr, "cannot accept again");
}

/* With no descriptor left, accepting would fail again and again: it pauses. */
static void accept_error_cb(struct evconnlistener *listener, void *arg)
{
    struct server *server = arg;

    print_line(
        stderr, "cannot accept, trying again in a second: %s", strerror(errno));
    if (event_base_once(server->base, -1, EV_TIMEOUT, rest_cb, server, &REST) ==
        0)
        evconnlistener_disable(listener);
}

static void stop_cb(evutil_socket_t signum, short what, void *arg)
{
    struct server *server = arg;

    event_base_loopbreak(server->base);
}

/* Everything that waits for something: two signals and the listener. */
static void server_start(struct server *server, int port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons((in_port_t)port),
    };

    server->interrupt = evsignal_new(server->base, SIGINT, stop_cb, server);
    server->terminate = evsignal_new(server->base, SIGTERM, stop_cb, server);
    add_event(server->interrupt);
    add_event(server->terminate);
    server->listener = evconnlistener_new_bind(server->base, accept_cb, server,
        LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE,
        SOMAXCONN, (struct sockaddr *)&address, sizeof(address));
    if (!server->listener)
        err(1, "cannot listen on port %d", port);
    evconnlistener_set_error_cb(server->listener, accept_error_cb);
}

int main(int argc, char **argv)
{
    int port = argc == 2 ? parse_port(argv[1]) : 8888;

    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    if (argc > 2 || port < 0) {
        fprintf(stderr, "usage: freed-too-late [PORT]\n");
        return 2;
    }

    struct server server = {.base = event_base_new()};
    if (!server.base)
        errx(1, "cannot make an event base");
    LIST_INIT(&server.conns);
    server_start(&server, port);

    print_ready(evconnlistener_get_fd(server.listener));
    int result = event_base_dispatch(server.base);
    print_line(stdout, "served %lu clients", server.clients);

#ifdef SOLUTION
    while (!LIST_EMPTY(&server.conns))
        conn_free(LIST_FIRST(&server.conns));
    evconnlistener_free(server.listener);
    event_free(server.terminate);
    event_free(server.interrupt);
    event_base_free(server.base);
#else
    event_base_free(server.base);
    while (!LIST_EMPTY(&server.conns))
        conn_free(LIST_FIRST(&server.conns));
    evconnlistener_free(server.listener);
    event_free(server.terminate);
    event_free(server.interrupt);
#endif
    print_line(stdout, "done");
    return result < 0 ? 1 : 0;
}
