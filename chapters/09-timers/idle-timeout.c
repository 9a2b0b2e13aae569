/* idle-timeout.c -- an echo server that closes a client that is silent too
 * long.
 *
 * Build: cc -o idle-timeout idle-timeout.c -levent_core
 * Run:   ./idle-timeout [ADDRESS PORT [MILLISECONDS]]   (127.0.0.1 8888 60000)
 * Try:   nc 127.0.0.1 8888, then kill -USR1 $(pidof idle-timeout)
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
#include <sys/ioctl.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/listener.h>
#include <event2/util.h>

static const struct timeval REST = {1, 0}; /* after accept has failed */

enum { MAX_NUMBER = 86400000 }; /* that is taken: a day in milliseconds */

struct server {
    struct event_base *base;
    struct evconnlistener *listener;
    struct event *rest_event;    /* pending while no descriptor is left */
    const struct timeval *limit; /* a common time-out, which the base owns */
    unsigned long clients;       /* so far */
    LIST_HEAD(conn_list, conn) conns;
};

struct conn {
    struct server *server;
    unsigned long number;
    evutil_socket_t fd;        /* ours: conn_free closes it */
    struct event *read_event;  /* pending while nothing waits to be sent */
    struct event *write_event; /* pending while something does */
    char *queue;               /* waits to be sent; NULL if nothing does */
    size_t queue_length, queue_sent;
    int unsent; /* bytes not yet received at the last check; or 0 */
    LIST_ENTRY(conn) next;
};

