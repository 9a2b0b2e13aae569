/* timer-heap.c -- timers in a heap, whose top says how long to wait.
 *
 * Build: cc -o timer-heap timer-heap.c
 * Run:   ./timer-heap
 * Try:   strace -e trace=epoll_wait ./timer-heap
 */
#define _GNU_SOURCE /* program_invocation_short_name */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <time.h>
#include <unistd.h>

enum { MANY = 100000, MILLISECOND = 1000 };
typedef int64_t usec_t; /* microseconds of CLOCK_MONOTONIC, or a difference */

struct event {
    int fd; /* none: -1 */
    void (*callback)(int fd, unsigned what, void *arg);
    void *arg;
    usec_t due;
    uint64_t number; /* equal times: in the order of being added */
    int heap_index;  /* where it is in the heap, or -1 */
    int is_active;
    unsigned what;
    TAILQ_ENTRY(event) active_next;
};

struct heap {
    struct event **timers; /* the first is due first */
    int count, size;
    uint64_t added; /* the number of the next timer */
    int steps;      /* of the longest way that a timer has moved */
};

struct base {
    int epoll;
    struct heap heap;
    TAILQ_HEAD(, event) active;
    int useless; /* calls of epoll_wait after which nothing was due */
};

/* Open what is missing of standard input, output and error: the numbers would
 * otherwise go to libevent's own descriptors, and what we print with them.
 * Opened for reading alone, so that printing fails as it did. */
static void open_standard_fds(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            open("/dev/null", O_RDONLY); /* gets the lowest number, FD */
}

/* None of the stages that print takes an argument. */
static void begin(int argc, char **argv)
{
    int is_help = argc == 2 && strcmp(argv[1], "--help") == 0;

    open_standard_fds();
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc != 1) {
        fprintf(is_help ? stdout : stderr, "usage: %s\n",
            program_invocation_short_name);
        exit(is_help ? 0 : 2);
    }
}

/* Output that could not be written, because the disk is full or standard output
 * is closed, is a failure of a program whose output is its result. */
static void check_output(void)
{
    if (fflush(stdout) != 0 || ferror(stdout))
        err(1, "cannot write to standard output");
}

