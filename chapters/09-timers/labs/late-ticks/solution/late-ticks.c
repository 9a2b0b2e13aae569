/* Starter and solution in one: look once you have passed (make compare-NN). */
/* late-ticks.c -- counts aloud for each client, a number each interval.
 *
 * Build: cc -o late-ticks late-ticks.c -levent_core
 * Run:   ./late-ticks [PORT [MILLISECONDS]]   (8888, on 127.0.0.1; 1000)
 * Try:   nc 127.0.0.1 8888
 */
#include <ctype.h>
#include <err.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <event2/util.h>

static struct timeval interval = {1, 0};

struct conn {
    struct event_base *base;
    struct bufferevent *bev;
    struct event *timer;
    unsigned long count; /* the last number sent */
#ifdef SOLUTION
    struct timeval due; /* of the next number, on the base's clock */
#endif
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

static void conn_free(struct conn *conn)
{
    LIST_REMOVE(conn, next);
#ifdef SOLUTION
    if (conn->timer)
        event_free(conn->timer);
#endif
    bufferevent_free(conn->bev);
    free(conn);
}

#ifdef SOLUTION
/* The next number is due an interval after this one was due, however late this
 * one is. If that time has passed, the timer fires at once. */
static void wait_for_next(struct conn *conn)
{
    struct timeval now, delay = {0, 0};

    event_base_update_cache_time(conn->base);
    if (event_gettime_monotonic(conn->base, &now) < 0)
        errx(1, "cannot read the clock");
    if (conn->count == 0)
        conn->due = now;
    evutil_timeradd(&conn->due, &interval, &conn->due);
    if (evutil_timercmp(&conn->due, &now, >))
        evutil_timersub(&conn->due, &now, &delay);
    if (evtimer_add(conn->timer, &delay) < 0)
        errx(1, "cannot add a timer");
}
#else
static void wait_for_next(struct conn *conn)
{
    if (evtimer_add(conn->timer, &interval) < 0)
        errx(1, "cannot add a timer");
}
#endif

static void timer_cb(evutil_socket_t fd, short what, void *arg)
{
    struct conn *conn = arg;

    conn->count++;
    if (evbuffer_add_printf(
            bufferevent_get_output(conn->bev), "%lu\n", conn->count) < 0)
        errx(1, "cannot send a number");
    wait_for_next(conn);
}

/* Discard what a client sends. */
static void read_cb(struct bufferevent *bev, void *arg)
{
    struct evbuffer *input = bufferevent_get_input(bev);

    evbuffer_drain(input, evbuffer_get_length(input));
}

static void event_cb(struct bufferevent *bev, short what, void *arg)
{
    conn_free(arg);
}

static void accept_cb(struct evconnlistener *listener, evutil_socket_t fd,
    struct sockaddr *address, int length, void *arg)
{
    struct conn *conn = calloc(1, sizeof(*conn));

    if (!conn)
        err(1, "cannot take a connection");
    conn->base = arg;
    conn->bev = bufferevent_socket_new(arg, fd, BEV_OPT_CLOSE_ON_FREE);
    conn->timer = evtimer_new(arg, timer_cb, conn);
    if (!conn->bev || !conn->timer)
        errx(1, "cannot serve a client");
    LIST_INSERT_HEAD(&conns, conn, next);
    bufferevent_setcb(conn->bev, read_cb, NULL, event_cb, conn);
    if (bufferevent_enable(conn->bev, EV_READ) < 0)
        errx(1, "cannot watch a connection");
    wait_for_next(conn);
}

static void signal_cb(evutil_socket_t signum, short what, void *arg)
{
    event_base_loopbreak(arg);
}

int main(int argc, char **argv)
{
    int port = argc >= 2 ? parse_port(argv[1]) : 8888;
    int ms = argc == 3 ? atoi(argv[2]) : 1000;

    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    if (argc > 3 || port < 0 || ms <= 0) {
        fprintf(stderr, "usage: late-ticks [PORT [MILLISECONDS]]\n");
        return 2;
    }
    interval.tv_sec = ms / 1000;
    interval.tv_usec = ms % 1000 * 1000;

    struct event_base *base = event_base_new();
    if (!base)
        errx(1, "cannot make an event base");
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons((in_port_t)port),
    };
    struct evconnlistener *listener = evconnlistener_new_bind(base, accept_cb,
        base, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, -1,
        (struct sockaddr *)&address, sizeof(address));
    if (!listener)
        err(1, "cannot listen on port %d", port);
    struct event *terminate = evsignal_new(base, SIGTERM, signal_cb, base);
    if (!terminate || event_add(terminate, NULL) < 0)
        errx(1, "cannot add an event");

    print_ready(evconnlistener_get_fd(listener));
    int result = event_base_dispatch(base);

    while (!LIST_EMPTY(&conns))
        conn_free(LIST_FIRST(&conns));
    event_free(terminate);
    evconnlistener_free(listener);
    event_base_free(base);
    return result < 0 ? 1 : 0;
}
