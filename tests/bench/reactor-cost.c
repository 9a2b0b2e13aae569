/* reactor-cost.c -- what an event and a timer cost, in time and in memory:
 * linked with libevent, with chapter 17's reactor, with libev and with libuv.
 *
 * Build: cc -O2 -o cost-libevent reactor-cost.c -levent_core
 *        cc -O2 -o cost-reactor reactor-cost.c libreactor.a
 *        cc -O2 -DLIBEV -o cost-libev reactor-cost.c -lev
 *        cc -O2 -DLIBUV -o cost-libuv reactor-cost.c -luv
 * Run:   ./cost-libevent events 10000    (100 active of 10,000 descriptors)
 *        ./cost-libevent timers 100000   (add, move, cancel, fire)
 *        ./cost-libevent memory 10000    (of an event, of a timer)
 *
 * It prints lines "NAME VALUE": nanoseconds of processor time, which another
 * program on the same core does not lengthen, or bytes.
 */
#define _GNU_SOURCE
#include <err.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#if defined(LIBEV)
#include <ev.h>
#define IO ev_io
#define TIMER ev_timer
#elif defined(LIBUV)
#include <uv.h>
#define IO uv_poll_t
#define TIMER uv_timer_t
#else
#include <event2/event.h>
#include <event2/event_struct.h>
#define IO struct event
#define TIMER struct event
#endif

enum { ACTIVE = 100, ROUNDS = 3000, MILLION = 1000000 };

static int *fds;
static long calls, live; /* live: the bytes of blocks that are not free */

/* --- the library's own memory --- */

static void *count_realloc(void *block, size_t size)
{
    long before = block ? (long)malloc_usable_size(block) : 0;

    block = realloc(block, size);
    if (!block)
        err(1, "realloc");
    live += (long)malloc_usable_size(block) - before;
    return block;
}

static void count_free(void *block)
{
    live -= block ? (long)malloc_usable_size(block) : 0;
    free(block);
}

/* --- one interface to each library --- */

#if defined(LIBEV)

static struct ev_loop *loop;
static struct watcher {
    union {
        ev_io io;
        ev_timer timer;
    } w;
} * watchers;

static void *either(void *block, long size)
{
    if (size)
        return count_realloc(block, (size_t)size);
    count_free(block);
    return NULL;
}

static void open_loop(void)
{
    ev_set_allocator(either);
    loop = ev_loop_new(EVBACKEND_EPOLL);
    if (!loop)
        errx(1, "ev_loop_new");
}

static void io_cb(struct ev_loop *l, ev_io *w, int what)
{
    calls++;
}

static void timer_cb(struct ev_loop *l, ev_timer *w, int what)
{
    calls++;
}

static void make_io(struct watcher *w, int fd)
{
    ev_io_init(&w->w.io, io_cb, fd, EV_READ);
}

static void add_io(struct watcher *w)
{
    ev_io_start(loop, &w->w.io);
}

static void delete_io(struct watcher *w)
{
    ev_io_stop(loop, &w->w.io);
}

static void make_timer(struct watcher *w)
{
    ev_timer_init(&w->w.timer, timer_cb, 0., 0.);
}

static void add_timer(struct watcher *w, long usec)
{
    if (ev_is_active(&w->w.timer))
        ev_timer_stop(loop, &w->w.timer);
    ev_timer_set(&w->w.timer, (double)usec / MILLION, 0.);
    ev_timer_start(loop, &w->w.timer);
}

static void delete_timer(struct watcher *w)
{
    ev_timer_stop(loop, &w->w.timer);
}

static void run(int wait)
{
    ev_run(loop, wait ? 0 : EVRUN_NOWAIT);
}

#elif defined(LIBUV)

static uv_loop_t loop;
static struct watcher {
    union {
        uv_poll_t io;
        uv_timer_t timer;
    } w;
} * watchers;

static void *count_malloc(size_t size)
{
    return count_realloc(NULL, size);
}

static void *count_calloc(size_t count, size_t size)
{
    return memset(count_malloc(count * size), 0, count * size);
}

