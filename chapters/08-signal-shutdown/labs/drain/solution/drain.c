/* Starter and solution in one: look once you have passed (make compare-NN). */
/* drain.c -- a server with slow answers, which must not leave anybody without.
 *
 * Build: cc -o drain drain.c -levent_core
 * Run:   ./drain [PORT [LIMIT]]      (8888, on 127.0.0.1; 5000 milliseconds)
 * Try:   nc 127.0.0.1 8888; wait 10000; and meanwhile Ctrl-C the server
 *
 * A request is a line, "wait MILLISECONDS" or "data BYTES". A client's requests
 * are answered one after the other.
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

static const struct timeval REST = {1, 0};  /* after accept has failed */
static const struct timeval IDLE = {60, 0}; /* a silent client is dropped */

/* In bytes, milliseconds and bytes; a longer line ends the connection. */
enum { MAX_LINE = 100, MAX_WAIT = 600000, MAX_DATA = 16 * 1024 * 1024 };

struct server {
    struct event_base *base;
    struct evconnlistener *listener; /* NULL once it drains */
    struct timeval limit;            /* how long it may drain */
    unsigned open;                   /* clients that are connected */
    LIST_HEAD(conn_list, conn) conns;
};

struct conn {
    struct server *server;
    struct bufferevent *bev; /* owns the fd; reads between two requests only */
    struct event *timer;     /* pending during "wait" */
    long wait;               /* its milliseconds */
    int ended;               /* the peer has sent all that it will */
    int finished;            /* and we have said "bye" */
    LIST_ENTRY(conn) next;
};

/* The number after WORD in TEXT, 0 to MOST, or -1 if TEXT is anything else. */
static long parse_number(const char *text, const char *word, long most)
{
    size_t length = strlen(word);
    char *end;

    if (strncmp(text, word, length) != 0 ||
        !isdigit((unsigned char)text[length]))
        return -1;
    long number = strtol(text + length, &end, 10);
    return *end == '\0' && number <= most ? number : -1;
}

static struct timeval milliseconds(long count)
{
    return (struct timeval){count / 1000, count % 1000 * 1000};
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

#ifdef SOLUTION
/* While draining, there is nothing to wait for after the last client. */
static void conn_free(struct conn *conn)
{
    struct server *server = conn->server;

    LIST_REMOVE(conn, next);
    server->open--;
    event_free(conn->timer);
    bufferevent_free(conn->bev);
    free(conn);
    if (!server->listener && server->open == 0)
        event_base_loopbreak(server->base);
}
#else
static void conn_free(struct conn *conn)
{
    LIST_REMOVE(conn, next);
    conn->server->open--;
    event_free(conn->timer);
    bufferevent_free(conn->bev);
    free(conn);
}
#endif

/* A failure on one connection ends that connection, not the server. */
static void conn_fail(struct conn *conn, const char *why)
{
    print_line(stderr, "lost a client: %s", why);
    conn_free(conn);
}

#ifdef SOLUTION
/* Send "bye". write_cb goes on from here when it is sent. */
static void conn_finish(struct conn *conn)
{
    conn->finished = 1;
    if (bufferevent_write(conn->bev, "bye\n", 4) < 0)
        conn_fail(conn, "cannot queue its last line");
}

/* To close with bytes unread would send a reset, which can overtake our answer.
 * So half-close only, and let read_cb discard the bytes that still come. */
static void conn_half_close(struct conn *conn)
{
    if (shutdown(bufferevent_getfd(conn->bev), SHUT_WR) != 0 &&
        errno != ENOTCONN)
        print_line(
            stderr, "cannot half-close a connection: %s", strerror(errno));
    if (bufferevent_enable(conn->bev, EV_READ) < 0)
        conn_fail(conn, "cannot read on");
}

#endif
/* Whether a request is under way: not yet answered, or the answer not sent. */
static int conn_is_busy(const struct conn *conn)
{
    return event_pending(conn->timer, EV_TIMEOUT, NULL) ||
           evbuffer_get_length(bufferevent_get_output(conn->bev)) > 0;
}

/* Begin the request in LINE; 0, or -1 if it cannot be done. When the answer is
 * sent, write_cb goes on. */
static int conn_begin(struct conn *conn, const char *line)
{
    struct evbuffer *output = bufferevent_get_output(conn->bev);
    long count = parse_number(line, "data ", MAX_DATA);

    conn->wait = parse_number(line, "wait ", MAX_WAIT);
    if (conn->wait >= 0) {
        struct timeval delay = milliseconds(conn->wait);
        print_line(stdout, "begun: wait %ld", conn->wait);
        return event_add(conn->timer, &delay);
    }
    if (count > 0) {
        print_line(stdout, "begun: data %ld", count);
        return evbuffer_add_printf(output, "%0*d\n", (int)count, 0);
    }
    return evbuffer_add_printf(output, "unknown request\n");
}

/* Nothing is under way: begin the next request, or read until there is one. */
static void conn_next(struct conn *conn)
{
    struct evbuffer *input = bufferevent_get_input(conn->bev);
    size_t length = 0;

#ifdef SOLUTION
    if (!conn->server->listener) {
        conn_finish(conn);
        return;
    }
#endif
    char *line = evbuffer_readln(input, &length, EVBUFFER_EOL_CRLF);
    if ((line ? length : evbuffer_get_length(input)) > MAX_LINE ||
        (!line && conn->ended)) {
        conn_free(conn);
    } else if (line) {
        bufferevent_disable(conn->bev, EV_READ);
        if (conn_begin(conn, line) < 0)
            conn_fail(conn, "cannot answer it");
    } else if (bufferevent_enable(conn->bev, EV_READ) < 0) {
        conn_fail(conn, "cannot read on");
    }
    free(line);
}

static void timer_cb(evutil_socket_t fd, short what, void *arg)
{
    struct conn *conn = arg;
    struct evbuffer *output = bufferevent_get_output(conn->bev);

    if (evbuffer_add_printf(output, "waited %ld\n", conn->wait) < 0)
        conn_fail(conn, "cannot answer it");
}

static void read_cb(struct bufferevent *bev, void *arg)
{
#ifdef SOLUTION
    struct conn *conn = arg;
    struct evbuffer *input = bufferevent_get_input(bev);

    if (conn->finished)
        evbuffer_drain(input, evbuffer_get_length(input));
    else if (!conn_is_busy(conn))
        conn_next(conn);
#else
    if (!conn_is_busy(arg))
        conn_next(arg);
#endif
}

/* All queued bytes are sent. */
static void write_cb(struct bufferevent *bev, void *arg)
{
#ifdef SOLUTION
    struct conn *conn = arg;

    if (!conn->finished)
        conn_next(conn);
    else if (conn->ended)
        conn_free(conn);
    else
        conn_half_close(conn);
#else
    conn_next(arg);
#endif
}

static void event_cb(struct bufferevent *bev, short what, void *arg)
{
    struct conn *conn = arg;

    conn->ended = 1;
    if (!(what & BEV_EVENT_EOF)) /* an error, or silence */
        conn_free(conn);
#ifdef SOLUTION
    else if (conn->finished && !conn_is_busy(conn))
        conn_free(conn);
#endif
    else if (!conn_is_busy(conn))
        conn_next(conn);
}

static void accept_cb(struct evconnlistener *listener, evutil_socket_t fd,
    struct sockaddr *address, int length, void *arg)
{
    struct server *server = arg;
    struct conn *conn = calloc(1, sizeof(*conn));

