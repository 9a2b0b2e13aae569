/* conn.c -- one client of a chat: its output queue, and its end. */
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "conn.h"

static const struct timeval LINGER = {10, 0}; /* to take some of what waits */
static const struct timeval SECOND = {1, 0};  /* in which lines are counted */

enum { QUEUE = 256 * 1024 }; /* bytes that may wait for a slow reader */

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

/* CONN cannot be served any more: CANNOT says what failed. It is freed as soon
 * as the loop runs, not here: our caller may be walking a list of people. To
 * make an event active takes no memory. */
void conn_fail(struct conn *conn, const char *cannot)
{
    if (conn->failed)
        return;
    print_line(stderr, "dropped a client: cannot %s", cannot);
    conn->failed = true;
    event_active(conn->timer, EV_TIMEOUT, 1);
}

/* Start the timer of CONN anew. */
static void set_timer(struct conn *conn, const struct timeval *time)
{
    if (!conn->failed && event_add(conn->timer, time) < 0)
        conn_fail(conn, "set a timer");
}

void start_second(struct conn *conn)
{
    set_timer(conn, &SECOND);
}

void set_reading(struct conn *conn, bool on)
{
    if ((on ? bufferevent_enable(conn->bev, EV_READ)
            : bufferevent_disable(conn->bev, EV_READ)) < 0)
        conn_fail(conn, "watch the connection");
}

/* CONN may be only half made. The last connection ends a server that is
 * stopping. */
void conn_free(struct conn *conn)
{
    struct server *server = conn->server;

    if (conn->person)
        person_free(conn->person, "has lost the connection");
    LIST_REMOVE(conn, next);
    if (conn->timer)
        event_free(conn->timer);
    if (conn->text)
        evbuffer_free(conn->text);
    if (conn->bev)
        bufferevent_free(conn->bev);
    free(conn);
    if (server->listeners)
        listeners_resume(server->listeners);
    else if (LIST_EMPTY(&server->conns))
        event_base_loopbreak(server->base);
}

/* All is sent: half-close, and wait for the peer to close. If we closed first,
 * the kernel would answer bytes that still arrive by a reset, and the last
 * lines could be lost. */
static void conn_finish(struct conn *conn)
{
    if (conn->ended)
        conn_free(conn);
    else if (shutdown(bufferevent_getfd(conn->bev), SHUT_WR) != 0 &&
             errno != ENOTCONN)
        print_line(
            stderr, "cannot half-close a connection: %s", strerror(errno));
}

/* The bytes that the peer has not received, in the output and in the kernel. */
static size_t bytes_waiting(struct conn *conn)
{
    int in_kernel;

    if (ioctl(bufferevent_getfd(conn->bev), TIOCOUTQ, &in_kernel) != 0)
        in_kernel = 0;
    return evbuffer_get_length(bufferevent_get_output(conn->bev)) +
           (size_t)in_kernel;
}

/* End CONN: read no more lines from it, and queue no more for it. It has some
 * time to read what is queued. */
void conn_leave(struct conn *conn, const char *how)
{
    person_free(conn->person, how);
    conn->person = NULL;
    conn->waiting = bytes_waiting(conn);
    set_timer(conn, &LINGER);
    if (!conn->ended)
        set_reading(conn, true);
    if (evbuffer_get_length(bufferevent_get_output(conn->bev)) == 0)
        conn_finish(conn);
}

/* Queue a line. EV_WRITE is on anyway; enabling it again fails if the socket
 * cannot be watched, which bufferevent_write does not report. */
static void conn_send(struct conn *conn, const char *text, size_t length)
{
    if (bufferevent_write(conn->bev, text, length) < 0 ||
        bufferevent_enable(conn->bev, EV_WRITE) < 0)
        conn_fail(conn, "queue a line");
}

/* Queue a line for the person behind ARG. A client that does not read is
 * dropped, but not here: our caller is walking a list of people. */
