/* Starter and solution in one: look once you have passed (make compare-NN). */
/* calculator.c -- a server that answers each line "3 + 4" with its result.
 *
 * Build: cc -o calculator calculator.c -levent_core
 * Run:   ./calculator [PORT]            (8888, on 127.0.0.1)
 * Try:   nc 127.0.0.1 8888, and type 6 * 7
 */
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <limits.h>
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

enum {
    LINE = 80,        /* bytes in a line, without its end */
    HIGH = 64 * 1024, /* with more bytes of output, reading stops */
    LOW = 16 * 1024   /* with this many bytes of output, it goes on */
};

enum result { FINE, NOT_UNDERSTOOD, OVERFLOWS, DIVIDES_BY_ZERO, TOO_LONG };

static const char *const messages[] = {
    [NOT_UNDERSTOOD] = "error: not understood; write two whole numbers with "
                       "+ - * or / between them: 6 * 7",
    [OVERFLOWS] = "error: overflow",
    [DIVIDES_BY_ZERO] = "error: division by zero",
    [TOO_LONG] = "error: line too long",
};

struct conn {
    struct bufferevent *bev; /* owns the fd */
    int skipping;            /* in a line that is too long and was answered */
    int ended;               /* the client has sent all that it will */
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
    warnx("lost a client: %s", why);
    conn_free(conn);
}

/* Take LINE apart: a number, a character, a number. */
static enum result parse_line(const char *line, size_t length, long long *left,
    char *op, long long *right)
{
    char *end;

    errno = 0;
    *left = strtoll(line, &end, 10);
    const char *at = end + strspn(end, " ");
    if (end == line || *at == '\0')
        return NOT_UNDERSTOOD;
    *op = *at++;
    *right = strtoll(at, &end, 10);
    if (end == at)
        return NOT_UNDERSTOOD;
    end += strspn(end, " ");
    if (end != line + length) /* more follows, perhaps a NUL */
        return NOT_UNDERSTOOD;
    return errno == ERANGE ? OVERFLOWS : FINE;
}

/* The value of LINE, if the result is FINE. */
static enum result calculate(const char *line, size_t length, long long *value)
{
    long long left, right;
    char op;
    enum result result = parse_line(line, length, &left, &op, &right);

#ifdef SOLUTION
    if (result != FINE)
        return result;
    switch (op) {
    case '+':
        return __builtin_add_overflow(left, right, value) ? OVERFLOWS : FINE;
    case '-':
        return __builtin_sub_overflow(left, right, value) ? OVERFLOWS : FINE;
    case '*':
        return __builtin_mul_overflow(left, right, value) ? OVERFLOWS : FINE;
    case '/':
        if (right == 0)
            return DIVIDES_BY_ZERO;
        if (left == LLONG_MIN && right == -1)
            return OVERFLOWS;
        *value = left / right;
        return FINE;
    default:
        return NOT_UNDERSTOOD;
    }
#else
    /* yours: what LEFT OPERATOR RIGHT is, into *value */
    *value = 0;
    return result;
#endif
}

/* Queue the value, or the error. Returns less than 0 if that fails. */
static int conn_answer(struct conn *conn, enum result result, long long value)
{
    struct evbuffer *output = bufferevent_get_output(conn->bev);

    return result == FINE
               ? evbuffer_add_printf(output, "%lld\n", value)
               : evbuffer_add_printf(output, "%s\n", messages[result]);
}

static int conn_answer_line(struct conn *conn, const char *line, size_t length)
{
    long long value = 0;
    enum result result =
        length > LINE ? TOO_LONG : calculate(line, length, &value);

    return conn_answer(conn, result, value);
}

#ifdef SOLUTION
/* INPUT has no end of line: if it can only become a line that is too long,
 * report that once, and discard all of it. */
static int conn_skip(struct conn *conn, struct evbuffer *input)
{
    size_t length = evbuffer_get_length(input);

    if (!conn->skipping && length <= LINE + 1) /* it may end in a \r */
        return 0;
    if (!conn->skipping && conn_answer(conn, TOO_LONG, 0) < 0)
        return -1;
    conn->skipping = 1;
    return evbuffer_drain(input, length);
}

/* Answer all of the input. Returns less than 0 if that fails. */
static int conn_answer_lines(struct conn *conn)
{
    struct evbuffer *input = bufferevent_get_input(conn->bev);
    size_t length;
    char *line;

    while ((line = evbuffer_readln(input, &length, EVBUFFER_EOL_CRLF))) {
        int result = conn->skipping ? 0 : conn_answer_line(conn, line, length);
        conn->skipping = 0;
        free(line);
        if (result < 0)
            return -1;
    }
    return conn_skip(conn, input);
}

#endif
static void read_cb(struct bufferevent *bev, void *arg)
{
    struct conn *conn = arg;
#ifdef SOLUTION

    if (conn_answer_lines(conn) < 0)
        conn_fail(conn, "cannot queue an answer");
    else if (evbuffer_get_length(bufferevent_get_output(bev)) > HIGH)
        bufferevent_disable(bev, EV_READ);
#else
    struct evbuffer *input = bufferevent_get_input(bev);
    size_t length;
    char *line = evbuffer_readln(input, &length, EVBUFFER_EOL_CRLF);

    /* yours: all lines that have come, one that is too long, and a client that
     * does not read its answers */
    if (line && conn_answer_line(conn, line, length) < 0)
        conn_fail(conn, "cannot queue an answer");
    free(line);
#endif
}

