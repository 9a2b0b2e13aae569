/* Starter and solution in one: look once you have passed (make compare-NN). */
/* port-forwarder.c -- passes bytes between its clients and another server.
 *
 * Build: cc -o port-forwarder port-forwarder.c -levent_core
 * Run:   ./port-forwarder PORT UPSTREAM-PORT     (both on 127.0.0.1)
 * Try:   ./port-forwarder 9996 9995 & echo hello | nc -N 127.0.0.1 9996
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

#ifdef SOLUTION
/* Bytes that may wait for a slow reader: the other side is not read above HIGH
 * and is again below LOW. */
enum { HIGH = 256 * 1024, LOW = 64 * 1024 };

enum { CLIENT, UPSTREAM };

struct side {
    struct bufferevent *bev; /* owns its fd */
    int ended;               /* its peer has sent all that it will */
    int told;                /* its peer knows that we send no more */
};

/* A client and its connection to the upstream: they come and go together. */
struct pair {
    struct side sides[2];
    LIST_ENTRY(pair) next;
};
#else
/* A client and its connection to the upstream: they come and go together. */
struct pair {
    struct bufferevent *client; /* owns the client's fd */
    /* yours: the upstream's bufferevent, and what you must know of each side */
    LIST_ENTRY(pair) next;
};
#endif

static LIST_HEAD(pair_list, pair) pairs = LIST_HEAD_INITIALIZER(pairs);

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

#ifdef SOLUTION
static void pair_free(struct pair *pair)
{
    LIST_REMOVE(pair, next);
    bufferevent_free(pair->sides[CLIENT].bev);
    bufferevent_free(pair->sides[UPSTREAM].bev);
    free(pair);
}

/* A failure in one pair ends that pair, not the forwarder. */
static void pair_fail(struct pair *pair, const char *why)
{
    print_line(stderr, "lost a pair: %s", why);
    pair_free(pair);
}

/* The side of PAIR that BEV is. */
static struct side *this_side(struct pair *pair, const struct bufferevent *bev)
{
    return &pair->sides[bev == pair->sides[CLIENT].bev ? CLIENT : UPSTREAM];
}

static struct side *other_side(struct pair *pair, const struct bufferevent *bev)
{
    return &pair->sides[bev == pair->sides[CLIENT].bev ? UPSTREAM : CLIENT];
}

static size_t output_length(const struct side *side)
{
    return evbuffer_get_length(bufferevent_get_output(side->bev));
}

/* If FROM has ended and TO has sent all of it, tell TO's peer. When both peers
 * know, the pair is done and freed: touch nothing of it after this. */
static void pass_end(struct pair *pair, struct side *from, struct side *to)
{
    if (!from->ended || to->told || output_length(to) > 0)
        return;
    to->told = 1;
    if (from->told || shutdown(bufferevent_getfd(to->bev), SHUT_WR) != 0)
        pair_free(pair);
}

static void read_cb(struct bufferevent *bev, void *arg)
{
    struct side *to = other_side(arg, bev);
    struct evbuffer *input = bufferevent_get_input(bev);
    size_t length = evbuffer_get_length(input);
    unsigned char *bytes = evbuffer_pullup(input, -1);

    /* Copied: bufferevent_write_buffer would keep a kilobyte for one. */
    if (!bytes || bufferevent_write(to->bev, bytes, length) < 0) {
        pair_fail(arg, "cannot queue bytes");
        return;
    }
    evbuffer_drain(input, length);
    if (output_length(to) > HIGH)
        bufferevent_disable(bev, EV_READ);
}

/* The output has drained to LOW or below: read the other side on, or pass its
 * end. */
static void write_cb(struct bufferevent *bev, void *arg)
{
    struct side *from = other_side(arg, bev);

    if (!from->ended && bufferevent_enable(from->bev, EV_READ) < 0)
        pair_fail(arg, "cannot read on");
    else
        pass_end(arg, from, this_side(arg, bev));
}

/* Before the upstream has answered, the client is not read: its bytes wait in
 * the kernel. */
static void connected(struct pair *pair)
{
    set_nodelay(bufferevent_getfd(pair->sides[UPSTREAM].bev));
    if (bufferevent_enable(pair->sides[CLIENT].bev, EV_READ) < 0 ||
        bufferevent_enable(pair->sides[UPSTREAM].bev, EV_READ) < 0)
        pair_fail(pair, "cannot read from it");
}

static void event_cb(struct bufferevent *bev, short what, void *arg)
{
    int error = EVUTIL_SOCKET_ERROR(); /* before a call can change it */
    struct pair *pair = arg;

    if (what & BEV_EVENT_CONNECTED) {
        connected(pair);
        return;
    }
    if (what & BEV_EVENT_EOF) {
        this_side(pair, bev)->ended = 1;
        pass_end(pair, this_side(pair, bev), other_side(pair, bev));
        return;
    }
    pair_fail(pair, evutil_socket_error_to_string(error));
}

