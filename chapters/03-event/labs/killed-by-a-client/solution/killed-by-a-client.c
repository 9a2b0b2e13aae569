/* Starter and solution in one: look once you have passed (make compare-NN). */
/* killed-by-a-client.c -- counts the lines and bytes that a client sends.
 *
 * Build: cc -o killed-by-a-client killed-by-a-client.c -levent_core
 * Run:   ./killed-by-a-client [PORT]      (8888, on 127.0.0.1)
 * Try:   seq 100 | nc -N 127.0.0.1 8888
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

struct conn {
    struct event *event;             /* pending while the connection is open */
    unsigned long long lines, bytes; /* that have come */
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

/* The event goes first: once the fd is closed, its number belongs to the next
 * client, which the base would take for this one. */
static void conn_free(struct conn *conn)
{
    evutil_socket_t fd = event_get_fd(conn->event);

    LIST_REMOVE(conn, next);
    event_free(conn->event);
    close(fd);
    free(conn);
}

/* Send a line of the answer, or fail with -1. It is the first that is sent on
 * this connection, or nearly so: the socket has room. */
static int send_count(
    evutil_socket_t fd, const char *what, unsigned long long count)
{
    char line[64];
    int length = snprintf(line, sizeof(line), "%s %llu\n", what, count);

    return send(fd, line, (size_t)length, 0) == length ? 0 : -1;
}

/* All input has come: answer, and close the connection. */
static void conn_finish(struct conn *conn)
{
    evutil_socket_t fd = event_get_fd(conn->event);

    if (send_count(fd, "lines", conn->lines) < 0 ||
        send_count(fd, "bytes", conn->bytes) < 0)
        warn("cannot answer a client");
    printf("client closed\n");
    conn_free(conn);
}

static void read_cb(evutil_socket_t fd, short what, void *arg)
{
    char chunk[4096];
    struct conn *conn = arg;
    ssize_t length = recv(fd, chunk, sizeof(chunk), 0);

    if (length > 0) {
        conn->bytes += (unsigned long long)length;
        for (ssize_t i = 0; i < length; i++)
            conn->lines += chunk[i] == '\n';
    } else if (length == 0) {
        conn_finish(conn);
    } else if (errno != EAGAIN) {
        warn("cannot read from a client");
        conn_free(conn);
    }
}

/* Take over FD, a connection that was just accepted. A failure ends this
 * connection, not the server. */
static void conn_new(struct event_base *base, evutil_socket_t fd)
{
    struct conn *conn = calloc(1, sizeof(*conn));

    if (conn)
        conn->event = event_new(base, fd, EV_READ | EV_PERSIST, read_cb, conn);
    if (!conn || !conn->event || evutil_make_socket_nonblocking(fd) < 0 ||
        event_add(conn->event, NULL) < 0) {
        warnx("cannot serve a connection");
        if (conn && conn->event)
            event_free(conn->event);
        free(conn);
        close(fd);
        return;
    }
    set_nodelay(fd);
    LIST_INSERT_HEAD(&conns, conn, next);
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
#ifdef SOLUTION
    /* Writing to a closed connection must fail, not kill us. */
    signal(SIGPIPE, SIG_IGN);
#endif
    if (argc > 2 || port < 0) {
        fprintf(stderr, "usage: killed-by-a-client [PORT]\n");
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