static usec_t time_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (usec_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int is_before(const struct event *a, const struct event *b)
{
    return a->due < b->due || (a->due == b->due && a->number < b->number);
}

static void place(struct heap *heap, int index, struct event *ev)
{
    heap->timers[index] = ev;
    ev->heap_index = index;
}

static int least_child(const struct heap *heap, int parent)
{
    int child = parent * 2 + 1;

    if (child + 1 < heap->count &&
        is_before(heap->timers[child + 1], heap->timers[child]))
        child++;
    return child;
}

/* Walk with a hole to where the timer belongs: up, or else down. */
static void sift(struct heap *heap, int hole, struct event *ev)
{
    int next, steps = 0;

    while (hole > 0 && is_before(ev, heap->timers[(hole - 1) / 2])) {
        place(heap, hole, heap->timers[(hole - 1) / 2]);
        hole = (hole - 1) / 2;
        steps++;
    }
    while ((next = least_child(heap, hole)) < heap->count &&
           is_before(heap->timers[next], ev)) {
        place(heap, hole, heap->timers[next]);
        hole = next;
        steps++;
    }
    place(heap, hole, ev);
    if (steps > heap->steps)
        heap->steps = steps;
}

static int reserve_timer(struct heap *heap)
{
    int size = heap->size ? heap->size * 2 : 16;
    struct event **timers;

    if (heap->count < heap->size)
        return 0;
    if (heap->size > INT_MAX / 4) {
        errno = ENOMEM;
        return -1;
    }
    timers = realloc(heap->timers, (size_t)size * sizeof(*timers));
    if (!timers)
        return -1;
    heap->timers = timers;
    heap->size = size;
    return 0;
}

/* Start a timer, or move it. Either way it is behind those of the same time. */
static int start_timer(struct base *base, struct event *ev, usec_t due)
{
    struct heap *heap = &base->heap;

    if (ev->heap_index < 0 && reserve_timer(heap) < 0)
        return -1;
    ev->due = due;
    ev->number = heap->added++;
    sift(heap, ev->heap_index < 0 ? heap->count++ : ev->heap_index, ev);
    return 0;
}

/* The last timer takes the place, and moves up or down from there. */
static void clear_timer(struct heap *heap, struct event *ev)
{
    struct event *last = heap->timers[--heap->count];
    int hole = ev->heap_index;

    ev->heap_index = -1;
    if (last != ev)
        sift(heap, hole, last);
}

static void deactivate_event(struct base *base, struct event *ev)
{
    ev->is_active = 0;
    TAILQ_REMOVE(&base->active, ev, active_next);
}

/* An event that is active already keeps its place. */
static void activate_event(struct base *base, struct event *ev, unsigned what)
{
    if (ev->is_active) {
        ev->what |= what;
        return;
    }
    ev->is_active = 1;
    ev->what = what;
    TAILQ_INSERT_TAIL(&base->active, ev, active_next);
}

/* Also a timer that is due, but whose callback has not run yet. */
static void stop_timer(struct base *base, struct event *ev)
{
    if (ev->is_active)
        deactivate_event(base, ev);
    if (ev->heap_index >= 0)
        clear_timer(&base->heap, ev);
}

/* What epoll_wait takes: rounded up, or it would return too early, again and
 * again, in the last part of a millisecond. */
static int wait_of(const struct base *base)
{
    usec_t left;

    if (base->heap.count == 0)
        return -1;
    left = base->heap.timers[0]->due - time_now();
    if (left <= 0)
        return 0;
    left = (left + MILLISECOND - 1) / MILLISECOND;
    return left < INT_MAX ? (int)left : INT_MAX;
}

/* First all that is due leaves the heap, then callbacks run. A callback may add
 * its timer again, due at once: it runs in the next round. */
static void expire_timers(struct base *base)
{
    usec_t now = time_now();

    while (base->heap.count && base->heap.timers[0]->due <= now) {
        struct event *ev = base->heap.timers[0];

        clear_timer(&base->heap, ev);
        activate_event(base, ev, 0);
    }
}

/* The callback may delete any event, also this one and those behind it. */
static void run_active(struct base *base)
{
    struct event *ev;

    while ((ev = TAILQ_FIRST(&base->active))) {
        deactivate_event(base, ev);
        ev->callback(ev->fd, ev->what, ev->arg);
    }
}

/* No descriptor is watched here: epoll_wait only sleeps. */
static void run_timers(struct base *base)
{
    struct epoll_event ready;

    while (base->heap.count) {
        if (epoll_wait(base->epoll, &ready, 1, wait_of(base)) < 0 &&
            errno != EINTR)
            err(1, "epoll_wait");
        expire_timers(base);
        base->useless += TAILQ_EMPTY(&base->active);
        run_active(base);
    }
}

static void open_base(struct base *base)
{
    base->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (base->epoll < 0)
        err(1, "cannot open epoll");
    TAILQ_INIT(&base->active);
}

/* The program ends if a call that has to succeed fails. */
static void must(int result)
{
    if (result < 0)
        errx(1, "a call failed");
}

static struct base base;

struct tick {
    const char *name; /* to be printed, or NULL */
    struct event event;
    int again;            /* how often the callback adds it again */
    struct event *victim; /* stopped by the callback, or NULL */
};

static int fired, disorder;
static struct event last; /* as it was when it fired */

static void fire_cb(int fd, unsigned what, void *arg)
{
    struct tick *tick = arg;

    fired++;
    disorder += is_before(&tick->event, &last);
    last = tick->event;
    if (tick->name)
        printf("  %s\n", tick->name);
    if (tick->victim)
        stop_timer(&base, tick->victim);
    if (tick->again-- > 0)
        must(start_timer(&base, &tick->event, tick->event.due + MILLISECOND));
}

static void start_tick(struct tick *tick, const char *name, usec_t due)
{
    *tick = (struct tick){name, {-1, fire_cb, tick, .heap_index = -1}, 0, NULL};
    must(start_timer(&base, &tick->event, due));
}

/* Make five timers, the first of them due now, and each STEP later. */
static void start_five(struct tick *ticks, usec_t step)
{
    const char *names[] = {"first", "second", "third", "fourth", "fifth"};
    usec_t now = time_now();

    for (int i = 0; i < 5; i++)
        start_tick(&ticks[i], names[i], now + i * step);
}

static void show_timers(void)
{
    struct tick t[5];

    printf("due at the same time, in the order of being added:\n");
    start_five(t, 0);
    run_timers(&base);
    printf("the second is deleted:\n");
    start_five(t, MILLISECOND);
    stop_timer(&base, &t[1].event);
    run_timers(&base);
    printf("the first is added again, due with the third:\n");
    start_five(t, MILLISECOND);
    must(start_timer(&base, &t[0].event, t[2].event.due));
    run_timers(&base);
    printf(
        "the callback of the first adds it twice, and deletes the second:\n");
    start_five(t, 0);
    t[0].victim = &t[1].event;
    t[0].again = 2;
    run_timers(&base);
}

/* Timers of 0.9 ms, one after another: epoll_wait knows whole milliseconds. */
static void show_waits(void)
{
    struct tick tick;

    base.useless = 0;
    for (int i = 0; i < 20; i++) {
        start_tick(&tick, NULL, time_now() + 900);
        run_timers(&base);
    }
    printf(
        "20 timers of 0.9 ms: %d useless calls of epoll_wait\n", base.useless);
}

/* All are due, and half of them are deleted, from anywhere. */
static void show_many(void)
{
    struct tick *ticks = calloc(MANY, sizeof(*ticks));
    uint32_t random = 1;

    if (!ticks)
        err(1, "cannot make timers");
    fired = disorder = base.heap.steps = 0;
    last.due = 0;
    for (int i = 0; i < MANY; i++) {
        random = random * 1664525 + 1013904223;
        start_tick(&ticks[i], NULL, random >> 12);
    }
    for (int i = 0; i < MANY; i += 2)
        stop_timer(&base, &ticks[i].event);
    run_timers(&base);
    printf("%d of %d timers fired, %d out of order, at most %d steps each\n",
        fired, MANY, disorder, base.heap.steps);
    free(ticks);
}

static volatile sig_atomic_t is_asked;
static void flag_handler(int number)
{
    is_asked = 1;
}

/* A loop may look at a flag after epoll_wait. But the signal comes just before.
 */
static void show_flag(void)
{
    struct tick tick;

    printf("what it cannot do: wake up for a signal\n");
    signal(SIGUSR1, flag_handler);
    start_tick(&tick, "the next timer", time_now() + 30 * MILLISECOND);
    raise(SIGUSR1);
    run_timers(&base);
    printf("  a flag that was set before the wait: %d\n", is_asked);
}

int main(int argc, char **argv)
{
    begin(argc, argv);
    open_base(&base);
    show_timers();
    show_waits();
    show_many();
    show_flag();
    close(base.epoll);
    free(base.heap.timers);
    check_output();
    return 0;
}
