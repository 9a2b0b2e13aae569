/* conn.c -- one connection through the proxy, from its client to its summary.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <event2/buffer.h>

#include "conn.h"

static const struct timeval REST = {1, 0}; /* without descriptors */

enum { CHUNK = 128 * 1024 }; /* bytes that are read at once, at the most */

/* One of the two sockets of a connection. What is read on the other one is
 * written here; as long as some of it waits, no more is read there. */
struct side {
    const char *name;
    struct conn *conn;
    struct side *other;
    evutil_socket_t fd;       /* -1: none yet */
    struct event *readable;   /* pending unless we wait for the other side */
    struct event *writable;   /* pending while something waits */
    struct evbuffer *waiting; /* what the socket has not taken yet */
    unsigned long long bytes; /* received from here */
    int ended;                /* the peer has sent all that it will */
    int error;                /* why the peer takes no more, or 0 */
};

struct conn {
    struct proxy *proxy;
    char peer[NI_MAXHOST + NI_MAXSERV + 4]; /* the client, for the summary */
    double began;
    struct side client, upstream;
    struct event *idle;       /* checks, once both are there, for silence: */
    unsigned long long moved; /* bytes read and written so far */
    unsigned long long seen;  /* of these, at the last check */
    int quiet;                /* checks since then without a byte */
    int which;                /* upstream it is, or is tried; -1: none yet */
    int failure;              /* errno of the last try */
    struct event *step;       /* made active to try on; the limit on a name */
    struct event *connecting; /* pending while the upstream connects */
    struct evdns_getaddrinfo_request *request;   /* a name is asked for */
    struct evutil_addrinfo *addresses, *untried; /* of the upstream */
    LIST_ENTRY(conn) next;
};

/* Send small answers at once: with Nagle's algorithm on, the end of a long
 * answer would wait up to 40 ms for the peer's delayed acknowledgement. */
static void set_nodelay(evutil_socket_t fd)
{
    int on = 1;

    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)
        warn("cannot set TCP_NODELAY");
}

/* Make EVENT pending; what cannot be watched ends the program. */
static void add_event(struct event *event)
{
    if (!event || event_add(event, NULL) < 0)
        errx(1, "cannot add an event");
}

/* The same, for LIMIT at the most. */
static void add_timeout(struct event *event, const struct timeval *limit)
{
    if (!event || event_add(event, limit) < 0)
        errx(1, "cannot add an event");
}

