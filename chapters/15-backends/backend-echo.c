/* backend-echo.c -- an echo server on the back end of your choice, level or
 * edge triggered.
 *
 * Build: cc -o backend-echo backend-echo.c -levent_core
 * Run:   ./backend-echo [-m METHOD] [-e] [ADDRESS PORT]     (127.0.0.1 8888)
 * Try:   ./backend-echo -m epoll -e, then nc 127.0.0.1 8888
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
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/listener.h>
#include <event2/util.h>

static const struct timeval REST = {1, 0}; /* after accept has failed */
enum { CHUNK = 65536, TURN = 4 }; /* bytes of a read; reads of a turn */

struct server {
    struct event_base *base;
    struct evconnlistener *listener;
    struct event *rest_event; /* pending while no descriptor is left */
    bool edges;               /* -e */
    LIST_HEAD(conn_list, conn) conns;
};

/* With edge triggering one event stays pending for both directions: up to
 * libevent 2.1.8, deleting one of two made the other one level triggered. */
struct conn {
    struct server *server;
    evutil_socket_t fd;        /* ours: conn_free closes it */
    struct event *read_event;  /* with -e: for both directions */
    struct event *write_event; /* NULL with -e */
    struct event *turn_event;  /* with -e: pending if there may be more input */
    char *queue;               /* waits to be sent; NULL if nothing does */
    size_t queue_length, queue_sent;
    LIST_ENTRY(conn) next;
};

