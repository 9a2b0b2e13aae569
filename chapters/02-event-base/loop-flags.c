/* loop-flags.c -- shows, flag by flag, when the event loop returns.
 *
 * Build: cc -o loop-flags loop-flags.c -levent -levent_pthreads
 * Run:   ./loop-flags
 * Try:   EVENT_NOEPOLL=1 ./loop-flags
 */
#include <err.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/thread.h>

static const struct timeval SOON = {0, 100000}; /* 0.1 s */
static const struct timeval LATER = {0, 300000};

static int calls; /* callbacks that ran since the last loop began */

static void usage(int status)
{
    fprintf(status ? stderr : stdout, "usage: loop-flags\n");
    exit(status);
}

/* Run the loop once with FLAGS and print what came of it. */
static void run(struct event_base *base, int flags, const char *what)
{
    struct timespec start, end;

    calls = 0;
    clock_gettime(CLOCK_MONOTONIC, &start);
    int result = event_base_loop(base, flags);
    clock_gettime(CLOCK_MONOTONIC, &end);
    double seconds = (double)(end.tv_sec - start.tv_sec) +
                     (double)(end.tv_nsec - start.tv_nsec) / 1e9;
    printf("%-44s returned %2d after %.1f s, callbacks: %d\n", what, result,
        seconds, calls);
}

static void count_cb(evutil_socket_t fd, short what, void *arg)
{
    calls++;
}

/* The byte that made the pipe readable is left in it until the fifth call. */
static void stay_ready_cb(evutil_socket_t fd, short what, void *arg)
{
    char byte;

    if (++calls == 5 && read(fd, &byte, 1) != 1)
        err(1, "read");
}

static void reenter_cb(evutil_socket_t fd, short what, void *arg)
{
    struct event_base *base = arg;

    calls++;
    printf("  a loop inside a callback of the same base returned %d\n",
        event_base_loop(base, EVLOOP_NONBLOCK));
}

/* Give BASE a timer that runs CB once after DELAY. */
static void once(
    struct event_base *base, event_callback_fn cb, const struct timeval *delay)
{
    if (event_base_once(base, -1, EV_TIMEOUT, cb, base, delay) < 0)
        errx(1, "cannot add a timer");
}

/* Loops that end by themselves. */
static void show_ends(struct event_base *base)
{
    run(base, 0, "dispatch, nothing pending");

    once(base, count_cb, &SOON);
    once(base, count_cb, &LATER);
    run(base, 0, "dispatch, timers at 0.1 s and 0.3 s");

    once(base, count_cb, &SOON);
    event_base_loopexit(base, &LATER);
    run(base, 0, "dispatch, timer at 0.1 s, loopexit at 0.3 s");
}

/* EVLOOP_ONCE waits once, then runs all that has become active. */
static void show_once(struct event_base *base)
{
    once(base, count_cb, &SOON);
    once(base, count_cb, &LATER);
    run(base, EVLOOP_ONCE, "ONCE, timers at 0.1 s and 0.3 s");
    run(base, EVLOOP_ONCE, "ONCE again");

    once(base, count_cb, NULL);
    once(base, count_cb, NULL);
    run(base, EVLOOP_ONCE, "ONCE, two events active together");
}

/* EVLOOP_NONBLOCK never waits; it returns when a look finds nothing active. */
static void show_nonblock(struct event_base *base)
{
    int ends[2];

    once(base, count_cb, &SOON);
    run(base, EVLOOP_NONBLOCK, "NONBLOCK, timer at 0.1 s");
    run(base, 0, "dispatch, to let that timer run");

    if (pipe(ends) != 0 || write(ends[1], "x", 1) != 1)
        err(1, "pipe");
    struct event *ready =
        event_new(base, ends[0], EV_READ | EV_PERSIST, stay_ready_cb, NULL);
    if (!ready || event_add(ready, NULL) < 0)
        errx(1, "cannot watch the pipe");
    run(base, EVLOOP_ONCE | EVLOOP_NONBLOCK,
        "ONCE | NONBLOCK, an event that stays");
    run(base, EVLOOP_NONBLOCK, "NONBLOCK, ready until its fifth callback");
    event_free(ready);
    close(ends[0]);
    close(ends[1]);
}

static void *exit_later(void *base)
{
    nanosleep(&(struct timespec){0, 100000000}, NULL);
    event_base_loopexit(base, NULL);
    return NULL;
}

/* EVLOOP_NO_EXIT_ON_EMPTY is for a base that another thread will give work. */
static void show_no_exit(struct event_base *base)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, exit_later, base) != 0)
        errx(1, "cannot start a thread");
    run(base, EVLOOP_NO_EXIT_ON_EMPTY, "NO_EXIT_ON_EMPTY, a thread's loopexit");
    pthread_join(thread, NULL);
}

static void show_error(struct event_base *base)
{
    once(base, reenter_cb, NULL);
    run(base, 0, "dispatch, one callback that loops itself");
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        usage(0);
    if (argc != 1)
        usage(2);

    //> base
    if (evthread_use_pthreads() < 0)
        errx(1, "cannot use threads");
    struct event_base *base = event_base_new();
    if (!base)
        errx(1, "cannot make an event base");

    show_ends(base);
    show_once(base);
    show_nonblock(base);
    show_no_exit(base);
    show_error(base);

    event_base_free(base);
    libevent_global_shutdown();
    return 0;
}