void show_cb(void *arg, const char *text, size_t length)
{
    struct conn *conn = arg;

    if (conn->slow || conn->failed)
        return;
    conn_send(conn, text, length);
    if (evbuffer_get_length(bufferevent_get_output(conn->bev)) > QUEUE) {
        conn->slow = true;
        event_active(conn->timer, EV_TIMEOUT, 1);
    }
}

/* Tell the peer and the operator WHY it is dropped, and the room HOW. */
void conn_drop(struct conn *conn, const char *why, const char *how)
{
    char text[128];
    int length = snprintf(text, sizeof(text), "* goodbye: %s\n", why);

    print_line(stderr, "dropped a client: %s", why);
    conn_send(conn, text, (size_t)length);
    conn_leave(conn, how);
}

static void read_cb(struct bufferevent *bev, void *arg)
{
    struct conn *conn = arg;
    struct evbuffer *input = bufferevent_get_input(bev);

    if (conn->person)
        take_some_lines(conn);
    if (!conn->person) /* read and discarded, so that no reset is sent */
        evbuffer_drain(input, evbuffer_get_length(input));
}

/* All that was queued is sent. */
static void write_cb(struct bufferevent *bev, void *arg)
{
    struct conn *conn = arg;

    if (!conn->person)
        conn_finish(conn);
}

static void event_cb(struct bufferevent *bev, short what, void *arg)
{
    int error = EVUTIL_SOCKET_ERROR(); /* before a call can change it */
    struct conn *conn = arg;

    if (what & BEV_EVENT_EOF) {
        conn->ended = true;
        if (conn->person)
            conn_leave(conn, "has left");
        else if (evbuffer_get_length(bufferevent_get_output(bev)) == 0)
            conn_free(conn);
        return; /* else the peer still reads, and write_cb ends it */
    }
    print_line(
        stderr, "lost a client: %s", evutil_socket_error_to_string(error));
    conn_free(conn);
}

/* The time of a leaving connection is over. If it has read something, it gets
 * the same time again. */
static void leaving_cb(struct conn *conn)
{
    size_t waiting = bytes_waiting(conn);

    if (waiting == conn->waiting) {
        conn_free(conn);
        return;
    }
    conn->waiting = waiting;
    set_timer(conn, &LINGER);
}

/* One timer serves four cases, since they exclude each other: a second is over,
 * too much is queued, the time of a leaving connection is over, or a call has
 * failed for it. */
static void timer_cb(evutil_socket_t fd, short what, void *arg)
{
    struct conn *conn = arg;

    if (conn->failed) {
        conn_free(conn);
    } else if (!conn->person) {
        leaving_cb(conn);
    } else if (conn->slow) {
        conn_drop(conn, "you read too slowly", "was dropped: a slow reader");
    } else {
        next_second(conn);
    }
}

/* Make all parts of CONN; returns false if that fails. The timer is in the loop
 * from now on, so that setting it again takes no memory; its first call has no
 * effect. */
static bool conn_start(struct conn *conn, evutil_socket_t fd)
{
    struct server *server = conn->server;

    conn->bev = bufferevent_socket_new(server->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (!conn->bev) {
        evutil_closesocket(fd);
        return false;
    }
    conn->text = evbuffer_new();
    conn->timer = evtimer_new(server->base, timer_cb, conn);
    if (!conn->text || !conn->timer || event_add(conn->timer, &SECOND) < 0)
        return false;
    bufferevent_setcb(conn->bev, read_cb, write_cb, event_cb, conn);
    if (bufferevent_enable(conn->bev, EV_READ) < 0)
        return false;
    conn->person = person_new(server->rooms, show_cb, conn);
    return conn->person != NULL;
}

void conn_new(struct server *server, evutil_socket_t fd)
{
    struct conn *conn = calloc(1, sizeof(*conn));

    if (!conn) {
        print_line(stderr, "dropped a client: cannot make a connection");
        evutil_closesocket(fd);
        return;
    }
    conn->server = server;
    LIST_INSERT_HEAD(&server->conns, conn, next);
    if (!conn_start(conn, fd)) {
        print_line(stderr, "dropped a client: cannot make a connection");
        conn_free(conn);
    }
}