static void usage(int status)
{
    fprintf(status ? stderr : stdout,
        "usage: backend-echo [-m METHOD] [-e] [ADDRESS PORT]\n");
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

/* The addresses of HOST and PORT for a stream socket, to be freed with
 * evutil_freeaddrinfo. A name that has none ends the program. */
static struct evutil_addrinfo *resolve(const char *host, const char *port)
{
    struct evutil_addrinfo *list;
    struct evutil_addrinfo hints = {
        .ai_socktype = SOCK_STREAM, .ai_flags = EVUTIL_AI_NUMERICSERV};
    int error = evutil_getaddrinfo(host, port, &hints, &list);

    if (error)
        errx(1, "cannot resolve %s: %s", host, evutil_gai_strerror(error));
    return list;
}

/* Say where FD listens: given port 0, only the kernel knows. */
static void print_ready(evutil_socket_t fd)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    char host[NI_MAXHOST], port[NI_MAXSERV];

    if (getsockname(fd, (struct sockaddr *)&address, &length) != 0 ||
        getnameinfo((struct sockaddr *)&address, length, host, sizeof(host),
            port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        errx(1, "cannot read the listening address");
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

/* The events go first: once the fd is closed, its number belongs to the next
 * client. Then a descriptor is free, and a client may be waiting for it. */
static void conn_free(struct conn *conn)
{
    struct server *server = conn->server;

    LIST_REMOVE(conn, next);
    if (conn->read_event)
        event_free(conn->read_event);
    if (conn->write_event)
        event_free(conn->write_event);
    if (conn->turn_event)
        event_free(conn->turn_event);
    close(conn->fd);
    free(conn->queue);
    free(conn);
    if (event_pending(server->rest_event, EV_TIMEOUT, NULL))
        evconnlistener_enable(server->listener);
}

/* A failure for one client must not end the server. */
static void conn_fail(struct conn *conn, const char *what)
{
    print_line(stderr, "cannot %s a client: %s", what, strerror(errno));
    conn_free(conn);
}

static bool conn_gone(struct conn *conn, const char *what)
{
    conn_fail(conn, what);
    return false;
}

/* Wait for one event in place of another one; with -e both always wait. */
static bool conn_swap(struct conn *conn, struct event *add, struct event *del)
{
    if (conn->server->edges || (event_add(add, NULL) == 0 && !event_del(del)))
        return true;
    return conn_gone(conn, "watch");
}

/* Queue what did not fit into the socket, and read no more until it is sent:
 * the peer then fills its own buffers and waits, which bounds our memory. */
static bool conn_save(struct conn *conn, const char *data, size_t length)
{
    conn->queue = malloc(length);
    if (!conn->queue)
        return conn_gone(conn, "queue an answer for");
    memcpy(conn->queue, data, length);
    conn->queue_length = length;
    conn->queue_sent = 0;
    return conn_swap(conn, conn->write_event, conn->read_event);
}

/* Send what is queued until all is sent or the socket is full: with -e the next
 * event comes only after the socket has been full. Returns whether the
 * connection still exists. */
static bool conn_flush(struct conn *conn)
{
    while (conn->queue) {
        ssize_t sent = send(conn->fd, conn->queue + conn->queue_sent,
            conn->queue_length - conn->queue_sent, 0);
        if (sent < 0 && errno == EAGAIN)
            return true;
        if (sent < 0)
            return conn_gone(conn, "write to");
        conn->queue_sent += (size_t)sent;
        if (conn->queue_sent == conn->queue_length) {
            free(conn->queue);
            conn->queue = NULL;
        }
    }
    return conn_swap(conn, conn->read_event, conn->write_event);
}

/* Read and answer once. Returns whether there may be more to read. */
static bool conn_read(struct conn *conn)
{
    static char chunk[CHUNK]; /* shared: one callback runs at a time */
    ssize_t length = recv(conn->fd, chunk, sizeof(chunk), 0);

    if (length == 0) {
        print_line(stdout, "client closed");
        conn_free(conn);
    } else if (length < 0 && errno != EAGAIN) {
        conn_fail(conn, "read from");
    }
    if (length <= 0)
        return false;
    ssize_t sent = send(conn->fd, chunk, (size_t)length, 0);
    if (sent == length)
        return true;
    if (sent < 0 && errno != EAGAIN)
        return conn_gone(conn, "write to");
    sent = sent > 0 ? sent : 0;
    return conn_save(conn, chunk + sent, (size_t)(length - sent)) &&
           conn->server->edges && conn_flush(conn) && !conn->queue;
}

/* With -e, what is left brings no event: read until EAGAIN. So that others have
 * their turn, go on after some reads in the next round, by a timer of no time;
 * event_active would go on in this round, before the base asks for new events.
 */
static void io_cb(evutil_socket_t fd, short what, void *arg)
{
    struct conn *conn = arg;
    bool edges = conn->server->edges;

    if (edges)
        event_del(conn->turn_event); /* an edge came first: this is the turn */
    if (conn->queue && (!conn_flush(conn) || conn->queue))
        return;
    for (int i = 0; i < (edges ? TURN : 1); i++)
        if (!conn_read(conn))
            return;
    if (edges && event_add(conn->turn_event, &(struct timeval){0, 0}) < 0)
        conn_fail(conn, "watch");
}

/* Make the events of a connection, and wait for input. */
static bool conn_watch(struct conn *conn, struct event_base *base)
{
    bool edges = conn->server->edges;
    short flags = EV_PERSIST | (edges ? EV_WRITE | EV_ET : 0);

    conn->read_event = event_new(base, conn->fd, EV_READ | flags, io_cb, conn);
    if (edges)
        conn->turn_event = evtimer_new(base, io_cb, conn);
    else
        conn->write_event =
            event_new(base, conn->fd, EV_WRITE | EV_PERSIST, io_cb, conn);
    return conn->read_event && (conn->write_event || conn->turn_event) &&
           event_add(conn->read_event, NULL) == 0;
}

static void accept_cb(struct evconnlistener *listener, evutil_socket_t fd,
    struct sockaddr *address, int length, void *arg)
{
    struct server *server = arg;
    struct conn *conn = calloc(1, sizeof(*conn));

    if (!conn) {
        print_line(stderr, "cannot serve a client: %s", strerror(errno));
        evutil_closesocket(fd);
        return;
    }
    conn->server = server;
    conn->fd = fd;
    LIST_INSERT_HEAD(&server->conns, conn, next);
    set_nodelay(fd);
    if (!conn_watch(conn, server->base))
        conn_fail(conn, "serve");
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

static void signal_cb(evutil_socket_t signum, short what, void *arg)
{
    event_base_loopbreak(arg);
}

static struct evconnlistener *listen_on(
    struct server *server, const char *host, const char *port)
{
    struct evutil_addrinfo *address = resolve(host, port);
    struct evconnlistener *listener =
        evconnlistener_new_bind(server->base, accept_cb, server,
            LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE,
            SOMAXCONN, address->ai_addr, (int)address->ai_addrlen);

    if (!listener)
        err(1, "cannot listen on %s port %s", host, port);
    if (evconnlistener_enable(listener) < 0) /* new_bind does not report it */
        errx(1, "cannot watch the listening socket");
    evconnlistener_set_error_cb(listener, accept_error_cb);
    evutil_freeaddrinfo(address);
    return listener;
}

/* A base on the back end METHOD, or on any if it is NULL, with FLAGS and with
 * all FEATURES; NULL if there is none. A METHOD counts for more than
 * EVENT_NOEPOLL and the like. */
static struct event_base *base_on(const char *method, int flags, int features)
{
    struct event_config *config = event_config_new();
    const char **methods = event_get_supported_methods();

    if (!config || !methods ||
        event_config_set_flag(
            config, flags | (method ? EVENT_BASE_FLAG_IGNORE_ENV : 0)) < 0 ||
        event_config_require_features(config, features) < 0)
        errx(1, "cannot make a configuration");
    for (int i = 0; method && methods[i]; i++)
        if (strcmp(methods[i], method) != 0 &&
            event_config_avoid_method(config, methods[i]) < 0)
            errx(1, "cannot avoid the back end %s", methods[i]);
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

/* A base for the server; one that cannot be had ends the program. */
static struct event_base *server_base(const char *method, bool edges)
{
    struct event_base *base = base_on(method, 0, edges ? EV_FEATURE_ET : 0);

    if (!base)
        errx(1,
            edges ? "no back end%s%s has edge-triggered events"
                  : "there is no back end%s%s",
            method ? " called " : "", method ? method : "");
    return base;
}

/* A set of select(2) holds descriptors below 1024; a greater one can abort the
 * program. Let accepting pause instead, as always without descriptors. */
static void limit_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        err(1, "cannot read the limit of descriptors");
    if (limit.rlim_cur > FD_SETSIZE)
        limit.rlim_cur = FD_SETSIZE;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        err(1, "cannot set the limit of descriptors");
}

/* Make EVENT pending, at start-up: an event that cannot be added ends the
 * program. */
static void add_event(struct event *event)
{
    if (!event || event_add(event, NULL) < 0)
        errx(1, "cannot add an event");
}

int main(int argc, char **argv)
{
    const char *method = NULL;
    struct server server = {0};
    int option;

    open_standard_fds();
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        usage(0);
    opterr = 0;
    while ((option = getopt(argc, argv, "+m:e")) != -1) {
        if (option == 'm')
            method = optarg;
        else if (option == 'e')
            server.edges = true;
        else
            usage(2);
    }
    argc -= optind, argv += optind;
    if ((argc != 0 && argc != 2) || (argc == 2 && parse_port(argv[1]) < 0))
        usage(2);
    signal(SIGPIPE, SIG_IGN); /* writing to a closed connection must fail */

    server.base = server_base(method, server.edges);
    method = event_base_get_method(server.base);
    if (strcmp(method, "select") == 0)
        limit_descriptors();
    print_line(
        stdout, "%s, %s triggered", method, server.edges ? "edge" : "level");

    server.listener = argc == 2 ? listen_on(&server, argv[0], argv[1])
                                : listen_on(&server, "127.0.0.1", "8888");
    server.rest_event =
        event_new(server.base, -1, EV_PERSIST, rest_cb, &server);
    struct event *interrupt =
        evsignal_new(server.base, SIGINT, signal_cb, server.base);
    struct event *terminate =
        evsignal_new(server.base, SIGTERM, signal_cb, server.base);
    if (!server.rest_event)
        errx(1, "cannot make an event");
    add_event(interrupt);
    add_event(terminate);

    print_ready(evconnlistener_get_fd(server.listener));
    int result = event_base_dispatch(server.base);
    while (!LIST_EMPTY(&server.conns))
        conn_free(LIST_FIRST(&server.conns));
    evconnlistener_free(server.listener);
    event_free(terminate);
    event_free(interrupt);
    event_free(server.rest_event);
    event_base_free(server.base);
    return result < 0 ? 1 : 0;
}