/* The output has drained to LOW or below. */
static void write_cb(struct bufferevent *bev, void *arg)
{
#ifdef SOLUTION
    struct conn *conn = arg;

    if (conn->ended && evbuffer_get_length(bufferevent_get_output(bev)) == 0)
        conn_free(conn);
    else if (!conn->ended && bufferevent_enable(bev, EV_READ) < 0)
        conn_fail(conn, "cannot read on");
#else
    /* yours: read on, or end the connection */
#endif
}

#ifdef SOLUTION
/* The client will send no more. Its last line may lack its end. */
static void conn_end(struct conn *conn)
{
    char rest[LINE + 2];
    size_t length = bufferevent_read(conn->bev, rest, sizeof(rest) - 1);

    rest[length] = '\0';
    conn->ended = 1;
    if (length > 0 && conn_answer_line(conn, rest, length) < 0)
        conn_fail(conn, "cannot queue an answer");
    else if (evbuffer_get_length(bufferevent_get_output(conn->bev)) == 0)
        conn_free(conn); /* else the client still reads, and write_cb ends it */
}

#endif
static void event_cb(struct bufferevent *bev, short what, void *arg)
{
#ifdef SOLUTION
    int error = EVUTIL_SOCKET_ERROR(); /* before a call can change it */

    if (what & BEV_EVENT_EOF) {
        conn_end(arg);
        return;
    }
    /* While answers are sent, a silent client is not idle: the time-out of
     * writing counts. */
    if (what & BEV_EVENT_TIMEOUT && what & BEV_EVENT_READING &&
        evbuffer_get_length(bufferevent_get_output(bev)) > 0 &&
        bufferevent_enable(bev, EV_READ) == 0)
        return;
    if (what & BEV_EVENT_TIMEOUT)
        warnx("dropped a client that was idle");
    else
        warnx("got an error on the connection: %s",
            evutil_socket_error_to_string(error));
    conn_free(arg);
#else
    /* yours: the client has sent all that it will, is idle, or is lost */
#endif
}

static void accept_cb(struct evconnlistener *listener, evutil_socket_t fd,
    struct sockaddr *address, int length, void *arg)
{
    struct conn *conn = calloc(1, sizeof(*conn));

    if (conn)
        conn->bev = bufferevent_socket_new(arg, fd, BEV_OPT_CLOSE_ON_FREE);
    if (!conn || !conn->bev) {
        warnx("cannot take a connection");
        free(conn);
        evutil_closesocket(fd);
        return;
    }
    set_nodelay(fd);
    LIST_INSERT_HEAD(&conns, conn, next);
    bufferevent_setcb(conn->bev, read_cb, write_cb, event_cb, conn);
    bufferevent_setwatermark(conn->bev, EV_WRITE, LOW, 0);
    if (bufferevent_set_timeouts(conn->bev, &IDLE, &IDLE) < 0 ||
        bufferevent_enable(conn->bev, EV_READ) < 0)
        conn_fail(conn, "cannot watch it");
}

static void rest_cb(evutil_socket_t fd, short what, void *arg)
{
    if (evconnlistener_enable(arg) < 0)
        warnx("cannot accept again");
}

/* With no descriptor left, accepting would fail again and again: it pauses. */
static void accept_error_cb(struct evconnlistener *listener, void *arg)
{
    struct event_base *base = evconnlistener_get_base(listener);

    warn("cannot accept, trying again in a second");
    if (event_base_once(base, -1, EV_TIMEOUT, rest_cb, listener, &REST) == 0)
        evconnlistener_disable(listener);
}

static void signal_cb(evutil_socket_t signum, short what, void *arg)
{
    event_base_loopbreak(arg);
}

/* A listener on 127.0.0.1 and PORT, which calls accept_cb. */
static struct evconnlistener *listen_on(struct event_base *base, int port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons((in_port_t)port),
    };
    struct evconnlistener *listener = evconnlistener_new_bind(base, accept_cb,
        base, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE,
        SOMAXCONN, (struct sockaddr *)&address, sizeof(address));

    if (!listener)
        err(1, "cannot listen on port %d", port);
    evconnlistener_set_error_cb(listener, accept_error_cb);
    return listener;
}

int main(int argc, char **argv)
{
    int port = argc == 2 ? parse_port(argv[1]) : 8888;

    setvbuf(stdout, NULL, _IOLBF, 0);
    /* Writing to a closed connection must fail, not kill us. */
    signal(SIGPIPE, SIG_IGN);
    if (argc > 2 || port < 0) {
        fprintf(stderr, "usage: calculator [PORT]\n");
        return 2;
    }

    struct event_base *base = event_base_new();
    if (!base)
        errx(1, "cannot make an event base");
    struct evconnlistener *listener = listen_on(base, port);
    struct event *terminate = evsignal_new(base, SIGTERM, signal_cb, base);
    add_event(terminate);

    print_ready(evconnlistener_get_fd(listener));
    int result = event_base_dispatch(base);

    while (!LIST_EMPTY(&conns))
        conn_free(LIST_FIRST(&conns));
    event_free(terminate);
    evconnlistener_free(listener);
    event_base_free(base);
    return result < 0 ? 1 : 0;
}
