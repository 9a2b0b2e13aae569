/* Starter and solution in one: look once you have passed (make compare-NN). */
/* stalled-neighbour.c -- an echo server in which one client can stop the rest.
 *
 * Build: cc -o stalled-neighbour stalled-neighbour.c -levent_core
 * Run:   ./stalled-neighbour [PORT]       (8888, on 127.0.0.1)
 * Try:   nc 127.0.0.1 8888, while another client sends and never reads
 */
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/util.h>

static const struct timeval REST = {1, 0}; /* after accept has failed */

#ifdef SOLUTION
struct conn {
    evutil_socket_t fd;
    struct event *read_event;  /* pending while nothing waits to be sent */
    struct event *write_event; /* pending while something does */
    char chunk[16384];
    size_t length; /* bytes in chunk */
    size_t sent;   /* bytes of them that have been sent */
    LIST_ENTRY(conn) next;
};
#else
struct conn {
    evutil_socket_t fd;
    struct event *read_event; /* pending while the connection is open */
    LIST_ENTRY(conn) next;
};
#endif

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

/* The events go first: once the fd is closed, its number belongs to the next
 * client, which the base would take for this one. */
static void conn_free(struct conn *conn)
{
    LIST_REMOVE(conn, next);
#ifdef SOLUTION
    if (conn->write_event)
        event_free(conn->write_event);
#endif
    if (conn->read_event)
        event_free(conn->read_event);
    close(conn->fd);
    free(conn);
}

/* The connection has failed: print the reason, and serve the others. */
static void conn_fail(struct conn *conn, const char *what)
{
    warn("cannot %s a client", what);
    conn_free(conn);
}

#ifdef SOLUTION
/* Send what waits in the chunk. Bytes that do not fit into the socket stay
 * there, and until they are sent no more is read: the peer then fills its own
 * buffers and waits, which bounds our memory. */
static void conn_send(struct conn *conn)
{
    ssize_t sent =
        send(conn->fd, conn->chunk + conn->sent, conn->length - conn->sent, 0);

    if (sent < 0 && errno != EAGAIN) {
        conn_fail(conn, "write to");
        return;
    }
    if (sent > 0)
        conn->sent += (size_t)sent;
    int waits = conn->sent < conn->length;
    if (event_del(waits ? conn->read_event : conn->write_event) < 0 ||
        event_add(waits ? conn->write_event : conn->read_event, NULL) < 0)
        conn_fail(conn, "watch");
}

static void write_cb(evutil_socket_t fd, short what, void *arg)
{
    conn_send(arg);
}

static void read_cb(evutil_socket_t fd, short what, void *arg)
{
    struct conn *conn = arg;
    ssize_t length = recv(fd, conn->chunk, sizeof(conn->chunk), 0);

    if (length > 0) {
        conn->length = (size_t)length;
        conn->sent = 0;
        conn_send(conn);
    } else if (length == 0) {
        printf("client closed\n");
        conn_free(conn);
    } else if (errno != EAGAIN) {
        conn_fail(conn, "read from");
    }
}
#else
/* Send all of DATA, in as many pieces as it takes. */
static void conn_send(struct conn *conn, const char *data, size_t length)
{
    while (length > 0) {
        ssize_t sent = send(conn->fd, data, length, 0);

        if (sent < 0) {
            conn_fail(conn, "write to");
            return;
        }
        data += sent;
        length -= (size_t)sent;
    }
}

static void read_cb(evutil_socket_t fd, short what, void *arg)
{
    char chunk[16384];
    struct conn *conn = arg;
    ssize_t length = recv(fd, chunk, sizeof(chunk), 0);

    if (length > 0) {
        conn_send(conn, chunk, (size_t)length);
    } else if (length == 0) {
        printf("client closed\n");
        conn_free(conn);
    } else if (errno != EAGAIN) {
        conn_fail(conn, "read from");
    }
}
#endif

/* Take over FD, a connection that was just accepted. */
static void conn_new(struct event_base *base, evutil_socket_t fd)
{
    struct conn *conn = calloc(1, sizeof(*conn));

    if (!conn) {
        warn("cannot serve a client");
        close(fd);
        return;
    }
    conn->fd = fd;
    LIST_INSERT_HEAD(&conns, conn, next);
    set_nodelay(fd);
    conn->read_event = event_new(base, fd, EV_READ | EV_PERSIST, read_cb, conn);
#ifdef SOLUTION
    conn->write_event =
        event_new(base, fd, EV_WRITE | EV_PERSIST, write_cb, conn);
    if (!conn->write_event || evutil_make_socket_nonblocking(fd) < 0) {
        conn_fail(conn, "prepare");
        return;
    }
#endif
    if (!conn->read_event || event_add(conn->read_event, NULL) < 0)
        conn_fail(conn, "watch");
}

/* The pause is over: accept again. */
static void rest_cb(evutil_socket_t fd, short what, void *arg)
{
    if (event_add(arg, NULL) < 0)
        warnx("cannot accept again");
}

/* With no descriptor left, the connection stays in the backlog and the event
 * stays ready: accepting again at once would spin. So accepting pauses. */
static void accept_cb(evutil_socket_t listener, short what, void *arg)
{
    struct event_base *base = arg;
    evutil_socket_t fd = accept(listener, NULL, NULL);

    if (fd >= 0) {
        conn_new(base, fd);
    } else if (errno != EAGAIN && errno != ECONNABORTED) {
        warn("cannot accept, trying again in a second");
        struct event *event = event_base_get_running_event(base);
        if (event_base_once(base, -1, EV_TIMEOUT, rest_cb, event, &REST) == 0)
            event_del(event);
    }
}

static void signal_cb(evutil_socket_t signum, short what, void *arg)
{
    event_base_loopbreak(arg);
}

/* A listening socket on 127.0.0.1 and PORT that never blocks. */
static evutil_socket_t listen_on(int port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons((in_port_t)port),
    };
    evutil_socket_t fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || evutil_make_socket_nonblocking(fd) < 0 ||
        evutil_make_listen_socket_reuseable(fd) < 0)
        err(1, "cannot make a socket");
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(fd, SOMAXCONN) != 0)
        err(1, "cannot listen on port %d", port);
    return fd;
}

int main(int argc, char **argv)
{
    int port = argc == 2 ? parse_port(argv[1]) : 8888;

    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    if (argc > 2 || port < 0) {
        fprintf(stderr, "usage: stalled-neighbour [PORT]\n");
        return 2;
    }

    struct event_base *base = event_base_new();
    if (!base)
        errx(1, "cannot make an event base");
    evutil_socket_t fd = listen_on(port);
    struct event *listener =
        event_new(base, fd, EV_READ | EV_PERSIST, accept_cb, base);
    struct event *terminate = evsignal_new(base, SIGTERM, signal_cb, base);
    add_event(listener);
    add_event(terminate);

    print_ready(fd);
    int result = event_base_dispatch(base);

    while (!LIST_EMPTY(&conns))
        conn_free(LIST_FIRST(&conns));
    event_free(terminate);
    event_free(listener);
    close(fd);
    event_base_free(base);
    return result < 0 ? 1 : 0;
}
