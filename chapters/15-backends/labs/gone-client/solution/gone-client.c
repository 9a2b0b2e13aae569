/* Starter and solution in one: look once you have passed (make compare-NN). */
/* gone-client.c -- works for its clients, one job for each at a time.
 *
 * Build: cc -o gone-client gone-client.c -levent_core
 * Run:   ./gone-client [PORT [TICK]]      (8888; 1000 milliseconds)
 * Try:   nc 127.0.0.1 8888, and the line 5
 */
#include <ctype.h>
#include <err.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

enum { LINE_LIMIT = 100, TICKS_LIMIT = 1000000 };

static struct timeval tick = {1, 0};

struct conn {
    struct event_base *base;
    struct bufferevent *bev;
    struct event *work_event; /* persistent; pending while a job runs */
    int ticks;                /* of the job; 0 while there is none */
    int done;                 /* of them */
#ifdef SOLUTION
    struct event *gone_event; /* pending while a job runs */
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

#ifdef SOLUTION
static void unwatch_client(struct conn *conn)
{
    if (conn->gone_event)
        event_free(conn->gone_event);
    conn->gone_event = NULL;
}
#else
/* The job has ended, or the connection ends: undo what watch_client did. */
static void unwatch_client(struct conn *conn)
{
    /* yours */
}
#endif

/* The client has left, or the program ends: a job that runs is stopped. */
static void conn_free(struct conn *conn)
{
    if (conn->ticks > 0)
        printf("job of %d stopped after %d\n", conn->ticks, conn->done);
    LIST_REMOVE(conn, next);
    unwatch_client(conn);
    if (conn->work_event)
        event_free(conn->work_event);
    bufferevent_free(conn->bev);
    free(conn);
}

#ifdef SOLUTION
/* The client has closed its end or reset the connection, or, with epoll, more
 * lines have come. */
static void gone_cb(evutil_socket_t fd, short what, void *arg)
{
    int error = 0;
    socklen_t length = sizeof(error);

    if ((what & EV_CLOSED) ||
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0 || error)
        conn_free(arg);
}

/* With epoll libevent reports a reset as EV_READ, not as EV_CLOSED. Edge
 * triggered, lines that stay unread bring one callback, and no more. */
static bool watch_client(struct conn *conn)
{
    short what = EV_CLOSED | EV_PERSIST;

    if (event_base_get_features(conn->base) & EV_FEATURE_ET)
        what |= EV_READ | EV_ET;
    conn->gone_event = event_new(
        conn->base, bufferevent_getfd(conn->bev), what, gone_cb, conn);
    return conn->gone_event && event_add(conn->gone_event, NULL) == 0;
}
#else
/* A job has begun: see to it that conn_free is called as soon as the client is
 * gone. Returns whether that could be arranged. */
static bool watch_client(struct conn *conn)
{
    return true; /* yours */
}
#endif

/* Begin the next job, or wait for its line. While a job runs, nothing is read:
 * what the client sends meanwhile stays in the kernel. */
static void next_job(struct conn *conn)
{
    struct evbuffer *input = bufferevent_get_input(conn->bev);
    char *line = evbuffer_readln(input, NULL, EVBUFFER_EOL_LF);

    if (!line) {
        if (evbuffer_get_length(input) > LINE_LIMIT ||
            bufferevent_enable(conn->bev, EV_READ) < 0)
            conn_free(conn);
        return;
    }
    int ticks = atoi(line);
    free(line);
    if (ticks < 1 || ticks > TICKS_LIMIT) {
        conn_free(conn);
        return;
    }
    conn->ticks = ticks;
    conn->done = 0;
    printf("job of %d begins\n", ticks);
    if (bufferevent_disable(conn->bev, EV_READ) < 0 ||
        event_add(conn->work_event, &tick) < 0 || !watch_client(conn))
        conn_free(conn);
}

/* A tick of work is done; after the last one comes the answer. */
static void work_cb(evutil_socket_t fd, short what, void *arg)
{
    struct conn *conn = arg;

    if (++conn->done < conn->ticks)
        return;
    unwatch_client(conn);
    printf("job of %d done\n", conn->ticks);
    conn->ticks = 0;
    if (event_del(conn->work_event) < 0 ||
        evbuffer_add_printf(
            bufferevent_get_output(conn->bev), "done %d\n", conn->done) < 0)
        conn_free(conn);
}

static void read_cb(struct bufferevent *bev, void *arg)
{
    next_job(arg);
}

/* The answer is sent. */
static void write_cb(struct bufferevent *bev, void *arg)
{
    next_job(arg);
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
    conn->work_event = event_new(arg, -1, EV_PERSIST, work_cb, conn);
    if (!conn->bev || !conn->work_event)
        errx(1, "cannot make the events of a connection");
    LIST_INSERT_HEAD(&conns, conn, next);
    bufferevent_setcb(conn->bev, read_cb, write_cb, event_cb, conn);
    if (bufferevent_enable(conn->bev, EV_READ) < 0)
        errx(1, "cannot watch a connection");
}

static struct timeval milliseconds(const char *text)
{
    int ms = atoi(text);

    return (struct timeval){ms / 1000, ms % 1000 * 1000};
}

static void signal_cb(evutil_socket_t signum, short what, void *arg)
{
    event_base_loopbreak(arg);
}

#ifdef SOLUTION
static struct event_base *make_base(void)
{
    struct event_config *config = event_config_new();

    if (!config ||
        event_config_require_features(config, EV_FEATURE_EARLY_CLOSE) < 0)
        errx(1, "cannot make a configuration");
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    if (!base)
        errx(1, "no back end reports early that a client has closed");
    return base;
}
#else
/* yours: not any base will do */
static struct event_base *make_base(void)
{
    struct event_base *base = event_base_new();

    if (!base)
        errx(1, "cannot make an event base");
    return base;
}
#endif

int main(int argc, char **argv)
{
    int port = argc >= 2 ? parse_port(argv[1]) : 8888;

    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    if (argc > 3 || port < 0) {
        fprintf(stderr, "usage: gone-client [PORT [TICK]]\n");
        return 2;
    }
    if (argc == 3)
        tick = milliseconds(argv[2]);

    struct event_base *base = make_base();
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons((in_port_t)port),
    };
    struct evconnlistener *listener = evconnlistener_new_bind(base, accept_cb,
        base, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, SOMAXCONN,
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
