/* Starter and solution in one: look once you have passed (make compare-NN). */
/* one-edge-one-read.c -- an edge-triggered echo server.
 *
 * Build: cc -o one-edge-one-read one-edge-one-read.c -levent_core
 * Run:   ./one-edge-one-read [PORT]       (8888, on 127.0.0.1)
 * Try:   nc 127.0.0.1 8888
 */
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/listener.h>

enum { CHUNK = 1000 }; /* bytes of a read */
#ifdef SOLUTION
enum { TURN = 8 }; /* reads before the others have their turn */
#endif

/* The event is for both directions, and edge triggered: it stays pending as
 * long as the connection is open, and a socket that stays writable is no
 * news. */
struct conn {
    evutil_socket_t fd; /* ours: conn_free closes it */
    struct event *event;
#ifdef SOLUTION
    struct event *turn_event; /* pending if there may be more to read */
#endif
    char chunk[CHUNK];
    size_t length; /* bytes in chunk */
    size_t sent;   /* bytes of them that have been sent */
    unsigned long long bytes;
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

/* The events go first: once the fd is closed, its number belongs to the next
 * client. */
static void conn_free(struct conn *conn)
{
    LIST_REMOVE(conn, next);
    if (conn->event)
        event_free(conn->event);
#ifdef SOLUTION
    if (conn->turn_event)
        event_free(conn->turn_event);
#endif
    close(conn->fd);
    free(conn);
}

/* The connection has failed: print the reason, and serve the others. */
static void conn_fail(struct conn *conn, const char *what)
{
    warn("cannot %s a client", what);
    conn_free(conn);
}

/* Send what is left of the chunk. Returns whether all of it is sent; if not,
 * the socket is full, and the event comes when it has room, or the connection
 * has failed and is freed. */
static bool conn_send(struct conn *conn)
{
    while (conn->sent < conn->length) {
        ssize_t sent = send(
            conn->fd, conn->chunk + conn->sent, conn->length - conn->sent, 0);

        if (sent < 0 && errno == EAGAIN)
            return false;
        if (sent < 0) {
            conn_fail(conn, "write to");
            return false;
        }
        conn->sent += (size_t)sent;
    }
    return true;
}

/* Read once; the chunk is free. Returns whether anything has come; if not,
 * there is no more for now, or the connection has ended and is freed. */
static bool conn_read(struct conn *conn)
{
    ssize_t length = recv(conn->fd, conn->chunk, sizeof(conn->chunk), 0);

    if (length > 0) {
        conn->length = (size_t)length;
        conn->sent = 0;
        conn->bytes += conn->length;
        return true;
    }
    if (length == 0) {
        printf("client closed after %llu bytes\n", conn->bytes);
        conn_free(conn);
    } else if (errno != EAGAIN) {
        conn_fail(conn, "read from");
    }
    return false;
}

static void io_cb(evutil_socket_t fd, short what, void *arg)
{
    struct conn *conn = arg;

#ifdef SOLUTION
    for (int i = 0; i < TURN; i++)
        if (!conn_send(conn) || !conn_read(conn))
            return;
    /* There may be more. A timer of no time goes on in the next round of the
     * loop; event_active would go on before the base asks for new events. */
    if (conn_send(conn) &&
        event_add(conn->turn_event, &(struct timeval){0, 0}) < 0)
        conn_fail(conn, "watch");
#else
    if (conn_send(conn) && conn_read(conn))
        conn_send(conn);
#endif
}

/* Make the event of a connection, and wait for it. */
static bool conn_watch(struct conn *conn, struct event_base *base)
{
    conn->event = event_new(
        base, conn->fd, EV_READ | EV_WRITE | EV_ET | EV_PERSIST, io_cb, conn);
#ifdef SOLUTION
    conn->turn_event = evtimer_new(base, io_cb, conn);
    if (!conn->turn_event)
        return false;
#endif
    return conn->event && event_add(conn->event, NULL) == 0;
}

static void accept_cb(struct evconnlistener *listener, evutil_socket_t fd,
    struct sockaddr *address, int length, void *arg)
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
    if (!conn_watch(conn, arg))
        conn_fail(conn, "watch");
}

static void signal_cb(evutil_socket_t signum, short what, void *arg)
{
    event_base_loopbreak(arg);
}

#ifdef SOLUTION
static struct event_base *make_base(void)
{
    struct event_config *config = event_config_new();

    if (!config || event_config_require_features(config, EV_FEATURE_ET) < 0)
        errx(1, "cannot make a configuration");
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    if (!base)
        errx(1, "no back end has edge-triggered events");
    return base;
}
#else
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
    int port = argc == 2 ? parse_port(argv[1]) : 8888;

    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    if (argc > 2 || port < 0) {
        fprintf(stderr, "usage: one-edge-one-read [PORT]\n");
        return 2;
    }

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
