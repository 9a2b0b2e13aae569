/* priority-queues.c -- a queue of active events for each priority.
 *
 * Build: cc -o priority-queues priority-queues.c
 * Run:   ./priority-queues
 * Try:   strace -c ./priority-queues
 */
#define _GNU_SOURCE /* pipe2 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <time.h>
#include <unistd.h>

enum { HIGH, MIDDLE, LOW, PRIORITIES };
enum { READY = 64, MAX_FD = (1 << 24) - 1, MILLISECOND = 1000 };

typedef int64_t usec_t; /* microseconds of CLOCK_MONOTONIC, or a difference */

struct event {
    int fd;
    unsigned wants;
    void (*callback)(int fd, unsigned what, void *arg);
    void *arg;
    int priority;
    SLIST_ENTRY(event) next;
    usec_t due;
    uint64_t number;
    int heap_index;
    int is_active;
    unsigned what;
    TAILQ_ENTRY(event) active_next;
};

struct slot {
    SLIST_HEAD(, event) events;
    unsigned wanted;
};

struct heap {
    struct event **timers;
    int count, size;
    uint64_t added;
    int steps;
};

struct base {
    int epoll;
    struct slot *slots;
    int slot_count;
    int told;
    struct heap heap;
    TAILQ_HEAD(, event) queues[PRIORITIES]; /* of active events */
    int running;      /* the priority whose callback runs */
    int is_overtaken; /* by an event that is more urgent */
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

/* Make the table larger. A huge number must not make it huge. */
static int make_room(struct base *base, int fd)
{
    int size = base->slot_count ? base->slot_count : 32;
    struct slot *slots;

    if (fd > MAX_FD) {
        errno = EMFILE;
        return -1;
    }
    while (size <= fd)
        size *= 2;
    slots = realloc(base->slots, (size_t)size * sizeof(*slots));
    if (!slots)
        return -1;
    memset(slots + base->slot_count, 0,
        (size_t)(size - base->slot_count) * sizeof(*slots));
    base->slots = slots;
    base->slot_count = size;
    return 0;
}

/* Tell epoll what a descriptor is wanted for now. It may have been closed, and
 * its number given to another: then the other operation is right, and what is
 * gone needs no deletion. */
static int tell_epoll(struct base *base, int fd, unsigned wanted)
{
    unsigned before = base->slots[fd].wanted;
    int op = !before ? EPOLL_CTL_ADD : wanted ? EPOLL_CTL_MOD : EPOLL_CTL_DEL;
    int other = op == EPOLL_CTL_ADD ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    struct epoll_event epev = {.events = wanted, .data.fd = fd};

    if (wanted == before)
        return 0;
    base->told++;
    if (epoll_ctl(base->epoll, op, fd, &epev) < 0 &&
        !(op == EPOLL_CTL_DEL && (errno == ENOENT || errno == EBADF)) &&
        !(errno == (op == EPOLL_CTL_ADD ? EEXIST : ENOENT) &&
            epoll_ctl(base->epoll, other, fd, &epev) == 0))
        return -1;
    base->slots[fd].wanted = wanted;
    return 0;
}

/* What is wanted by all events of a descriptor. */
static unsigned union_of(const struct slot *slot)
{
    const struct event *ev;
    unsigned wanted = 0;

    SLIST_FOREACH (ev, &slot->events, next)
        wanted |= ev->wants;
    return wanted;
}

static int watch_fd(struct base *base, struct event *ev)
{
    struct slot *slot;

    if (ev->fd >= base->slot_count && make_room(base, ev->fd) < 0)
        return -1;
    slot = &base->slots[ev->fd];
    if (tell_epoll(base, ev->fd, slot->wanted | ev->wants) < 0)
        return -1;
    SLIST_INSERT_HEAD(&slot->events, ev, next);
    return 0;
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
    TAILQ_REMOVE(&base->queues[ev->priority], ev, active_next);
}

/* An event that is more urgent than the one that runs goes before what is left
 * of the queue. */
static void activate_event(struct base *base, struct event *ev, unsigned what)
{
    if (ev->is_active) {
        ev->what |= what;
        return;
    }
    ev->is_active = 1;
    ev->what = what;
    base->is_overtaken |= ev->priority < base->running;
    TAILQ_INSERT_TAIL(&base->queues[ev->priority], ev, active_next);
}

/* An event that is deleted does not run any more, even if it is active. */
static int unwatch_fd(struct base *base, struct event *ev)
{
    struct slot *slot = &base->slots[ev->fd];

    if (ev->is_active)
        deactivate_event(base, ev);
    SLIST_REMOVE(&slot->events, ev, event, next);
    return tell_epoll(base, ev->fd, union_of(slot));
}

/* An error or a hang-up concerns all events of the descriptor, and none has
 * asked for it: the call that follows gives the reason. */
static void activate_slot(struct base *base, int fd, unsigned events)
{
    unsigned what =
        events & (EPOLLERR | EPOLLHUP) ? EPOLLIN | EPOLLOUT : events;
    struct event *ev;

    SLIST_FOREACH (ev, &base->slots[fd].events, next)
        if (ev->wants & what)
            activate_event(base, ev, ev->wants & what);
}

/* Collect what is ready. No callback runs yet, so nothing is deleted meanwhile.
 */
static int wait_for_events(struct base *base, int milliseconds)
{
    struct epoll_event ready[READY];
    int count = epoll_wait(base->epoll, ready, READY, milliseconds);

    if (count < 0)
        return errno == EINTR ? 0 : -1;
    for (int i = 0; i < count; i++)
        activate_slot(base, ready[i].data.fd, ready[i].events);
    return 0;
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

/* The most urgent priority that has an active event, or PRIORITIES. */
static int first_active(const struct base *base)
{
    int first = 0;

    while (first < PRIORITIES && TAILQ_EMPTY(&base->queues[first]))
        first++;
    return first;
}

/* Run one queue, the first that is not empty, and only until an event comes
 * that is more urgent. Then epoll is asked again: perhaps there is one more. */
static void run_active(struct base *base)
{
    struct event *ev;
    int first = first_active(base);

    base->running = first;
    base->is_overtaken = 0;
    while (first < PRIORITIES && !base->is_overtaken &&
           (ev = TAILQ_FIRST(&base->queues[first]))) {
        deactivate_event(base, ev);
        ev->callback(ev->fd, ev->what, ev->arg);
    }
    base->running = -1;
}

/* While events are active, epoll_wait only looks. */
static void run_urgent(struct base *base)
{
    if (wait_for_events(
            base, first_active(base) < PRIORITIES ? 0 : wait_of(base)) < 0)
        err(1, "epoll_wait");
    expire_timers(base);
    run_active(base);
}

static void close_base(struct base *base)
{
    close(base->epoll);
    free(base->slots);
}

/* The program ends if a call that has to succeed fails. */
static void must(int result)
{
    if (result < 0)
        errx(1, "a call failed");
}

static struct base base;
static int pipe_ends[2];

static void say_cb(int fd, unsigned what, void *name)
{
    printf("  %s\n", (char *)name);
}

static void waking_cb(int fd, unsigned what, void *high)
{
    printf("  middle, makes high active\n");
    activate_event(&base, high, 0);
}

static struct event with_priority(int priority, int fd,
    void (*callback)(int fd, unsigned what, void *arg), void *arg)
{
    return (struct event){
        fd, fd < 0 ? 0 : EPOLLIN, callback, arg, priority, .heap_index = -1};
}

static void show_queues(void)
{
    struct event high = with_priority(HIGH, -1, say_cb, "high");
    struct event second = with_priority(MIDDLE, -1, say_cb, "second middle");
    struct event low = with_priority(LOW, -1, say_cb, "low");
    struct event waking = with_priority(MIDDLE, -1, waking_cb, &high);

    printf("active in this order: low, middle, second middle\n");
    activate_event(&base, &low, 0);
    activate_event(&base, &waking, 0);
    activate_event(&base, &second, 0);
    while (first_active(&base) < PRIORITIES)
        run_urgent(&base);
}

static void count_call_cb(int fd, unsigned what, void *count)
{
    ++*(int *)count;
}

/* The pipe is always ready, as no callback reads it; the timer is due. */
static void show_starved_timer(int priority, const char *name)
{
    int high_calls = 0, timer_calls = 0;
    struct event always =
        with_priority(HIGH, pipe_ends[0], count_call_cb, &high_calls);
    struct event timer =
        with_priority(priority, -1, count_call_cb, &timer_calls);

    must(watch_fd(&base, &always));
    must(start_timer(&base, &timer, time_now()));
    for (int i = 0; i < 1000; i++)
        run_urgent(&base);
    printf("  a high descriptor ran %d times, a %s timer %d times\n",
        high_calls, name, timer_calls);
    stop_timer(&base, &timer);
    must(unwatch_fd(&base, &always));
}

int main(int argc, char **argv)
{
    begin(argc, argv);
    must(base.epoll = epoll_create1(EPOLL_CLOEXEC));
    must(pipe2(pipe_ends, O_NONBLOCK | O_CLOEXEC));
    for (int i = 0; i < PRIORITIES; i++)
        TAILQ_INIT(&base.queues[i]);
    base.running = -1;
    show_queues();
    printf("what it cannot do: serve a low event while a high one is always "
           "ready\n");
    must(write(pipe_ends[1], "x", 1) == 1 ? 0 : -1);
    show_starved_timer(HIGH, "high");
    show_starved_timer(LOW, "low");
    close_base(&base);
    free(base.heap.timers);
    check_output();
    return 0;
}
