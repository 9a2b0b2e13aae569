/* Starter and solution in one: look once you have passed (make compare-NN). */
/* unbounded-output.c -- an upper-case server that keeps all that is not read.
 *
 * Build: cc -o unbounded-output unbounded-output.c -levent_core
 * Run:   ./unbounded-output [PORT]            (9995, on 127.0.0.1)
 * Try:   head -c 200M /dev/zero >/dev/tcp/127.0.0.1/9995   (in bash)
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
#include <sys/ioctl.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <event2/util.h>

static const struct timeval REST = {1, 0};  /* after accept has failed */
static const struct timeval IDLE = {60, 0}; /* without a byte either way */
#ifdef SOLUTION

/* Bytes of output that may wait for a slow client: reading stops above HIGH
 * and goes on below LOW. */
enum { HIGH = 256 * 1024, LOW = 64 * 1024 };
#endif

struct conn {
    struct bufferevent *bev; /* owns the fd */
    int ended;               /* the client has sent all that it will */
    size_t answered;         /* bytes */
    size_t taken;            /* of them, at the last check */
    LIST_ENTRY(conn) next;
};

static LIST_HEAD(conn_list, conn) conns = LIST_HEAD_INITIALIZER(conns);

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

/* ASCII alone: toupper(3) would follow the locale and damage UTF-8. */
static void make_upper(unsigned char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = bytes[i];

        bytes[i] = c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c;
    }
}

static int answer(struct conn *conn, unsigned char *bytes, size_t length)
{
    make_upper(bytes, length);
    conn->answered += length;
    return bufferevent_write(conn->bev, bytes, length);
}

static void read_cb(struct bufferevent *bev, void *arg)
{
    unsigned char chunk[4096];
    size_t length;

    while ((length = bufferevent_read(bev, chunk, sizeof(chunk))) > 0)
        if (answer(arg, chunk, length) < 0) {
            conn_fail(arg, "cannot queue an answer");
            return;
        }
#ifdef SOLUTION
    if (evbuffer_get_length(bufferevent_get_output(bev)) > HIGH)
        bufferevent_disable(bev, EV_READ);
#endif
}

#ifdef SOLUTION
/* The output has drained to LOW or below: read on, or end. */
#else
/* The output has drained: end, if the client has. */
#endif
static void write_cb(struct bufferevent *bev, void *arg)
{
    struct conn *conn = arg;

    if (conn->ended && evbuffer_get_length(bufferevent_get_output(bev)) == 0)
        conn_free(conn);
#ifdef SOLUTION
    else if (!conn->ended && bufferevent_enable(bev, EV_READ) < 0)
        conn_fail(conn, "cannot read on");
#endif
}

/* Whether a client that has timed out is only slow: has it received any bytes
 * since the last check? Bytes that it has not received wait in our output or in
 * the kernel. */
static int is_taking(struct conn *conn)
{
    int unsent = 0;
    size_t before = conn->taken;

    ioctl(bufferevent_getfd(conn->bev), TIOCOUTQ, &unsent);
    conn->taken = conn->answered - (size_t)unsent -
                  evbuffer_get_length(bufferevent_get_output(conn->bev));
    return conn->taken != before;
}

/* A time-out has disabled reading or writing: go on, or drop a client that does
 * nothing. While output waits, the time-out of writing decides. */
static void time_out(struct conn *conn, short what)
{
    short direction = what & BEV_EVENT_READING ? EV_READ : EV_WRITE;
    size_t waits = evbuffer_get_length(bufferevent_get_output(conn->bev));

    if (!(what & BEV_EVENT_READING && waits > 0) && !is_taking(conn))
        conn_fail(conn, "it was idle");
    else if (bufferevent_enable(conn->bev, direction) < 0)
        conn_fail(conn, "cannot go on with it");
}

static void event_cb(struct bufferevent *bev, short what, void *arg)
{
    int error = EVUTIL_SOCKET_ERROR(); /* before a call can change it */
    struct conn *conn = arg;

    if (what & BEV_EVENT_EOF) {
        conn->ended = 1;
        if (evbuffer_get_length(bufferevent_get_output(bev)) == 0)
            conn_free(conn);
        return; /* else the client still reads, and write_cb ends it */
    }
    if (what & BEV_EVENT_TIMEOUT)
        time_out(conn, what);
    else
        conn_fail(conn, evutil_socket_error_to_string(error));
}

static void accept_cb(struct evconnlistener *listener, evutil_socket_t fd,
    struct sockaddr *address, int length, void *arg)
{
    struct conn *conn = calloc(1, sizeof(*conn));

    if (conn)
        conn->bev = bufferevent_socket_new(
            evconnlistener_get_base(listener), fd, BEV_OPT_CLOSE_ON_FREE);
    if (!conn || !conn->bev) {
        print_line(stderr, "cannot take a connection");
        free(conn);
        evutil_closesocket(fd);
        return;
    }
    set_nodelay(fd);
    LIST_INSERT_HEAD(&conns, conn, next);
    bufferevent_setcb(conn->bev, read_cb, write_cb, event_cb, conn);
#ifdef SOLUTION
    bufferevent_setwatermark(conn->bev, EV_WRITE, LOW, 0);
#endif
    if (bufferevent_set_timeouts(conn->bev, &IDLE, &IDLE) < 0 ||
        bufferevent_enable(conn->bev, EV_READ) < 0)
        conn_fail(conn, "cannot read from it");
}

static void rest_cb(evutil_socket_t fd, short what, void *arg)
{
    if (evconnlistener_enable(arg) < 0)
        print_line(stderr, "cannot accept again");
}

/* With no descriptor left, accepting would fail again and again: it pauses. */
static void accept_error_cb(struct evconnlistener *listener, void *arg)
{
    print_line(
        stderr, "cannot accept, trying again in a second: %s", strerror(errno));
    if (event_base_once(evconnlistener_get_base(listener), -1, EV_TIMEOUT,
            rest_cb, listener, &REST) == 0)
        evconnlistener_disable(listener);
}

static void signal_cb(evutil_socket_t signum, short what, void *arg)
{
    event_base_loopbreak(arg);
}

/* A listener on 127.0.0.1 and PORT. */
static struct evconnlistener *listen_on(struct event_base *base, int port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons((in_port_t)port),
    };
    struct evconnlistener *listener = evconnlistener_new_bind(base, accept_cb,
        NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE,
        SOMAXCONN, (struct sockaddr *)&address, sizeof(address));

    if (!listener)
        err(1, "cannot listen on port %d", port);
    evconnlistener_set_error_cb(listener, accept_error_cb);
    return listener;
}

int main(int argc, char **argv)
{
    int port = argc == 2 ? parse_port(argv[1]) : 9995;

    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    if (argc > 2 || port < 0) {
        fprintf(stderr, "usage: unbounded-output [PORT]\n");
        return 2;
    }

    struct event_base *base = event_base_new();
    if (!base)
        errx(1, "cannot make an event base");
    struct event *terminate = evsignal_new(base, SIGTERM, signal_cb, base);
    add_event(terminate);

    struct evconnlistener *listener = listen_on(base, port);
    print_ready(evconnlistener_get_fd(listener));
    int result = event_base_dispatch(base);

    while (!LIST_EMPTY(&conns))
        conn_free(LIST_FIRST(&conns));
    evconnlistener_free(listener);
    event_free(terminate);
    event_base_free(base);
    return result < 0 ? 1 : 0;
}