static void open_loop(void)
{
    if (uv_replace_allocator(
            count_malloc, count_realloc, count_calloc, count_free) ||
        uv_loop_init(&loop))
        errx(1, "uv_loop_init");
}

static void io_cb(uv_poll_t *w, int status, int what)
{
    calls++;
}

static void timer_cb(uv_timer_t *w)
{
    calls++;
}

static void make_io(struct watcher *w, int fd)
{
    if (uv_poll_init(&loop, &w->w.io, fd))
        errx(1, "uv_poll_init");
}

static void add_io(struct watcher *w)
{
    if (uv_poll_start(&w->w.io, UV_READABLE, io_cb))
        errx(1, "uv_poll_start");
}

static void delete_io(struct watcher *w)
{
    uv_poll_stop(&w->w.io);
}

static void make_timer(struct watcher *w)
{
    uv_timer_init(&loop, &w->w.timer);
}

static void add_timer(struct watcher *w, long usec)
{
    uv_timer_start(&w->w.timer, timer_cb, (uint64_t)usec / 1000, 0);
}

static void delete_timer(struct watcher *w)
{
    uv_timer_stop(&w->w.timer);
}

static void run(int wait)
{
    uv_run(&loop, wait ? UV_RUN_DEFAULT : UV_RUN_NOWAIT);
}

#else

static struct event_base *loop;
static struct watcher {
    struct event w;
} * watchers;

static void *count_malloc(size_t size)
{
    return count_realloc(NULL, size);
}

static void open_loop(void)
{
    event_set_mem_functions(count_malloc, count_realloc, count_free);
    loop = event_base_new();
    if (!loop)
        errx(1, "event_base_new");
}

static void count_cb(evutil_socket_t fd, short what, void *arg)
{
    calls++;
}

static void make_io(struct watcher *w, int fd)
{
    event_assign(&w->w, loop, fd, EV_READ | EV_PERSIST, count_cb, NULL);
}

static void add_io(struct watcher *w)
{
    if (event_add(&w->w, NULL) < 0)
        err(1, "event_add");
}

static void delete_io(struct watcher *w)
{
    event_del(&w->w);
}

static void make_timer(struct watcher *w)
{
    event_assign(&w->w, loop, -1, 0, count_cb, NULL);
}

static void add_timer(struct watcher *w, long usec)
{
    struct timeval tv = {usec / MILLION, usec % MILLION};

    if (event_add(&w->w, &tv) < 0)
        err(1, "event_add");
}

static void delete_timer(struct watcher *w)
{
    event_del(&w->w);
}

static void run(int wait)
{
    event_base_loop(loop, wait ? 0 : EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

#endif

/* --- measuring --- */

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void open_descriptors(int count)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        err(1, "getrlimit");
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    for (int i = 0; i < count; i++) {
        fds[i] = eventfd(i % (count / ACTIVE) == 0, EFD_NONBLOCK);
        if (fds[i] < 0)
            err(1, "eventfd");
    }
}

/* The same without a library: how much of it is epoll_wait. */
static void measure_kernel(int count)
{
    struct epoll_event ready[ACTIVE + 1];
    int epoll = epoll_create1(0);
    double began;

    for (int i = 0; i < count; i++) {
        struct epoll_event epev = {.events = EPOLLIN};

        if (epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i], &epev) < 0)
            err(1, "epoll_ctl");
    }
    began = now();
    for (int i = 0; i < ROUNDS; i++)
        if (epoll_wait(epoll, ready, ACTIVE + 1, 0) != ACTIVE)
            err(1, "epoll_wait");
    printf("epoll_wait %.1f\n", (now() - began) / ROUNDS / ACTIVE);
    close(epoll);
}

/* An eventfd that is never read stays ready: nothing but the library and
 * epoll_wait is measured. libev and libuv tell epoll what has changed when the
 * loop runs. */
