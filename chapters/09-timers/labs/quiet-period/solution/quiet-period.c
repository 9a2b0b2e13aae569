/* Starter and solution in one: look once you have passed (make compare-NN). */
/* quiet-period.c -- tells a client how many lines it has sent, once it is
 * quiet.
 *
 * Build: cc -o quiet-period quiet-period.c -levent_core
 * Run:   ./quiet-period [PORT [QUIET [MOST]]]   (8888; 1000 and 5000
 * milliseconds) Try:   nc 127.0.0.1 8888
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

static struct timeval quiet = {1, 0}; /* without a line: then report */
static struct timeval most = {5, 0};  /* since the first line: report, too */

struct conn {
    struct event_base *base;
    struct bufferevent *bev;
    unsigned long lines; /* that the client has not been told of */
#ifdef SOLUTION
    struct event *quiet_timer; /* renewed with each line */
    struct event *most_timer;  /* since the first line */
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

/* Tell the client how many lines it has sent, and count anew. */
static void tell(struct conn *conn)
{
    if (evbuffer_add_printf(
            bufferevent_get_output(conn->bev), "lines: %lu\n", conn->lines) < 0)
        errx(1, "cannot tell a client");
    conn->lines = 0;
}

#ifdef SOLUTION
/* One of the two timers is due. Delete the other one: its lines have been
 * reported. */
static void due_cb(evutil_socket_t fd, short what, void *arg)
{
    struct conn *conn = arg;

    evtimer_del(conn->quiet_timer);
    evtimer_del(conn->most_timer);
    tell(conn);
}

static void timers_new(struct conn *conn)
{
    conn->quiet_timer = evtimer_new(conn->base, due_cb, conn);
    conn->most_timer = evtimer_new(conn->base, due_cb, conn);
    if (!conn->quiet_timer || !conn->most_timer)
        errx(1, "cannot make a timer");
}

static void timers_free(struct conn *conn)
{
    event_free(conn->quiet_timer);
    event_free(conn->most_timer);
}

static void lines_came(struct conn *conn, unsigned long lines)
{
    if (conn->lines == 0 && evtimer_add(conn->most_timer, &most) < 0)
        errx(1, "cannot add a timer");
    if (evtimer_add(conn->quiet_timer, &quiet) < 0)
        errx(1, "cannot add a timer");
    conn->lines += lines;
}
#else
/* A client has connected: make what it needs. */
static void timers_new(struct conn *conn)
{
    /* yours */
}

/* A client has left. */
static void timers_free(struct conn *conn)
{
    /* yours */
}

/* The client has sent LINES lines, 1 or more. */
static void lines_came(struct conn *conn, unsigned long lines)
{
    conn->lines += lines;
    tell(conn); /* yours: not at once */
}
#endif

static void conn_free(struct conn *conn)
{
    LIST_REMOVE(conn, next);
    timers_free(conn);
    bufferevent_free(conn->bev);
    free(conn);
}

/* A line counts when its end has come. */
static void read_cb(struct bufferevent *bev, void *arg)
{
    char bytes[4096];
    size_t length;
    unsigned long lines = 0;

    while ((length = bufferevent_read(bev, bytes, sizeof(bytes))) > 0)
        for (size_t i = 0; i < length; i++)
            lines += bytes[i] == '\n';
    if (lines > 0)
        lines_came(arg, lines);
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
    if (!conn->bev)
        errx(1, "cannot make a bufferevent");
    timers_new(conn);
    LIST_INSERT_HEAD(&conns, conn, next);
    bufferevent_setcb(conn->bev, read_cb, NULL, event_cb, conn);
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

int main(int argc, char **argv)
{
    int port = argc >= 2 ? parse_port(argv[1]) : 8888;

    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    if (argc > 4 || port < 0) {
        fprintf(stderr, "usage: quiet-period [PORT [QUIET [MOST]]]\n");
        return 2;
    }
    if (argc >= 3)
        quiet = milliseconds(argv[2]);
    if (argc >= 4)
        most = milliseconds(argv[3]);

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
