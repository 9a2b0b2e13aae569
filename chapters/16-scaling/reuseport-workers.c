/* reuseport-workers.c -- processes that share a port, and one that replaces
 * them.
 *
 * Build: cc -o reuseport-workers reuseport-workers.c supervisor.c \
 *            worker-task.c -levent_core
 * Run:   ./reuseport-workers [-i] [-n PROCESSES] [-g SECONDS] [ADDRESS PORT]
 * Try:   kill -HUP or -USR1 to the first process, kill -KILL to another
 */
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <event2/util.h>

#include "supervisor.h"

static const struct timeval REST = {1, 0}; /* after accept has failed */

/* Bytes of output that may wait for a slow client: reading stops above HIGH
 * and goes on below LOW. No more processes or seconds than MAX_NUMBER. */
enum { HIGH = 256 * 1024, LOW = 64 * 1024, MAX_NUMBER = 512 };

/* What a worker is, once it has been forked. */
struct server {
    struct event_base *base;
    struct evconnlistener *listener; /* NULL once it is time to leave */
    struct event *rest_event;        /* pending while no descriptor is left */
    struct timeval grace;            /* from the signal to the end */
    int number;
    unsigned long clients;    /* accepted so far */
    unsigned long open;       /* of these, still connected */
    unsigned long long bytes; /* echoed so far */
    LIST_HEAD(conn_list, conn) conns;
};

struct conn {
    struct server *server;
    struct bufferevent *bev; /* owns the fd */
    bool ended;              /* the peer has sent all that it will */
    LIST_ENTRY(conn) next;
};

static void usage(int status)
{
    fprintf(status ? stderr : stdout,
        "usage: reuseport-workers [-i] [-n PROCESSES] [-g SECONDS] "
        "[ADDRESS PORT]\n");
    exit(status);
}

/* Print a line on standard output, or on standard error as warnx(3) does. A
 * line that would block is dropped: a callback that waits for the reader of a
 * log stops the whole loop. If poll(2) says writable, a line has room. */
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

/* Open what is missing of standard input, output and error: the numbers would
 * otherwise go to libevent's own descriptors, and what we print with them.
 * Opened for reading alone, so that printing fails as it did. */
static void open_standard_fds(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            open("/dev/null", O_RDONLY); /* gets the lowest number, FD */
}

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

/* The number that TEXT names, 1 to MAX_NUMBER, or -1 if it names none. */
static long parse_positive(const char *text)
{
    char *end;
    long number = strtol(text, &end, 10);

    if (!isdigit((unsigned char)text[0]) || *end != '\0' || number < 1 ||
        number > MAX_NUMBER)
        return -1;
    return number;
}

/* Send small answers at once: with Nagle's algorithm on, the end of a long
 * answer would wait up to 40 ms for the peer's delayed acknowledgement. */
static void set_nodelay(evutil_socket_t fd)
{
    int on = 1;

    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)
        print_line(stderr, "cannot set TCP_NODELAY: %s", strerror(errno));
}

/* Afterwards a descriptor is free, and a client may be waiting for it. After
 * the last client, a worker that leaves has nothing to wait for. */
static void conn_free(struct conn *conn)
{
    struct server *server = conn->server;

    LIST_REMOVE(conn, next);
    bufferevent_free(conn->bev);
    free(conn);
    server->open--;
    if (event_pending(server->rest_event, EV_TIMEOUT, NULL))
        evconnlistener_enable(server->listener);
    if (!server->listener && server->open == 0)
        event_base_loopbreak(server->base);
}

/* A failure for one client must not end the server. */
static void conn_fail(struct conn *conn, const char *what)
{
    print_line(stderr, "cannot %s a client: %s", what, strerror(errno));
    conn_free(conn);
}

static void read_cb(struct bufferevent *bev, void *arg)
{
    struct conn *conn = arg;
    struct evbuffer *input = bufferevent_get_input(bev);
    size_t length = evbuffer_get_length(input);
    unsigned char *bytes = evbuffer_pullup(input, -1);

    /* Enabling EV_WRITE, which is on anyway, fails if the socket cannot be
     * watched. */
    if (!bytes || bufferevent_write(bev, bytes, length) < 0 ||
        bufferevent_enable(bev, EV_WRITE) < 0) {
        conn_fail(conn, "queue an answer for");
        return;
    }
    conn->server->bytes += length;
    evbuffer_drain(input, length);
    if (evbuffer_get_length(bufferevent_get_output(bev)) > HIGH)
        bufferevent_disable(bev, EV_READ);
}

/* The output has drained to LOW or below: read on, or end. */
static void write_cb(struct bufferevent *bev, void *arg)
{
    struct conn *conn = arg;

    if (!conn->ended && bufferevent_enable(bev, EV_READ) < 0)
        conn_fail(conn, "watch");
    else if (conn->ended &&
             evbuffer_get_length(bufferevent_get_output(bev)) == 0)
        conn_free(conn);
}

static void event_cb(struct bufferevent *bev, short what, void *arg)
{
    int error = EVUTIL_SOCKET_ERROR(); /* before a call can change it */
    struct conn *conn = arg;

    if (what & BEV_EVENT_EOF) {
        conn->ended = true;
        if (evbuffer_get_length(bufferevent_get_output(bev)) == 0)
            conn_free(conn);
        return; /* else the peer still reads, and write_cb ends it */
    }
    print_line(stderr, "got an error on the connection: %s",
        evutil_socket_error_to_string(error));
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
        print_line(stderr, "cannot serve a client: %s", strerror(errno));
        evutil_closesocket(fd);
        free(conn);
        return;
    }
    conn->server = server;
    LIST_INSERT_HEAD(&server->conns, conn, next);
    server->clients++;
    server->open++;
    set_nodelay(fd);
    bufferevent_setcb(conn->bev, read_cb, write_cb, event_cb, conn);
    bufferevent_setwatermark(conn->bev, EV_WRITE, LOW, 0);
    if (bufferevent_enable(conn->bev, EV_READ) < 0)
        conn_fail(conn, "watch");
}

