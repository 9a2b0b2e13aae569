/* echo-server.c -- sends every client back what it sent, on plain events.
 *
 * Build: cc -o echo-server echo-server.c -levent_core
 * Run:   ./echo-server [ADDRESS PORT]     (127.0.0.1 8888)
 * Try:   nc 127.0.0.1 8888, in two terminals at once
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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/util.h>

static const struct timeval REST = {1, 0}; /* after accept has failed */

struct server {
    struct event_base *base;
    struct event *accept_event;
    struct event *rest_event; /* pending while no descriptor is left */
    LIST_HEAD(conn_list, conn) conns;
};

struct conn {
    struct server *server;
    evutil_socket_t fd;        /* ours: conn_free closes it */
    struct event *read_event;  /* pending while nothing waits to be sent */
    struct event *write_event; /* NULL until the socket first is full */
    char *queue;               /* what did not fit into the socket, or NULL */
    size_t queue_length;       /* bytes */
    size_t queue_sent;         /* bytes of it that have been sent since */
    LIST_ENTRY(conn) next;
};

static void usage(int status)
{
    fprintf(status ? stderr : stdout, "usage: echo-server [ADDRESS PORT]\n");
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
 * client, and a back end that still knew the old event would mix them up. Then
 * a descriptor is free, and a client may be waiting for it. */
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
        event_add(server->accept_event, NULL);
}

/* A failure for one client must not end the server. */
static void conn_fail(struct conn *conn, const char *what)
{
    print_line(stderr, "cannot %s a client: %s", what, strerror(errno));
    conn_free(conn);
}

/* Send what is queued; once all is sent, read on. */
static void write_cb(evutil_socket_t fd, short what, void *arg)
{
    struct conn *conn = arg;
    ssize_t sent = send(fd, conn->queue + conn->queue_sent,
        conn->queue_length - conn->queue_sent, 0);

    if (sent < 0) {
        if (errno != EAGAIN)
            conn_fail(conn, "write to");
        return;
    }
    conn->queue_sent += (size_t)sent;
    if (conn->queue_sent < conn->queue_length)
        return;
    free(conn->queue);
    conn->queue = NULL;
    if (event_del(conn->write_event) < 0 ||
        event_add(conn->read_event, NULL) < 0)
        conn_fail(conn, "watch");
}

/* Queue what did not fit into the socket, and read no more until it is sent:
 * the peer then fills its own buffers and waits, which bounds our memory. */
static void conn_queue(struct conn *conn, const char *data, size_t length)
{
    if (!conn->write_event)
        conn->write_event = event_new(conn->server->base, conn->fd,
            EV_WRITE | EV_PERSIST, write_cb, conn);
    conn->queue = malloc(length);
    if (!conn->queue || !conn->write_event ||
        event_add(conn->write_event, NULL) < 0 ||
        event_del(conn->read_event) < 0) {
        conn_fail(conn, "queue an answer for");
        return;
    }
    memcpy(conn->queue, data, length);
    conn->queue_length = length;
    conn->queue_sent = 0;
}

static void conn_echo(struct conn *conn, const char *data, size_t length)
{
    ssize_t sent = send(conn->fd, data, length, 0);

    if (sent < 0 && errno != EAGAIN) {
        conn_fail(conn, "write to");
        return;
    }
    size_t taken = sent > 0 ? (size_t)sent : 0;
    if (taken < length)
        conn_queue(conn, data + taken, length - taken);
}

static void read_cb(evutil_socket_t fd, short what, void *arg)
{
    static char chunk[65536]; /* shared: one callback runs at a time */
    struct conn *conn = arg;
    ssize_t length = recv(fd, chunk, sizeof(chunk), 0);

    if (length > 0) {
        conn_echo(conn, chunk, (size_t)length);
    } else if (length == 0) {
        print_line(stdout, "client closed");
        conn_free(conn);
    } else if (errno != EAGAIN) {
        conn_fail(conn, "read from");
    }
}

/* Take over FD, a connection that was just accepted. */
static void conn_new(struct server *server, evutil_socket_t fd)
{
    struct conn *conn = calloc(1, sizeof(*conn));

    if (!conn) {
        print_line(stderr, "cannot serve a client: %s", strerror(errno));
        close(fd);
        return;
    }
    conn->server = server;
    conn->fd = fd;
    LIST_INSERT_HEAD(&server->conns, conn, next);
    set_nodelay(fd);
    conn->read_event =
        event_new(server->base, fd, EV_READ | EV_PERSIST, read_cb, conn);
    if (!conn->read_event || evutil_make_socket_nonblocking(fd) < 0 ||
        evutil_make_socket_closeonexec(fd) < 0 ||
        event_add(conn->read_event, NULL) < 0)
        conn_fail(conn, "serve");
}

