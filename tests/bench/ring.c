/* ring.c -- the work of backend-bench, with libev or with libuv: what
 * scripts/bench holds it against.
 *
 * Build: cc -DLIBEV -o ring-libev ring.c -lev
 *        cc -o ring-libuv ring.c -luv
 * Run:   ./ring-libev CONNECTIONS EVENTS
 * Try:   ./ring-libev 10000 100000
 *
 * It prints what one event costs in ns of processor time. The connections are
 * the same, a hundred of them active, and each event makes the next connection
 * ready.
 */
#define _GNU_SOURCE
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#ifdef LIBEV
#include <ev.h>
#else
#include <uv.h>
#endif

enum { ACTIVE = 100 };

struct conn {
#ifdef LIBEV
    ev_io watcher;
#else
    uv_poll_t watcher;
#endif
    int fd;
};

static struct conn *conns;
static long connections, reads, writes;

static void signal_conn(long index)
{
    uint64_t one = 1;

    index %= connections;
    writes--;
    if (write(conns[index].fd, &one, sizeof(one)) != sizeof(one))
        err(1, "write");
}

/* Returns whether it was the last event. */
static int pass(struct conn *conn)
{
    uint64_t value;

    if (read(conn->fd, &value, sizeof(value)) != sizeof(value))
        err(1, "read");
    if (writes > 0)
        signal_conn(conn - conns + 1);
    return --reads == 0;
}

#ifdef LIBEV
static void io_cb(struct ev_loop *loop, ev_io *watcher, int what)
{
    if (pass((struct conn *)watcher))
        ev_break(loop, EVBREAK_ALL);
}

static void watch(struct conn *conn)
{
    ev_io_init(&conn->watcher, io_cb, conn->fd, EV_READ);
    ev_io_start(EV_DEFAULT, &conn->watcher);
}

static void run(int once)
{
    ev_run(EV_DEFAULT, once ? EVRUN_NOWAIT : 0);
}
#else
static void io_cb(uv_poll_t *watcher, int status, int what)
{
    if (status < 0)
        errx(1, "%s", uv_strerror(status));
    if (pass((struct conn *)watcher))
        uv_stop(uv_default_loop());
}

static void watch(struct conn *conn)
{
    if (uv_poll_init(uv_default_loop(), &conn->watcher, conn->fd) != 0 ||
        uv_poll_start(&conn->watcher, UV_READABLE, io_cb) != 0)
        errx(1, "cannot watch a connection");
}

static void run(int once)
{
    uv_run(uv_default_loop(), once ? UV_RUN_NOWAIT : UV_RUN_DEFAULT);
}
#endif

static double cpu_seconds(void)
{
    struct timespec time;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    struct rlimit limit;

    connections = argc == 3 ? atol(argv[1]) : 0;
    long events = argc == 3 ? atol(argv[2]) : 0;
    if (connections < 1 || events < 1)
        errx(2, "usage: %s CONNECTIONS EVENTS", argv[0]);
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        err(1, "getrlimit");
    limit.rlim_cur = limit.rlim_max;
    conns = calloc((size_t)connections, sizeof(*conns));
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || !conns)
        err(1, "cannot begin");
    for (long i = 0; i < connections; i++) {
        conns[i].fd = eventfd(0, EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC);
        if (conns[i].fd < 0)
            err(1, "eventfd");
        watch(&conns[i]);
    }
    run(1); /* now all is set up */
    reads = writes = events;
    double began = cpu_seconds();
    for (long i = 0; i < ACTIVE && writes > 0; i++)
        signal_conn(i * connections / ACTIVE);
    run(0);
    printf("%.0f\n", (cpu_seconds() - began) * 1e9 / (double)events);
    return 0;
}
