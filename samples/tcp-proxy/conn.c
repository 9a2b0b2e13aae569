/* conn.c -- one connection through the proxy, from its client to its summary.
 */
#include <err.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

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

/* Close with a reset. After a plain close the peer would believe that it has
 * received everything. */
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

/* Bytes that the peer has not acknowledged. */
static int unsent_to(const struct side *side)
{
    int bytes = 0;

    ioctl(side->fd, TIOCOUTQ, &bytes);
    return bytes;
}

/* Moving the timer at each message would cost more than checking now and then
 * whether there was one. A peer that reads slowly may drain the kernel's buffer
 * for long before the socket is writable again. */
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

static void name_peer(
    struct conn *conn, const struct sockaddr *address, socklen_t length)
{
    char host[NI_MAXHOST] = "unknown", port[NI_MAXSERV] = "0";

    getnameinfo(address, length, host, sizeof(host), port, sizeof(port),
        NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(conn->peer, sizeof(conn->peer),
        strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}

/* The client's bytes wait in the kernel until there is an upstream. Its socket
 * uses the proxy's spare descriptor: a burst of clients could leave none for
 * upstreams. */
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