    if (conn)
        conn->timer = evtimer_new(server->base, timer_cb, conn);
    if (conn && conn->timer)
        conn->bev =
            bufferevent_socket_new(server->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (!conn || !conn->bev) {
        print_line(stderr, "cannot take a connection");
        if (conn && conn->timer)
            event_free(conn->timer);
        free(conn);
        evutil_closesocket(fd);
        return;
    }
    set_nodelay(fd);
    conn->server = server;
    LIST_INSERT_HEAD(&server->conns, conn, next);
    server->open++;
    bufferevent_setcb(conn->bev, read_cb, write_cb, event_cb, conn);
    if (bufferevent_set_timeouts(conn->bev, &IDLE, NULL) < 0 ||
        bufferevent_enable(conn->bev, EV_READ) < 0)
        conn_fail(conn, "cannot read from it");
}

static void rest_cb(evutil_socket_t fd, short what, void *arg)
{
    struct server *server = arg;

    if (server->listener && evconnlistener_enable(server->listener) < 0)
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

#ifdef SOLUTION
/* SIGINT or SIGTERM: drain. A second one means "now". */
static void stop_cb(evutil_socket_t signum, short what, void *arg)
{
    struct server *server = arg;
    struct conn *conn, *after;

    if (!server->listener) {
        event_base_loopbreak(server->base);
        return;
    }
    print_line(stdout, "draining %u", server->open);
    evconnlistener_free(server->listener);
    server->listener = NULL;
    if (server->open == 0)
        event_base_loopbreak(server->base);
    if (event_base_loopexit(server->base, &server->limit) < 0)
        event_base_loopbreak(server->base); /* now, or it might never end */
    for (conn = LIST_FIRST(&server->conns); conn; conn = after) {
        after = LIST_NEXT(conn, next);
        if (!conn_is_busy(conn))
            conn_finish(conn);
    }
}
#else
static void stop_cb(evutil_socket_t signum, short what, void *arg)
{
    struct server *server = arg;

    /* yours: drain. Now the server ends at once, and answers are lost. */
    event_base_loopbreak(server->base);
}
#endif

static struct evconnlistener *listen_on(struct server *server, long port)
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
        err(1, "cannot listen on port %ld", port);
    evconnlistener_set_error_cb(listener, accept_error_cb);
    return listener;
}

int main(int argc, char **argv)
{
    long port = argc > 1 ? parse_number(argv[1], "", 65535) : 8888;
    long limit = argc > 2 ? parse_number(argv[2], "", MAX_WAIT) : 5000;

    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    if (argc > 3 || port < 0 || limit < 0) {
        fprintf(stderr, "usage: drain [PORT [LIMIT]]\n");
        return 2;
    }

    struct server server = {
        .base = event_base_new(),
        .limit = milliseconds(limit),
    };
    if (!server.base)
        errx(1, "cannot make an event base");
    LIST_INIT(&server.conns);
    struct event *interrupt =
        evsignal_new(server.base, SIGINT, stop_cb, &server);
    struct event *terminate =
        evsignal_new(server.base, SIGTERM, stop_cb, &server);
    add_event(interrupt);
    add_event(terminate);

    server.listener = listen_on(&server, port);
    print_ready(evconnlistener_get_fd(server.listener));
    int result = event_base_dispatch(server.base);
    print_line(stdout, "cut off %u", server.open);

    while (!LIST_EMPTY(&server.conns))
        conn_free(LIST_FIRST(&server.conns));
    if (server.listener)
        evconnlistener_free(server.listener);
    event_free(terminate);
    event_free(interrupt);
    event_base_free(server.base);
    return result < 0 ? 1 : 0;
}