/* The pause is over: accept again. The event is persistent, so that another
 * second passes if the listener cannot be enabled. */
static void rest_cb(evutil_socket_t fd, short what, void *arg)
{
    struct server *server = arg;

    if (evconnlistener_enable(server->listener) == 0)
        event_del(server->rest_event);
}

/* With no descriptor left, accepting would fail again and again. So it pauses
 * until conn_free has closed a descriptor, or for a second. */
static void accept_error_cb(struct evconnlistener *listener, void *arg)
{
    int error = EVUTIL_SOCKET_ERROR(); /* before a call can change it */
    struct server *server = arg;

    if (!event_pending(server->rest_event, EV_TIMEOUT, NULL)) {
        print_line(stderr, "cannot accept, trying again in a second: %s",
            evutil_socket_error_to_string(error));
        if (event_add(server->rest_event, &REST) < 0)
            return; /* without a clock, accepting must not stop */
    }
    evconnlistener_disable(listener);
}

/* SIGUSR1 */
static void report_cb(evutil_socket_t signum, short what, void *arg)
{
    struct server *server = arg;

    print_line(stdout, "worker %d, pid %d: clients %lu, open %lu, bytes %llu",
        server->number, (int)getpid(), server->clients, server->open,
        server->bytes);
}

/* SIGTERM, or the supervisor has died. The first time, the worker accepts no
 * more and serves its clients until they leave, for the grace time at most. */
static void stop_cb(evutil_socket_t fd, short what, void *arg)
{
    struct server *server = arg;

    if (!server->listener || server->open == 0 ||
        event_base_loopexit(server->base, &server->grace) < 0) {
        event_base_loopbreak(server->base);
        return;
    }
    event_del(server->rest_event);
    evconnlistener_free(server->listener);
    server->listener = NULL;
}

/* Say what was done, and close what is open. */
static void worker_end(struct server *server)
{
    report_cb(0, 0, server);
    while (!LIST_EMPTY(&server->conns))
        conn_free(LIST_FIRST(&server->conns));
    if (server->listener)
        evconnlistener_free(server->listener);
}

/* The life of a worker. Its clients are its own: no other process can go on
 * with them. */
static int work_as(const struct task *task, const struct plan *plan)
{
    struct server server = {.base = task->base,
        .listener = task->listener,
        .grace = plan->grace,
        .number = task->number};
    struct event *events[] = {
        evsignal_new(server.base, SIGTERM, stop_cb, &server),
        evsignal_new(server.base, SIGUSR1, report_cb, &server),
        event_new(server.base, task->control, EV_READ, stop_cb, &server),
    };
    size_t count = sizeof(events) / sizeof(events[0]);

    LIST_INIT(&server.conns);
    server.rest_event =
        event_new(server.base, -1, EV_PERSIST, rest_cb, &server);
    if (!server.rest_event)
        errx(1, "cannot make an event");
    for (size_t i = 0; i < count; i++)
        if (!events[i] || event_add(events[i], NULL) < 0)
            errx(1, "cannot add an event");
    evconnlistener_set_error_cb(server.listener, accept_error_cb);
    evconnlistener_set_cb(server.listener, accept_cb, &server);
    if (evconnlistener_enable(server.listener) < 0)
        errx(1, "cannot watch the listening socket");
    if (task_ready(task) < 0)
        err(1, "cannot tell the supervisor");

    int result = event_base_dispatch(server.base);
    task_end();
    worker_end(&server);
    for (size_t i = 0; i < count; i++)
        event_free(events[i]);
    event_free(server.rest_event);
    event_base_free(server.base);
    close(task->control);
    return result < 0 ? 1 : 0;
}

/* What is asked for on the command line, and the number of its arguments before
 * ADDRESS PORT. */
static int parse_plan(struct plan *plan, int argc, char **argv)
{
    long number = 0;

    opterr = 0; /* usage says it */
    for (int c; (c = getopt(argc, argv, "ig:n:")) != -1;) {
        if (c == '?' || (c != 'i' && (number = parse_positive(optarg)) < 0))
            usage(2);
        if (c == 'i')
            plan->shared = true;
        else if (c == 'g')
            plan->grace.tv_sec = number;
        else
            plan->count = (int)number;
    }
    if ((argc != optind && argc != optind + 2) ||
        (argc > optind && parse_port(argv[optind + 1]) < 0))
        usage(2);
    return optind;
}

int main(int argc, char **argv)
{
    open_standard_fds();
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        usage(0);
    signal(SIGPIPE, SIG_IGN); /* writing to a closed connection must fail */

    //> plan
    struct plan plan = {.count = (int)sysconf(_SC_NPROCESSORS_ONLN),
        .grace = {.tv_sec = 10},
        .work = work_as};
    int first = parse_plan(&plan, argc, argv);
    int status = argc > first
                     ? supervisor_run(&plan, argv[first], argv[first + 1])
                     : supervisor_run(&plan, "127.0.0.1", "8888");
    print_line(stdout, "done");
    return status;
}