/* The pause is over: accept again. The event is persistent, so that another
 * second passes if it cannot be added. */
static void rest_cb(evutil_socket_t fd, short what, void *arg)
{
    struct server *server = arg;

    if (event_add(server->accept_event, NULL) == 0)
        event_del(server->rest_event);
}

/* With no descriptor left, the connection stays in the backlog and the event
 * stays ready: accepting again at once would spin. So accepting pauses until
 * conn_free has closed a descriptor, or for a second. */
static void rest(struct server *server)
{
    if (!event_pending(server->rest_event, EV_TIMEOUT, NULL)) {
        print_line(stderr, "cannot accept, trying again in a second: %s",
            strerror(errno));
        if (event_add(server->rest_event, &REST) < 0)
            return; /* without a clock, accepting must not stop */
    }
    event_del(server->accept_event);
}

static void accept_cb(evutil_socket_t listener, short what, void *arg)
{
    struct server *server = arg;
    evutil_socket_t fd = accept(listener, NULL, NULL);

    if (fd >= 0)
        conn_new(server, fd);
    else if (errno != EAGAIN && errno != ECONNABORTED)
        rest(server);
}

static void signal_cb(evutil_socket_t signum, short what, void *arg)
{
    event_base_loopbreak(arg);
}

/* A socket that never blocks, on HOST and PORT. Connections accepted on it ask
 * now and then whether a silent peer still exists: SO_KEEPALIVE is inherited.
 */
static evutil_socket_t bind_socket(const char *host, const char *port)
{
    struct evutil_addrinfo *address = resolve(host, port);
    evutil_socket_t fd = socket(address->ai_family, SOCK_STREAM, 0);
    int on = 1;

    if (fd < 0 || evutil_make_socket_nonblocking(fd) < 0 ||
        evutil_make_socket_closeonexec(fd) < 0 ||
        evutil_make_listen_socket_reuseable(fd) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)) != 0)
        err(1, "cannot make a socket");
    if (bind(fd, address->ai_addr, (socklen_t)address->ai_addrlen) != 0)
        err(1, "cannot listen on %s port %s", host, port);
    evutil_freeaddrinfo(address);
    return fd;
}

int main(int argc, char **argv)
{
    open_standard_fds();
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        usage(0);
    if ((argc != 1 && argc != 3) || (argc == 3 && parse_port(argv[2]) < 0))
        usage(2);
    signal(SIGPIPE, SIG_IGN); /* writing to a closed connection must fail */

    //> base
    struct server server = {.base = event_base_new()};
    if (!server.base)
        errx(1, "cannot make an event base");
    LIST_INIT(&server.conns);

    //> listen
    evutil_socket_t fd = argc == 3 ? bind_socket(argv[1], argv[2])
                                   : bind_socket("127.0.0.1", "8888");
    if (listen(fd, SOMAXCONN) != 0)
        err(1, "cannot listen");

    //> events
    server.accept_event =
        event_new(server.base, fd, EV_READ | EV_PERSIST, accept_cb, &server);
    server.rest_event =
        event_new(server.base, -1, EV_PERSIST, rest_cb, &server);
    struct event *interrupt =
        evsignal_new(server.base, SIGINT, signal_cb, server.base);
    struct event *terminate =
        evsignal_new(server.base, SIGTERM, signal_cb, server.base);
    if (!server.accept_event || !server.rest_event || !interrupt ||
        !terminate || event_add(server.accept_event, NULL) < 0 ||
        event_add(interrupt, NULL) < 0 || event_add(terminate, NULL) < 0)
        errx(1, "cannot add an event");

    //> run
    print_ready(fd);
    int result = event_base_dispatch(server.base);

    //> clean-up
    while (!LIST_EMPTY(&server.conns))
        conn_free(LIST_FIRST(&server.conns));
    event_free(terminate);
    event_free(interrupt);
    event_free(server.rest_event);
    event_free(server.accept_event);
    close(fd);
    event_base_free(server.base);
    return result < 0 ? 1 : 0;
}