static void usage(int status)
{
    fprintf(status ? stderr : stdout,
        "usage: idle-timeout [ADDRESS PORT [MILLISECONDS]]\n");
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

/* The limit has passed. A client that still receives answers, however slowly,
 * is not silent: the kernel counts the bytes that have not arrived, see tcp(7).
 * They have to become fewer from one check to the next. */
static void close_if_silent(struct conn *conn)
{
    int before = conn->unsent;

    if (ioctl(conn->fd, TIOCOUTQ, &conn->unsent) == 0 &&
        (before > 0 ? conn->unsent < before : conn->unsent > 0))
        return; /* the event is persistent, and the time-out starts again */
    print_line(stdout, "client %lu was silent, closed", conn->number);
    conn_free(conn);
}

/* Send what is queued; once all is sent, read on. */
static void write_cb(evutil_socket_t fd, short what, void *arg)
{
    struct conn *conn = arg;
    ssize_t sent = send(fd, conn->queue + conn->queue_sent,
        conn->queue_length - conn->queue_sent, 0);

    if (sent < 0 && errno != EAGAIN) {
        conn_fail(conn, "write to");
        return;
    }
    if (sent < 0) {
        if (what & EV_TIMEOUT)
            close_if_silent(conn);
        return;
    }
    conn->unsent = 0;
    conn->queue_sent += (size_t)sent;
    if (conn->queue_sent < conn->queue_length)
        return;
    free(conn->queue);
    conn->queue = NULL;
    if (event_del(conn->write_event) < 0 ||
        event_add(conn->read_event, conn->server->limit) < 0)
        conn_fail(conn, "watch");
}

/* Queue what did not fit into the socket, and read no more until it is sent:
 * the peer then fills its own buffers and waits, which bounds our memory. */
static void conn_keep(struct conn *conn, const char *data, size_t length)
{
    conn->queue = malloc(length);
    if (!conn->queue || event_add(conn->write_event, conn->server->limit) < 0 ||
        event_del(conn->read_event) < 0) {
        conn_fail(conn, "queue an answer for");
        return;
    }
    memcpy(conn->queue, data, length);
    conn->queue_length = length;
    conn->queue_sent = 0;
}

static void conn_repeat(struct conn *conn, const char *data, size_t length)
{
    ssize_t sent = send(conn->fd, data, length, 0);

    if (sent < 0 && errno != EAGAIN) {
        conn_fail(conn, "write to");
        return;
    }
    size_t taken = sent > 0 ? (size_t)sent : 0;
    if (taken < length)
        conn_keep(conn, data + taken, length - taken);
}

/* Read first, whatever WHAT says: after a long round the limit may have passed
 * although input waits, and WHAT is EV_TIMEOUT alone. The time-out of such a
 * client starts again. */
static void read_cb(evutil_socket_t fd, short what, void *arg)
{
    static char chunk[65536]; /* shared: one callback runs at a time */
    struct conn *conn = arg;
    ssize_t length = recv(fd, chunk, sizeof(chunk), 0);

    if (length > 0) {
        conn->unsent = 0;
        if ((what & EV_TIMEOUT) &&
            event_add(conn->read_event, conn->server->limit) < 0)
            conn_fail(conn, "watch");
        else
            conn_repeat(conn, chunk, (size_t)length);
    } else if (length == 0) {
        print_line(stdout, "client %lu closed", conn->number);
        conn_free(conn);
    } else if (errno != EAGAIN) {
        conn_fail(conn, "read from");
    } else if (what & EV_TIMEOUT) {
        close_if_silent(conn);
    }
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
    conn->number = ++server->clients;
    conn->fd = fd;
    LIST_INSERT_HEAD(&server->conns, conn, next);
    set_nodelay(fd);
    conn->read_event =
        event_new(server->base, fd, EV_READ | EV_PERSIST, read_cb, conn);
    conn->write_event =
        event_new(server->base, fd, EV_WRITE | EV_PERSIST, write_cb, conn);
    if (!conn->read_event || !conn->write_event ||
        event_add(conn->read_event, server->limit) < 0)
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

/* Print how long each client may still be silent. event_pending gives the due
 * time as a time of day that the base has cached: subtract the base's time of
 * day from it, not the system's. */
static void left_cb(evutil_socket_t signum, short what, void *arg)
{
    struct server *server = arg;
    struct conn *conn;
    struct timeval now, due, left;

    event_base_gettimeofday_cached(server->base, &now);
    LIST_FOREACH (conn, &server->conns, next) {
        if (!event_pending(conn->queue ? conn->write_event : conn->read_event,
                EV_TIMEOUT, &due))
            continue;
        evutil_timersub(&due, &now, &left);
        print_line(stdout, "client %lu: %ld ms left", conn->number,
            left.tv_sec * 1000L + left.tv_usec / 1000L);
    }
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

int main(int argc, char **argv)
{
    open_standard_fds();
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        usage(0);
    long idle = argc == 4 ? parse_positive(argv[3]) : 60000;
    if (argc == 2 || argc > 4 || idle < 0 ||
        (argc > 2 && parse_port(argv[2]) < 0))
        usage(2);
    signal(SIGPIPE, SIG_IGN); /* writing to a closed connection must fail */

    struct server server = {.base = event_base_new()};
    if (!server.base)
        errx(1, "cannot make an event base");
    LIST_INIT(&server.conns);

    //> limit
    struct timeval limit = {idle / 1000, idle % 1000 * 1000};
    server.limit = event_base_init_common_timeout(server.base, &limit);
    if (!server.limit)
        errx(1, "cannot make a common time-out");

    //> listen
    server.listener = argc > 2 ? listen_on(&server, argv[1], argv[2])
                               : listen_on(&server, "127.0.0.1", "8888");

    //> events
    server.rest_event =
        event_new(server.base, -1, EV_PERSIST, rest_cb, &server);
    struct event *interrupt =
        evsignal_new(server.base, SIGINT, signal_cb, server.base);
    struct event *terminate =
        evsignal_new(server.base, SIGTERM, signal_cb, server.base);
    struct event *show = evsignal_new(server.base, SIGUSR1, left_cb, &server);
    if (!server.rest_event || !interrupt || !terminate || !show ||
        event_add(interrupt, NULL) < 0 || event_add(terminate, NULL) < 0 ||
        event_add(show, NULL) < 0)
        errx(1, "cannot add an event");

    //> run
    print_ready(evconnlistener_get_fd(server.listener));
    int result = event_base_dispatch(server.base);

    //> clean-up
    while (!LIST_EMPTY(&server.conns))
        conn_free(LIST_FIRST(&server.conns));
    evconnlistener_free(server.listener);
    event_free(show);
    event_free(terminate);
    event_free(interrupt);
    event_free(server.rest_event);
    event_base_free(server.base);
    return result < 0 ? 1 : 0;
}
