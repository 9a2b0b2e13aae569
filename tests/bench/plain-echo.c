/* plain-echo.c -- an echo server that reads and writes by itself, with
 * libevent, chapter 17's reactor, libev or libuv: what scripts/bench-reactor
 * puts load on.
 *
 * Build: cc -O2 -o echo-libevent plain-echo.c -levent_core
 *        cc -O2 -o echo-reactor plain-echo.c libreactor.a
 *        cc -O2 -DLIBEV -o echo-libev plain-echo.c -lev
 *        cc -O2 -DLIBUV -o echo-libuv plain-echo.c -luv
 * Run:   ./echo-libevent
 *
 * It is for clients that wait for each answer: where a socket takes no more, it
 * closes the connection.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#if defined(LIBEV)
#include <ev.h>
#elif defined(LIBUV)
#include <uv.h>
#else
#include <event2/event.h>
#include <event2/event_struct.h>
#endif

struct conn; /* or the listening socket */
static void on_ready(struct conn *conn);

#if defined(LIBEV)

struct conn {
    ev_io watcher;
    int fd, is_listener;
};

static void ready_cb(struct ev_loop *loop, ev_io *watcher, int what)
{
    on_ready((struct conn *)watcher);
}

static void watch(struct conn *conn)
{
    ev_io_init(&conn->watcher, ready_cb, conn->fd, EV_READ);
    ev_io_start(EV_DEFAULT, &conn->watcher);
}

static void unwatch(struct conn *conn)
{
    ev_io_stop(EV_DEFAULT, &conn->watcher);
    close(conn->fd);
    free(conn);
}

static void run(void)
{
    ev_run(EV_DEFAULT, 0);
}

#elif defined(LIBUV)

struct conn {
    uv_poll_t watcher;
    int fd, is_listener;
};

static void ready_cb(uv_poll_t *watcher, int status, int what)
{
    on_ready((struct conn *)watcher);
}

static void watch(struct conn *conn)
{
    if (uv_poll_init(uv_default_loop(), &conn->watcher, conn->fd) ||
        uv_poll_start(&conn->watcher, UV_READABLE, ready_cb))
        errx(1, "cannot watch a socket");
}

static void closed_cb(uv_handle_t *watcher)
{
    free(watcher);
}

static void unwatch(struct conn *conn)
{
    uv_poll_stop(&conn->watcher);
    close(conn->fd);
    uv_close((uv_handle_t *)&conn->watcher, closed_cb);
}

static void run(void)
{
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}

#else

struct conn {
    struct event watcher;
    int fd, is_listener;
};

static struct event_base *base;

static void ready_cb(evutil_socket_t fd, short what, void *arg)
{
    on_ready(arg);
}

static void watch(struct conn *conn)
{
    if (!base && !(base = event_base_new()))
        errx(1, "event_base_new");
    event_assign(
        &conn->watcher, base, conn->fd, EV_READ | EV_PERSIST, ready_cb, conn);
    if (event_add(&conn->watcher, NULL) < 0)
        err(1, "event_add");
}

static void unwatch(struct conn *conn)
{
    event_del(&conn->watcher);
    close(conn->fd);
    free(conn);
}

static void run(void)
{
    event_base_dispatch(base);
}

#endif

static void conn_new(int fd, int is_listener)
{
    struct conn *conn = calloc(1, sizeof(*conn));

    if (!conn)
        err(1, "calloc");
    conn->fd = fd;
    conn->is_listener = is_listener;
    watch(conn);
}

static void accept_all(int listener)
{
    int fd;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0)
        conn_new(fd, 0);
    if (errno != EAGAIN && errno != ECONNABORTED)
        err(1, "accept");
}

static void on_ready(struct conn *conn)
{
    char bytes[4096];
    ssize_t got;

    if (conn->is_listener) {
        accept_all(conn->fd);
        return;
    }
    got = read(conn->fd, bytes, sizeof(bytes));
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0 || write(conn->fd, bytes, (size_t)got) != got)
        unwatch(conn);
}

int main(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof(address);
    struct rlimit limit;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    signal(SIGPIPE, SIG_IGN);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) < 0 ||
        listen(fd, SOMAXCONN) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) < 0)
        err(1, "cannot listen");
    printf("listening on 127.0.0.1 port %d\n", ntohs(address.sin_port));
    fflush(stdout);
    conn_new(fd, 1);
    run();
    return 0;
}