/* Seconds on a clock that nobody sets. */
static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int would_block(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

void proxy_rest(struct proxy *proxy)
{
    if (!proxy->listener)
        return;
    evconnlistener_disable(proxy->listener);
    add_timeout(proxy->rested, &REST);
}

/* Free the events first: one on a closed descriptor would be lost. */
static void side_close(struct side *side)
{
    if (side->readable)
        event_free(side->readable);
    if (side->writable)
        event_free(side->writable);
    if (side->waiting)
        evbuffer_free(side->waiting);
    if (side->fd >= 0)
        evutil_closesocket(side->fd);
    side->fd = -1;
}

static void stop_connecting(struct conn *conn)
{
    if (conn->connecting)
        event_free(conn->connecting);
    conn->connecting = NULL;
    side_close(&conn->upstream);
}

/* Give up the name that is asked for, and forget the addresses of the last. */
static void stop_resolving(struct conn *conn)
{
    if (conn->request)
        evdns_getaddrinfo_cancel(conn->request);
    if (conn->addresses)
        evutil_freeaddrinfo(conn->addresses);
    conn->request = NULL;
    conn->addresses = NULL;
}

/* With the last connection gone there is nothing to drain any more. */
static void conn_free(struct conn *conn)
{
    struct proxy *proxy = conn->proxy;

    LIST_REMOVE(conn, next);
    stop_resolving(conn);
    stop_connecting(conn);
    side_close(&conn->client);
    event_free(conn->idle);
    event_free(conn->step);
    free(conn);
    if (!proxy->listener && LIST_EMPTY(&proxy->conns))
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

    printf("%s to %s: %llu up, %llu down, %.3f s, %s\n", conn->peer,
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
 * still be in the kernel: read_cb passes them on and meets the end. */
static void side_deaf(struct side *side, int error)
{
    side->error = error;
    event_del(side->writable);
    event_del(side->other->readable);
    if (side->ended)
        side_lost(side, error);
}

/* No more will come from here. Nothing waits on the other side, or we would not
 * have read: so its peer can be told at once. */
static void side_ended(struct side *side)
{
    struct side *other = side->other;

    event_del(side->readable);
    side->ended = 1;
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
    if (evbuffer_add(side->waiting, bytes + taken, length - taken) < 0)
        errx(1, "cannot keep bytes");
    event_del(side->other->readable);
    add_event(side->writable);
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
    event_del(side->writable);
    add_event(side->other->readable);
}

/* To move the timer with each message would cost more than to look now and then
 * whether there was one. */
static void idle_cb(evutil_socket_t fd, short what, void *arg)
{
    struct conn *conn = arg;

    if (conn->moved != conn->seen) {
        conn->seen = conn->moved;
        conn->quiet = 0;
    } else if (++conn->quiet == CHECKS)
        conn_end(conn, "idle");
}

static void side_open(struct side *side)
{
    struct event_base *base = side->conn->proxy->base;

    side->readable =
        event_new(base, side->fd, EV_READ | EV_PERSIST, read_cb, side);
    side->writable =
        event_new(base, side->fd, EV_WRITE | EV_PERSIST, write_cb, side);
    side->waiting = evbuffer_new();
    if (!side->readable || !side->writable || !side->waiting)
        errx(1, "cannot take a connection");
    set_nodelay(side->fd);
}

/* Tell the log: the client does not notice where a second upstream serves. */
static void note_failure(struct conn *conn, int error, const char *why)
{
    conn->failure = error;
    warnx("cannot connect to %s: %s", conn->proxy->upstreams[conn->which].name,
        why);
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
        proxy_rest(conn->proxy);
        conn_end(conn, "no descriptor");
        break;
    case ENOENT:
        conn_end(conn, "unknown host");
        break;
    default:
        conn_end(conn, "unreachable");
    }
}

/* The upstream's socket is connected, has failed, or took too long. */
static void connect_cb(evutil_socket_t fd, short what, void *arg)
{
    struct conn *conn = arg;
    int error = ETIMEDOUT;
    socklen_t length = sizeof(error);

    if (!(what & EV_TIMEOUT) &&
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0)
        error = errno;
    if (error) {
        note_error(conn, error);
        stop_connecting(conn);
        event_active(conn->step, EV_TIMEOUT, 0);
        return;
    }
    event_free(conn->connecting);
    conn->connecting = NULL;
    stop_resolving(conn);
    side_open(&conn->upstream);
    add_event(conn->client.readable);
    add_event(conn->upstream.readable);
    add_timeout(conn->idle, conn->proxy->check);
}

/* Whether it is under way now. */
static int start_connecting(struct conn *conn, struct evutil_addrinfo *address)
{
    side_close(&conn->upstream); /* what conn_new has kept for this */
    evutil_socket_t fd = socket(
        address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        note_error(conn, errno);
        return 0;
    }
    conn->upstream.fd = fd;
    if (connect(fd, address->ai_addr, address->ai_addrlen) != 0 &&
        errno != EINPROGRESS) {
        note_error(conn, errno);
        stop_connecting(conn);
        return 0;
    }
    conn->connecting =
        event_new(conn->proxy->base, fd, EV_WRITE, connect_cb, conn);
    add_timeout(conn->connecting, &conn->proxy->limit);
    return 1;
}

/* The name has been found, or not. Given up, CONN may be gone already. */
static void resolved_cb(int error, struct evutil_addrinfo *list, void *arg)
{
    struct conn *conn = arg;

    if (error == EVUTIL_EAI_CANCEL)
        return;
    conn->request = NULL;
    conn->addresses = conn->untried = list;
    if (error)
        note_failure(conn, ENOENT, evutil_gai_strerror(error));
    event_active(conn->step, EV_TIMEOUT, 0);
}

/* What is known, a number or a name in /etc/hosts, comes at once: resolved_cb
 * has then been called already, and there is no request. */
static void start_resolving(struct conn *conn)
{
    const struct upstream *upstream = &conn->proxy->upstreams[conn->which];
    struct evutil_addrinfo hints = {
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = EVUTIL_AI_NUMERICSERV,
    };

    add_timeout(conn->step, &conn->proxy->limit);
    conn->request = evdns_getaddrinfo(conn->proxy->dns, upstream->host,
        upstream->port, &hints, resolved_cb, conn);
}

/* Try the next address; without one, the next upstream. */
static void step_cb(evutil_socket_t fd, short what, void *arg)
{
    struct conn *conn = arg;
    struct evutil_addrinfo *address;

    event_del(conn->step);
    if (conn->request)
        note_failure(conn, ETIMEDOUT, "no answer from a name server");
    while ((address = conn->untried)) {
        conn->untried = address->ai_next;
        if (start_connecting(conn, address))
            return;
    }
    stop_resolving(conn);
    if (conn->which + 1 == conn->proxy->count) {
        give_up(conn);
        return;
    }
    conn->which++;
    start_resolving(conn);
}

static void name_peer(
    struct conn *conn, const struct sockaddr *address, socklen_t length)
{
    char host[NI_MAXHOST], port[NI_MAXSERV];
    int error = getnameinfo(address, length, host, sizeof(host), port,
        sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);

    if (error)
        errx(1, "getnameinfo: %s", gai_strerror(error));
    snprintf(conn->peer, sizeof(conn->peer),
        strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}

/* The client's bytes wait in the kernel until there is an upstream. For that a
 * descriptor is kept, or a burst of clients could leave none for upstreams. */
void conn_new(struct proxy *proxy, evutil_socket_t fd,
    const struct sockaddr *address, socklen_t length)
{
    struct conn *conn = calloc(1, sizeof(*conn));

    if (!conn)
        err(1, "cannot take a connection");
    *conn = (struct conn){.proxy = proxy, .began = now(), .which = -1};
    conn->client = (struct side){
        .name = "client", .conn = conn, .other = &conn->upstream, .fd = fd};
    conn->upstream = (struct side){
        .name = "upstream", .conn = conn, .other = &conn->client, .fd = -1};
    LIST_INSERT_HEAD(&proxy->conns, conn, next);
    name_peer(conn, address, length);
    side_open(&conn->client);
    conn->idle = event_new(proxy->base, -1, EV_PERSIST, idle_cb, conn);
    conn->step = evtimer_new(proxy->base, step_cb, conn);
    if (!conn->idle || !conn->step)
        errx(1, "cannot take a connection");
    conn->upstream.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (conn->upstream.fd < 0) {
        warn("cannot take a connection, trying again in a second");
        proxy_rest(proxy);
        conn_end(conn, "no descriptor");
        return;
    }
    event_active(conn->step, EV_TIMEOUT, 0);
}
