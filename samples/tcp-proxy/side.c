/* side.c -- carries the bytes of a connection from one side to the other. */
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "side.h"

enum { CHUNK = 128 * 1024 }; /* bytes that are read at once, at the most */

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

/* Make EVENT pending, for LIMIT at most. A failure ends only the connection. */
bool watch(struct event *event, const struct timeval *limit)
{
    return event_add(event, limit) == 0;
}

static bool would_block(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

/* Free the events first: a closed descriptor's number may be reused. */
void side_close(struct side *side)
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

static void side_lost(struct side *side, int error)
{
    char how[128];

    snprintf(how, sizeof(how), "%s lost: %s", side->name,
        evutil_socket_error_to_string(error));
    conn_end(side->conn, how);
}

/* The peer accepts no more bytes. Its own last ones, perhaps with the reason,
 * may still be in the kernel: read_cb passes them on and finds the end. If the
 * other peer accepts none either, nothing is left to do. */
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

/* Bytes that do not fit into the socket wait, and the other side with them. */
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

/* Whether there is memory for it. */
bool side_open(struct side *side)
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