/* Make a side of PAIR for FD, which may be -1; 0, or -1 if it cannot be made.
 */
static int side_init(
    struct pair *pair, int which, struct event_base *base, evutil_socket_t fd)
{
    struct bufferevent *bev =
        bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);

    if (!bev)
        return -1;
    bufferevent_setcb(bev, read_cb, write_cb, event_cb, pair);
    bufferevent_setwatermark(bev, EV_WRITE, LOW, 0);
    pair->sides[which].bev = bev;
    return 0;
}

static void accept_cb(struct evconnlistener *listener, evutil_socket_t fd,
    struct sockaddr *address, int length, void *arg)
{
    struct event_base *base = evconnlistener_get_base(listener);
    struct sockaddr_in *upstream = arg;
    struct pair *pair = calloc(1, sizeof(*pair));

    if (!pair || side_init(pair, UPSTREAM, base, -1) < 0 ||
        side_init(pair, CLIENT, base, fd) < 0) {
        print_line(stderr, "cannot take a connection");
        if (pair && pair->sides[UPSTREAM].bev)
            bufferevent_free(pair->sides[UPSTREAM].bev);
        free(pair);
        evutil_closesocket(fd);
        return;
    }
    set_nodelay(fd);
    LIST_INSERT_HEAD(&pairs, pair, next);
    if (bufferevent_socket_connect(pair->sides[UPSTREAM].bev,
            (struct sockaddr *)upstream, sizeof(*upstream)) < 0)
        pair_fail(pair, "cannot connect to the upstream");
}
#else
static void pair_free(struct pair *pair)
{
    LIST_REMOVE(pair, next);
    bufferevent_free(pair->client);
    free(pair);
}

/* yours: pass what BEV has read to the other side; not without bounds */
static void read_cb(struct bufferevent *bev, void *arg)
{
}

/* yours: the output of BEV has drained: what was waiting for that? */
static void write_cb(struct bufferevent *bev, void *arg)
{
}

/* yours: the upstream is connected, a side has ended, a side has failed */
static void event_cb(struct bufferevent *bev, short what, void *arg)
{
}

/* ARG is the upstream's address. */
static void accept_cb(struct evconnlistener *listener, evutil_socket_t fd,
    struct sockaddr *address, int length, void *arg)
{
    struct pair *pair = calloc(1, sizeof(*pair));

    if (pair)
        pair->client = bufferevent_socket_new(
            evconnlistener_get_base(listener), fd, BEV_OPT_CLOSE_ON_FREE);
    if (!pair || !pair->client) {
        print_line(stderr, "cannot take a connection");
        free(pair);
        evutil_closesocket(fd);
        return;
    }
    set_nodelay(fd);
    LIST_INSERT_HEAD(&pairs, pair, next);
    bufferevent_setcb(pair->client, read_cb, write_cb, event_cb, pair);
    /* yours: a connection of its own to the upstream */
}
#endif

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

static struct sockaddr_in loopback(int port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons((in_port_t)port),
    };
}

/* A listener on 127.0.0.1 and PORT, for clients of UPSTREAM. */
static struct evconnlistener *listen_on(
    struct event_base *base, int port, struct sockaddr_in *upstream)
{
    struct sockaddr_in address = loopback(port);
    struct evconnlistener *listener =
        evconnlistener_new_bind(base, accept_cb, upstream,
            LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE,
            SOMAXCONN, (struct sockaddr *)&address, sizeof(address));

    if (!listener)
        err(1, "cannot listen on port %d", port);
    evconnlistener_set_error_cb(listener, accept_error_cb);
    return listener;
}

int main(int argc, char **argv)
{
    int port = argc == 3 ? parse_port(argv[1]) : -1;
    int upstream_port = argc == 3 ? parse_port(argv[2]) : -1;

    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    if (port < 0 || upstream_port < 1) {
        fprintf(stderr, "usage: port-forwarder PORT UPSTREAM-PORT\n");
        return 2;
    }

    struct event_base *base = event_base_new();
    if (!base)
        errx(1, "cannot make an event base");
    struct event *terminate = evsignal_new(base, SIGTERM, signal_cb, base);
    add_event(terminate);

    struct sockaddr_in upstream = loopback(upstream_port);
    struct evconnlistener *listener = listen_on(base, port, &upstream);
    print_ready(evconnlistener_get_fd(listener));
    int result = event_base_dispatch(base);

    while (!LIST_EMPTY(&pairs))
        pair_free(LIST_FIRST(&pairs));
    evconnlistener_free(listener);
    event_free(terminate);
    event_base_free(base);
    return result < 0 ? 1 : 0;
}