static void measure_events(int count)
{
    double began;

    open_descriptors(count);
    measure_kernel(count);
    for (int i = 0; i < count; i++) {
        make_io(&watchers[i], fds[i]);
        add_io(&watchers[i]);
    }
    for (int i = 0; i < 100; i++)
        run(0);
    calls = 0;
    began = now();
    for (int i = 0; i < ROUNDS; i++)
        run(0);
    if (calls != (long)ROUNDS * ACTIVE)
        errx(1, "%ld calls for %d events", calls, ROUNDS * ACTIVE);
    printf("call %.1f\n", (now() - began) / (double)calls);
    began = now();
    for (int i = 0; i < count; i++)
        delete_io(&watchers[i]);
    run(0);
    for (int i = 0; i < count; i++)
        add_io(&watchers[i]);
    run(0);
    printf("del+add %.1f\n", (now() - began) / count);
}

static long some_time(long below)
{
    static unsigned long state = 1;

    state = state * 6364136223846793005UL + 1442695040888963407UL;
    return (long)(state >> 33) % below;
}

/* All are due within a short time after the first. */
static double fire_all(int count)
{
    long span = count < 100000 ? 10000 : 100000;
    double began;

    for (int i = 0; i < count; i++)
        add_timer(&watchers[i], some_time(span));
    usleep((useconds_t)span + 20000); /* and a tick of the kernel's clock */
    calls = 0;
    began = now();
    run(1);
    if (calls != count)
        errx(1, "%ld calls for %d timers", calls, count);
    return now() - began;
}

/* A few timers are added many times: the heap grows in the first round. */
static void measure_timers(int count)
{
    int rounds = count >= 100000 ? 1 : 100000 / count, fired = 0;
    double add = 0, move = 0, cancel = 0, fire = 0;

    for (int i = 0; i < count; i++)
        make_timer(&watchers[i]);
    for (int round = 0; round < rounds; round++) {
        double began = now(), added, moved;

        for (int i = 0; i < count; i++)
            add_timer(&watchers[i], 1000L * MILLION + some_time(MILLION));
        added = now();
        for (int i = 0; i < count; i++)
            add_timer(&watchers[i], 2000L * MILLION + some_time(MILLION));
        moved = now();
        for (int i = 0; i < count; i++)
            delete_timer(&watchers[i]);
        cancel += now() - moved;
        move += moved - added;
        add += added - began;
    }
    while (fired == 0 || (fired < 10 * count && fired < 10000)) {
        fire += fire_all(count);
        fired += count;
    }
    count *= rounds;
    printf("add %.1f\nmove %.1f\ncancel %.1f\nfire %.1f\n", add / count,
        move / count, cancel / count, fire / fired);
}

/* With the program's own struct; without what the kernel keeps. A table that
 * doubles is on average a quarter empty. */
static void measure_memory(int count)
{
    long before = live;

    open_descriptors(count);
    for (int i = 0; i < count; i++)
        make_timer(&watchers[i]);
    for (int i = 0; i < count; i++)
        add_timer(&watchers[i], 1000L * MILLION);
    printf("timer %.1f\n",
        (double)(live - before) / count + (double)sizeof(TIMER));
    for (int i = 0; i < count; i++)
        delete_timer(&watchers[i]);
    before = live;
    for (int i = 0; i < count; i++) {
        make_io(&watchers[i], fds[i]);
        add_io(&watchers[i]);
    }
    run(0);
    printf(
        "event %.1f\n", (double)(live - before) / count + (double)sizeof(IO));
}

int main(int argc, char **argv)
{
    int count = argc == 3 ? atoi(argv[2]) : 0;

    if (count < ACTIVE)
        errx(2, "usage: reactor-cost events|timers|memory COUNT");
    open_loop();
    watchers = calloc((size_t)count, sizeof(*watchers));
    fds = calloc((size_t)count, sizeof(*fds));
    if (!watchers || !fds)
        err(1, "calloc");
    if (strcmp(argv[1], "events") == 0)
        measure_events(count);
    else if (strcmp(argv[1], "timers") == 0)
        measure_timers(count);
    else
        measure_memory(count);
    return fflush(stdout) != 0;
}
