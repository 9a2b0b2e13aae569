/* conn.c -- the connections of a load: each opens, sends, checks, counts. */
#include <err.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/util.h>

#include "conn.h"

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

/* Send small answers at once: with Nagle's algorithm on, the end of a long
 * answer would wait up to 40 ms for the peer's delayed acknowledgement. */
static void set_nodelay(evutil_socket_t fd)
{
    int on = 1;

    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)
        print_line(stderr, "cannot set TCP_NODELAY: %s", strerror(errno));
}

uint64_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

void conn_close(struct conn *conn)
{
    struct pool *pool = conn->pool;
    uint64_t time = now();

    for (size_t i = 0; i < conn->under_way; i++)
        count_unanswered(
            pool->result, conn->due[(conn->first + i) % pool->pipeline], time);
    pool->under_way -= conn->under_way;
    if (conn->free)
        TAILQ_REMOVE(&pool->free, conn, next);
    if (conn->read_event)
        event_free(conn->read_event);
    if (conn->write_event)
        event_free(conn->write_event);
    close(conn->fd);
    conn->fd = -1;
}

static void conn_lost(struct conn *conn, int error)
{
    conn->pool->lost(conn->pool->arg, conn,
        error == ECONNRESET || error == EPIPE ? RESET : OTHER, error);
}

void conn_give(struct conn *conn, uint64_t due)
{
    size_t last = conn->first + conn->under_way;
    size_t pipeline = conn->pool->pipeline;

    conn->due[last < pipeline ? last : last - pipeline] = due;
    conn->under_way++;
    conn->pool->under_way++;
    conn->to_send++;
}

static size_t next_of(const struct script *script, size_t i)
{
    return i + 1 < script->count ? i + 1 : script->set_up;
}

/* LENGTH bytes of CONN have been sent. */
static void conn_sent(struct conn *conn, size_t length)
{
    const struct script *script = conn->pool->script;

    conn->pool->total.sent += length;
    conn->sent += length;
    while (conn->to_send > 0) {
        size_t size = request_size(script, conn->asked);

        if (conn->sent < size)
            return;
        conn->sent -= size;
        conn->asked = next_of(script, conn->asked);
        conn->to_send--;
    }
}

/* Start or stop waiting until the socket is writable. */
static void set_full(struct conn *conn, bool full)
{
    int result = 0;

    if (full && !conn->full)
        result = event_add(conn->write_event, NULL);
    else if (!full && conn->full)
        result = event_del(conn->write_event);
    conn->full = full;
    if (result < 0)
        conn_lost(conn, ENOMEM);
}

/* Send the requests of CONN; those that follow each other in the ring go
 * together. Bytes that do not fit into the socket wait until it is writable. */
void conn_send(struct conn *conn)
{
    const struct script *script = conn->pool->script;

    while (conn->to_send > 0) {
        size_t last = conn->asked + conn->to_send;
        size_t from = script->request_at[conn->asked] + conn->sent;
        size_t length =
            script->request_at[last < script->count ? last : script->count] -
            from;
        ssize_t sent = send(conn->fd, script->requests + from, length, 0);

        if (sent < 0 && errno != EAGAIN) {
            conn_lost(conn, errno);
            return;
        }
        if (sent > 0)
            conn_sent(conn, (size_t)sent);
        if (sent < 0 || (size_t)sent < length) {
            set_full(conn, true);
            return;
        }
    }
    set_full(conn, false);
}

static void write_cb(evutil_socket_t fd, short what, void *arg)
{
    struct conn *conn = arg;
    struct pool *pool = conn->pool;
    uint64_t sent = pool->total.sent;

    conn_send(conn);
    if (pool->total.sent > sent)
        pool->connected(pool->arg);
}

/* A whole answer has come, at TIME. */
static void conn_answered(struct conn *conn, uint64_t time)
{
    struct pool *pool = conn->pool;

    count_answered(pool->result, conn->due[conn->first], time);
    conn->first = conn->first + 1 < pool->pipeline ? conn->first + 1 : 0;
    conn->under_way--;
    conn->wanted = next_of(pool->script, conn->wanted);
    conn->got = 0;
    pool->under_way--;
    pool->total.answers++;
}

