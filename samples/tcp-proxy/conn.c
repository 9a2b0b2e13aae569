/* conn.c -- one connection through the proxy, from its client to its summary.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <event2/buffer.h>

#include "conn.h"

enum { CHUNK = 128 * 1024 }; /* bytes that are read at once, at the most */

/* One of the two sockets of a connection. What is read on the other one is
 * written here; as long as some of it waits, no more is read there. */
struct side {
    const char *name;
    struct conn *conn;
    struct side *other;
    evutil_socket_t fd;        /* -1: none yet */
    struct event *read_event;  /* pending unless we wait for the other side */
    struct event *write_event; /* pending while something waits */
    struct evbuffer *waiting;  /* what the socket has not taken yet */
    unsigned long long bytes;  /* received from here */
    bool ended;                /* the peer has sent all that it will */
    int error;                 /* why the peer takes no more, or 0 */
};

struct conn {
    struct proxy *proxy;
    char peer[NI_MAXHOST + NI_MAXSERV + 4]; /* the client, for the summary */
    double began;
    struct side client, upstream;
    struct event *idle;       /* checks, once both are there, for silence: */
    unsigned long long moved; /* bytes read and written so far */
    unsigned long long seen;  /* of these, at the last check */
    int unsent;               /* bytes in the kernel at the last check */
    int quiet;                /* checks since then without a byte */
    int which;                /* upstream it is, or is tried; -1: none yet */
    int failure;              /* errno of the last try */
    struct event *step;       /* made active to try on; the limit on a name */
    struct event *connecting; /* pending while the upstream connects */
    struct asker asker;       /* of the upstream's name */
    struct evutil_addrinfo **untried; /* addresses of the upstream */
    double deadline;                  /* for its name */
    int late; /* how often the deadline has been seen to have passed */
    LIST_ENTRY(conn) next;
};

/* Print a line on standard output, or on standard error as warnx(3) does. A
 * line that would block is dropped: a callback that waits for the reader of a
 * log stops the whole loop. What poll(2) calls writable has room for one. */
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

/* Send small answers at once: with Nagle's algorithm on, the end of a long
 * answer would wait up to 40 ms for the peer's delayed acknowledgement. */
static void set_nodelay(evutil_socket_t fd)
{
    int on = 1;

    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)
        print_line(stderr, "cannot set TCP_NODELAY: %s", strerror(errno));
}

/* Make EVENT pending, for LIMIT at the most. Where that cannot be had, only the
 * connection ends. */
static bool watch(struct event *event, const struct timeval *limit)
{
    return event_add(event, limit) == 0;
}

/* A host that is switched off says nothing: let the kernel ask it. An accepted
 * socket has this from its listener. */
static void set_keepalive(evutil_socket_t fd)
{
    int on = 1;

    if (setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)) != 0)
        print_line(stderr, "cannot set SO_KEEPALIVE: %s", strerror(errno));
}

