/* loop-flags.c -- shows, flag by flag, when the event loop returns.
 *
 * Build: cc -o loop-flags loop-flags.c -levent_core -levent_pthreads
 * Run:   ./loop-flags
 * Try:   EVENT_NOEPOLL=1 ./loop-flags
 */
#include <err.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/thread.h>
#include <event2/util.h>

static const struct timeval SOON = {0, 100000}; /* 0.1 s */
static const struct timeval LATER = {0, 300000};

static int calls; /* callbacks that ran since the last loop began */

static void usage(int status)
{
    fprintf(status ? stderr : stdout, "usage: loop-flags\n");
    exit(status);
}

/* Open what is missing of standard input, output and error: the numbers would
 * otherwise go to libevent's own descriptors, and what we print with them.
 * Opened for reading alone, so that printing fails as it did. */
static void open_standard_fds(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            open("/dev/null", O_RDONLY); /* gets the lowest number, FD */
}

/* Output that could not be written, because the disk is full or standard output
 * is closed, is a failure of a program whose output is its result. */
static void check_output(void)
{
    if (fflush(stdout) != 0 || ferror(stdout))
        err(1, "cannot write to standard output");
}

/* Run the loop once with FLAGS, and print its result and its time. */
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
    if (event_base_loopexit(base, &LATER) < 0)
        errx(1, "cannot set the end of the loop");
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

/* EVLOOP_NONBLOCK never waits; it returns once nothing is active. */
static void show_nonblock(struct event_base *base)
{
    int ends[2];

    once(base, count_cb, &SOON);
    run(base, EVLOOP_NONBLOCK, "NONBLOCK, timer at 0.1 s");
    run(base, 0, "dispatch, to let that timer run");

    if (pipe(ends) != 0 || evutil_make_socket_nonblocking(ends[0]) < 0 ||
        write(ends[1], "x", 1) != 1)
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
    if (event_base_loopexit(base, NULL) < 0)
        event_base_loopbreak(base);
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
    open_standard_fds();
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
    check_output();
    return 0;
}