/* Compare LENGTH bytes that have come with the expected ones. Returns whether
 * they are the same; if not, CONN is closed, since the beginning of its next
 * answer is unknown. */
static bool conn_check(
    struct conn *conn, const char *bytes, size_t length, uint64_t time)
{
    const struct script *script = conn->pool->script;

    while (length > 0) {
        size_t size = answer_size(script, conn->wanted) - conn->got;
        const char *answer =
            script->answers + script->answer_at[conn->wanted] + conn->got;
        bool asked = conn->under_way > conn->to_send || conn->sent > 0;

        if (size > length)
            size = length;
        if (!asked || memcmp(bytes, answer, size) != 0) {
            note_wrong(conn->pool->result, conn->got, bytes,
                asked ? answer : NULL, size);
            conn->pool->lost(conn->pool->arg, conn, WRONG, 0);
            return false;
        }
        bytes += size;
        length -= size;
        conn->got += size;
        if (conn->got == answer_size(script, conn->wanted))
            conn_answered(conn, time);
    }
    return true;
}

static void read_cb(evutil_socket_t fd, short what, void *arg)
{
    static char chunk[262144]; /* shared: one callback runs at a time */
    struct conn *conn = arg;
    struct pool *pool = conn->pool;
    ssize_t length = recv(fd, chunk, sizeof(chunk), 0);
    uint64_t time = now(), answers = pool->total.answers;

    if (length == 0) {
        pool->lost(pool->arg, conn, CLOSED, 0);
    } else if (length < 0) {
        if (errno != EAGAIN)
            conn_lost(conn, errno);
    } else {
        pool->total.received += (uint64_t)length;
        conn->heard = time;
        if (conn_check(conn, chunk, (size_t)length, time) &&
            pool->total.answers > answers)
            pool->answered(pool->arg, conn, time);
    }
}

/* A socket that is being connected, or -1. A loopback address has about 28,000
 * ports; once they are used up, the next one, 127.0.0.2, has as many. */
static evutil_socket_t connect_from(const struct pool *pool)
{
    const struct evutil_addrinfo *to = pool->address;
    struct sockaddr_in from = {.sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK + pool->source)};
    evutil_socket_t fd = socket(to->ai_family, SOCK_STREAM, 0);
    int on = 1;

    if (fd < 0)
        return -1;
    set_nodelay(fd);
    if (evutil_make_socket_nonblocking(fd) == 0 &&
        (pool->source == 0 ||
            (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on,
                 sizeof(on)) == 0 &&
                bind(fd, (struct sockaddr *)&from, sizeof(from)) == 0)) &&
        (connect(fd, to->ai_addr, (socklen_t)to->ai_addrlen) == 0 ||
            errno == EINPROGRESS))
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static bool is_loopback(const struct evutil_addrinfo *address)
{
    const struct sockaddr_in *in = (const struct sockaddr_in *)address->ai_addr;

    return address->ai_family == AF_INET &&
           ntohl(in->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
}

int conn_open(struct pool *pool, struct conn *conn)
{
    *conn = (struct conn){.pool = pool};
    conn->due = pool->dues + pool->opened * pool->pipeline;
    conn->asked = conn->wanted = pool->opened % pool->script->set_up;
    while ((conn->fd = connect_from(pool)) < 0)
        if (errno != EADDRNOTAVAIL || !is_loopback(pool->address) ||
            ++pool->source > 250)
            return errno;
    pool->opened++;
    conn->read_event =
        event_new(pool->base, conn->fd, EV_READ | EV_PERSIST, read_cb, conn);
    conn->write_event =
        event_new(pool->base, conn->fd, EV_WRITE | EV_PERSIST, write_cb, conn);
    if (!conn->read_event || !conn->write_event ||
        event_add(conn->read_event, NULL) < 0 ||
        event_add(conn->write_event, NULL) < 0)
        return ENOMEM;
    conn->full = true;
    conn_give(conn, 0);
    return 0;
}