static bool would_block(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

/* Free the events first: one on a closed descriptor would be lost. */
static void side_close(struct side *side)
{
    if (side->read_event)
        event_free(side->read_event);
    if (side->write_event)
        event_free(side->write_event);
    if (side->waiting)
        evbuffer_free(side->waiting);
    if (side->fd >= 0)
        close(side->fd);
    side->fd = -1;
}

/* The number of the descriptor stays ours, for the next try: closed, it would
 * go to the next client. */
static void stop_connecting(struct conn *conn)
{
    int fd = conn->upstream.fd;

    if (conn->connecting)
        event_free(conn->connecting);
    conn->connecting = NULL;
    if (fd >= 0 && dup2(STDIN_FILENO, fd) >= 0)
        fcntl(fd, F_SETFD, FD_CLOEXEC);
}

/* With the last connection gone there is nothing to drain any more. */
static void conn_free(struct conn *conn)
{
    struct proxy *proxy = conn->proxy;

    LIST_REMOVE(conn, next);
    lookup_leave(&conn->asker);
    if (conn->connecting)
        event_free(conn->connecting);
    side_close(&conn->upstream);
    side_close(&conn->client);
    if (conn->idle)
        event_free(conn->idle);
    if (conn->step)
        event_free(conn->step);
    free(conn);
    if (proxy->listeners)
        listeners_resume(proxy->listeners);
    else if (LIST_EMPTY(&proxy->conns))
        event_base_loopbreak(proxy->base);
}

/* Close with a reset. A plain close would tell the peer that it has all. */
static void set_reset(evutil_socket_t fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

void conn_end(struct conn *conn, const char *how)
{
    struct side *client = &conn->client, *upstream = &conn->upstream;
    int which = conn->which < 0 ? 0 : conn->which;

    print_line(stdout, "%s to %s: %llu up, %llu down, %.3f s, %s", conn->peer,
        conn->proxy->upstreams[which].name, client->bytes, upstream->bytes,
        now() - conn->began, how);
    if (!client->ended || !upstream->ended || client->error ||
        upstream->error) {
        set_reset(client->fd);
        set_reset(upstream->fd);
    }
    conn_free(conn);
}

static void side_lost(struct side *side, int error)
{
    char how[128];

    snprintf(how, sizeof(how), "%s lost: %s", side->name,
        evutil_socket_error_to_string(error));
    conn_end(side->conn, how);
}

/* The peer takes no more bytes. Its own last ones, the reason perhaps, may
 * still be in the kernel: read_cb passes them on and meets the end. If the
 * other peer takes none either, nothing is left to do. */
static void side_deaf(struct side *side, int error)
{
    side->error = error;
    event_del(side->write_event);
    event_del(side->other->read_event);
    if (side->ended || side->other->error)
        side_lost(side, error);
}

/* No more will come from here. Nothing waits on the other side, or we would not
 * have read: so its peer can be told at once. */
static void side_ended(struct side *side)
{
    struct side *other = side->other;

    event_del(side->read_event);
    side->ended = true;
    if (side->error)
        side_lost(side, side->error);
    else if (other->ended)
        conn_end(side->conn, "closed");
    else if (shutdown(other->fd, SHUT_WR) != 0 && errno != ENOTCONN)
        side_lost(other, errno);
}

/* What the socket does not take has to wait, and the other side with it. */
static void pass_on(struct side *side, const char *bytes, size_t length)
{
    ssize_t sent = send(side->fd, bytes, length, 0);

    if (sent < 0 && !would_block(errno)) {
        side_deaf(side, errno);
        return;
    }
    size_t taken = sent < 0 ? 0 : (size_t)sent;
    if (taken == length)
        return;
    event_del(side->other->read_event);
    if (evbuffer_add(side->waiting, bytes + taken, length - taken) < 0 ||
        !watch(side->write_event, NULL))
        conn_end(side->conn, "out of memory");
}

static void read_cb(evutil_socket_t fd, short what, void *arg)
{
    static char bytes[CHUNK]; /* for all: it is empty between two calls */
    struct side *side = arg;
    ssize_t got = recv(fd, bytes, sizeof(bytes), 0);

    if (got > 0) {
        side->bytes += (size_t)got;
        side->conn->moved += (size_t)got;
        pass_on(side->other, bytes, (size_t)got);
    } else if (got == 0)
        side_ended(side);
    else if (!would_block(errno))
        side_lost(side, side->error ? side->error : errno);
}

static void write_cb(evutil_socket_t fd, short what, void *arg)
{
    struct side *side = arg;
    int sent = evbuffer_write(side->waiting, fd);

    if (sent < 0) {
        if (!would_block(errno))
            side_deaf(side, errno);
        return;
    }
    side->conn->moved += (size_t)sent;
    if (evbuffer_get_length(side->waiting) > 0)
        return;
    event_del(side->write_event);
    if (!watch(side->other->read_event, NULL))
        conn_end(side->conn, "out of memory");
}

/* Bytes that the peer has not acknowledged. */
static int unsent_to(const struct side *side)
{
    int bytes = 0;

    ioctl(side->fd, TIOCOUTQ, &bytes);
    return bytes;
}

/* To move the timer with each message would cost more than to look now and then
 * whether there was one. A peer that reads slowly takes bytes from the kernel
 * for long before there is room for one more of ours. */
static void idle_cb(evutil_socket_t fd, short what, void *arg)
{
    struct conn *conn = arg;
    int unsent = unsent_to(&conn->client) + unsent_to(&conn->upstream);

    if (conn->moved != conn->seen || unsent != conn->unsent) {
        conn->seen = conn->moved;
        conn->unsent = unsent;
        conn->quiet = 0;
    } else if (++conn->quiet == CHECKS)
        conn_end(conn, "idle");
}

/* Whether there is memory for it. */
static bool side_open(struct side *side)
{
    struct event_base *base = side->conn->proxy->base;

    side->read_event =
        event_new(base, side->fd, EV_READ | EV_PERSIST, read_cb, side);
    side->write_event =
        event_new(base, side->fd, EV_WRITE | EV_PERSIST, write_cb, side);
    side->waiting = evbuffer_new();
    set_nodelay(side->fd);
    return side->read_event && side->write_event && side->waiting;
}

/* Tell the log: the client does not notice where a second upstream serves. */
static void note_failure(struct conn *conn, int error, const char *why)
{
    conn->failure = error;
    print_line(stderr, "cannot connect to %s: %s",
        conn->proxy->upstreams[conn->which].name, why);
}

static void note_error(struct conn *conn, int error)
{
    note_failure(conn, error, evutil_socket_error_to_string(error));
}

/* No upstream is left to try. */
static void give_up(struct conn *conn)
{
    switch (conn->failure) {
    case ECONNREFUSED:
        conn_end(conn, "refused");
        break;
    case ETIMEDOUT:
        conn_end(conn, "timeout");
        break;
    case EMFILE:
    case ENFILE:
        conn_end(conn, "no descriptor");
        break;
    case ENOMEM:
        conn_end(conn, "out of memory");
        break;
    case ENOENT:
        conn_end(conn, "unknown host");
        break;
    case ECONNRESET:
        conn_end(conn, "upstream lost: Connection reset by peer");
        break;
    default:
        conn_end(conn, "unreachable");
    }
}

/* No more addresses are wanted. */
static void stop_resolving(struct conn *conn)
{
    conn->untried = NULL;
    lookup_leave(&conn->asker);
}

/* There is an upstream: begin to carry bytes. */
static void start_carrying(struct conn *conn)
{
    stop_resolving(conn);
    event_del(conn->step); /* news of its name may be on the way */
    if (!side_open(&conn->upstream) || !watch(conn->client.read_event, NULL) ||
        !watch(conn->upstream.read_event, NULL) ||
        !watch(conn->idle, conn->proxy->check))
        conn_end(conn, "out of memory");
}

/* Why a socket could not be connected, or 0 if it is connected. */
static int connect_error(evutil_socket_t fd)
{
    struct pollfd pollfd = {.fd = fd, .events = POLLOUT};
    int error = 0;
    socklen_t length = sizeof(error);

    if (poll(&pollfd, 1, 0) == 0)
        return ETIMEDOUT;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0)
        return errno;
    return error;
}

/* The upstream's socket is connected, has failed, or took too long. If the
 * whole program stood still, it can be connected and late: what has happened
 * counts, so the kernel is asked, whatever WHAT says. */
static void connect_cb(evutil_socket_t fd, short what, void *arg)
{
    struct conn *conn = arg;
    int error = connect_error(fd);

    if (error) {
        note_error(conn, error);
        stop_connecting(conn);
        event_active(conn->step, EV_TIMEOUT, 0);
        return;
    }
    event_free(conn->connecting);
    conn->connecting = NULL;
    start_carrying(conn);
}

/* Whether it is under way now. The loop's clock may have stood still for longer
 * than the limit, if the program did: so it is set before. */
static bool start_connecting(struct conn *conn, struct evutil_addrinfo *address)
{
    struct proxy *proxy = conn->proxy;

    side_close(&conn->upstream); /* what was kept for this */
    int fd = socket(
        address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        note_error(conn, errno);
        return false;
    }
    conn->upstream.fd = fd;
    set_keepalive(fd);
    if (connect(fd, address->ai_addr, address->ai_addrlen) != 0 &&
        errno != EINPROGRESS) {
        note_error(conn, errno);
        stop_connecting(conn);
        return false;
    }
    event_base_update_cache_time(proxy->base);
    conn->connecting = event_new(proxy->base, fd, EV_WRITE, connect_cb, conn);
    if (conn->connecting && watch(conn->connecting, &proxy->limit))
        return true;
    note_error(conn, ENOMEM);
    stop_connecting(conn);
    return false;
}

/* Go on to the next upstream: its address, if that is a number, or its name. */
static void start_upstream(struct conn *conn)
{
    struct proxy *proxy = conn->proxy;
    struct upstream *upstream = &proxy->upstreams[++conn->which];

    conn->untried = &upstream->address;
    if (!upstream->address) {
        int error = lookup_join(
            &proxy->lookups, upstream->host, upstream->port, &conn->asker);
        if (error)
            note_error(conn, error);
        else
            conn->untried = conn->asker.addresses;
        conn->deadline = now() + seconds_of(proxy->limit);
        conn->late = 0;
    }
    event_active(conn->step, EV_TIMEOUT, 0);
}

/* Whether to wait for more addresses. When it is too late, an answer may have
 * come all the same, if the program stood still: let the loop ask the kernel
 * once more, and then run what it finds behind us. */
static bool wait_for_name(struct conn *conn)
{
    static const struct timeval at_once = {0, 0};
    double left = conn->deadline - now();
    struct timeval limit = {(long)left, (long)((left - (long)left) * 1e6)};

    if (!lookup_goes_on(&conn->asker) || conn->late == 2)
        return false;
    if (left > 0) {
        event_base_update_cache_time(conn->proxy->base);
        return watch(conn->step, &limit);
    }
    if (conn->late++ == 0)
        return watch(conn->step, &at_once);
    event_active(conn->step, EV_TIMEOUT, 0);
    return true;
}

static void note_no_address(struct conn *conn)
{
    const char *why;

    if (!conn->asker.lookup || *conn->asker.addresses)
        return;
    int error = lookup_failure(&conn->asker, &why);
    note_failure(conn, error, why);
}

/* Try the next address; without one, the next upstream. */
static void step_cb(evutil_socket_t fd, short what, void *arg)
{
    struct conn *conn = arg;
    struct evutil_addrinfo *address;

    if (conn->connecting)
        return; /* there is news of a name, but an address of it is tried */
    while (conn->untried && (address = *conn->untried)) {
        conn->untried = &address->ai_next;
        if (start_connecting(conn, address))
            return;
    }
    if (wait_for_name(conn))
        return;
    note_no_address(conn);
    stop_resolving(conn);
    if (conn->which + 1 == conn->proxy->count)
        give_up(conn);
    else
        start_upstream(conn);
}

static void name_peer(
    struct conn *conn, const struct sockaddr *address, socklen_t length)
{
    char host[NI_MAXHOST] = "unknown", port[NI_MAXSERV] = "0";

    getnameinfo(address, length, host, sizeof(host), port, sizeof(port),
        NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(conn->peer, sizeof(conn->peer),
        strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}

/* The client's bytes wait in the kernel until there is an upstream. For that
 * the proxy's spare descriptor is taken: a burst of clients could leave none
 * for upstreams. */
void conn_new(struct proxy *proxy, evutil_socket_t fd,
    const struct sockaddr *address, socklen_t length)
{
    struct conn *conn = calloc(1, sizeof(*conn));

    if (!conn) {
        print_line(stderr, "cannot take a connection: %s", strerror(ENOMEM));
        evutil_closesocket(fd);
        return;
    }
    conn->proxy = proxy;
    conn->began = now();
    conn->which = -1;
    conn->client = (struct side){
        .name = "client", .conn = conn, .other = &conn->upstream, .fd = fd};
    conn->upstream = (struct side){.name = "upstream",
        .conn = conn,
        .other = &conn->client,
        .fd = proxy->spare};
    proxy->spare = -1;
    LIST_INSERT_HEAD(&proxy->conns, conn, next);
    name_peer(conn, address, length);
    conn->idle = event_new(proxy->base, -1, EV_PERSIST, idle_cb, conn);
    conn->step = evtimer_new(proxy->base, step_cb, conn);
    conn->asker.wake = conn->step;
    if (side_open(&conn->client) && conn->idle && conn->step)
        event_active(conn->step, EV_TIMEOUT, 0);
    else
        conn_end(conn, "out of memory");
}
