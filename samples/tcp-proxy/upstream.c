/* upstream.c -- connects a connection to the first upstream that works. */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "side.h"

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

/* A host that is switched off says nothing: let the kernel ask it. An accepted
 * socket has this from its listener. */
static void set_keepalive(evutil_socket_t fd)
{
    int on = 1;

    if (setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)) != 0)
        print_line(stderr, "cannot set SO_KEEPALIVE: %s", strerror(errno));
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

/* Log it: the client does not notice when a second upstream serves it. */
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
 * whole program stood still, it may be both connected and late: so the kernel
 * is asked, whatever WHAT says. */
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

/* Whether connecting has begun. The loop's time may be older than the limit, if
 * the program stood still: so it is updated before. */
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

/* Whether to wait for more addresses. After the limit an answer may still be
 * there, if the program stood still: let the loop poll the kernel once more,
 * and run the callbacks that are due before us. */
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
void step_cb(evutil_socket_t fd, short what, void *arg)
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
