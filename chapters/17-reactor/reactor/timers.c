/* timers.c -- the clock of a base, and a heap of timers
 *
 * The clock is monotonic: no step of the time of day moves it. It is read once
 * a round, and the callbacks of the round all see that time. As libevent, a
 * base reads CLOCK_MONOTONIC_COARSE, the time of the kernel's last tick, which
 * costs a third of an exact time. A timer may be early by a tick then (1 to 10
 * ms); EVENT_BASE_FLAG_PRECISE_TIMER asks for CLOCK_MONOTONIC.
 *
 * A node of the heap has four children: the heap is half as deep as a binary
 * one, and four children lie side by side in memory. A node holds the time
 * itself, so that sifting does not touch the events that it compares.
 * libevent's heap is binary and holds pointers, and events that are due at the
 * same time leave it in any order; here the number of a timer keeps them in the
 * order of being added.
 */
#include <errno.h>
#include <limits.h>
#include <time.h>

#include "reactor.h"

enum {
    MILLION = 1000000,
    CHILDREN = 4,
    FIRST_SIZE = 16,
    OFFSET_AGE = 5 * MILLION, /* then the time of day is read again */
};

static const int64_t MAX_SECONDS = INT64_MAX / MILLION / 4;

/* A time that does not fit becomes the greatest one: 73,000 years. */
usec_t usec_of_(const struct timeval *tv)
{
    int64_t seconds = tv->tv_sec;

    if (seconds > MAX_SECONDS || seconds < -MAX_SECONDS)
        seconds = seconds > 0 ? MAX_SECONDS : -MAX_SECONDS;
    return seconds * MILLION + tv->tv_usec;
}

struct timeval timeval_of_(usec_t time)
{
    return (struct timeval){time / MILLION, time % MILLION};
}

static usec_t read_clock(clockid_t clock)
{
    struct timespec time;

    clock_gettime(clock, &time); /* cannot fail: the clock exists */
    return (usec_t)time.tv_sec * MILLION + time.tv_nsec / 1000;
}

usec_t now_(struct event_base *base)
{
    usec_t now = base->cached ? base->cached : read_clock(base->clock);

    if (!base->offset_read || now - base->offset_read > OFFSET_AGE) {
        base->wall_offset = read_clock(CLOCK_REALTIME) - now;
        base->offset_read = now;
    }
    return now;
}

void cache_time_(struct event_base *base)
{
    base->cached = 0;
    if (!(base->flags & EVENT_BASE_FLAG_NO_CACHE_TIME))
        base->cached = now_(base);
}

int event_base_gettimeofday_cached(struct event_base *base, struct timeval *tv)
{
    base = base ? base : current_base_;
    *tv = timeval_of_(base && base->cached ? base->cached + base->wall_offset
                                           : read_clock(CLOCK_REALTIME));
    return 0;
}

/* The interval that a program passes to event_add: a common time-out has its
 * index in bits of tv_usec that others leave free, see more/common.c. */
usec_t interval_of_(const struct event_base *base, const struct timeval *tv)
{
    struct timeval plain = *tv;

    if ((plain.tv_usec & 0xf0000000) == 0x50000000 &&
        (plain.tv_usec >> 20 & 0xff) < base->common_count)
        plain.tv_usec &= 0xfffff;
    return usec_of_(&plain);
}

static int is_before(const struct timer *a, const struct timer *b)
{
    return a->due < b->due || (a->due == b->due && a->number < b->number);
}

static void place(struct heap *heap, size_t index, struct timer timer)
{
    heap->timers[index] = timer;
    timer.ev->ev_heap_index = (int)index;
}

static size_t least_child(const struct heap *heap, size_t parent)
{
    size_t child = parent * CHILDREN + 1, least = child;
    size_t end = child + CHILDREN;

    end = end < heap->count ? end : heap->count;
    while (++child < end)
        if (is_before(&heap->timers[child], &heap->timers[least]))
            least = child;
    return least;
}

/* Walk with a hole to where the timer belongs, up or down. */
static void sift(struct heap *heap, size_t hole, struct timer timer)
{
    size_t next;

    while (hole > 0) {
        next = (hole - 1) / CHILDREN;
        if (!is_before(&timer, &heap->timers[next]))
            break;
        place(heap, hole, heap->timers[next]);
        hole = next;
    }
    while ((next = least_child(heap, hole)) < heap->count) {
        if (is_before(&timer, &heap->timers[next]))
            break;
        place(heap, hole, heap->timers[next]);
        hole = next;
    }
    place(heap, hole, timer);
}

int reserve_timer_(struct heap *heap)
{
    size_t size = heap->size ? heap->size * 2 : FIRST_SIZE;
    struct timer *timers;

    if (heap->count < heap->size)
        return 0;
    if (size > INT_MAX) { /* an event has its index as an int */
        errno = ENOMEM;
        return -1;
    }
    timers = resize_(heap->timers, size * sizeof(*timers));
    if (!timers)
        return -1;
    heap->timers = timers;
    heap->size = size;
    return 0;
}

/* Start the timer of an event, or move it. There has to be room in the heap. */
void set_timer_(struct event *ev, usec_t due)
{
    struct heap *heap = &ev->ev_base->heap;
    struct timer timer = {due, heap->added++, ev};

    ev->ev_timeout = timeval_of_(due);
    if (!(ev->ev_flags & EVLIST_TIMEOUT)) {
        mark_(ev, EVLIST_TIMEOUT);
        ev->ev_heap_index = (int)heap->count++;
    }
    sift(heap, (size_t)ev->ev_heap_index, timer);
}

void clear_timer_(struct event *ev)
{
    struct heap *heap = &ev->ev_base->heap;
    struct timer last = heap->timers[--heap->count];

    unmark_(ev, EVLIST_TIMEOUT);
    if (last.ev != ev)
        sift(heap, (size_t)ev->ev_heap_index, last);
}

usec_t time_left_(struct event_base *base)
{
    usec_t left = base->heap.count ? base->heap.timers[0].due - now_(base) : -1;

    return base->heap.count && left < 0 ? 0 : left;
}

/* An event whose time-out is over is no longer pending: neither for the time
 * nor for its descriptor. A persistent one is added again when its callback
 * runs. */
void expire_timers_(struct event_base *base)
{
    usec_t now = base->heap.count ? now_(base) : 0;

    while (base->heap.count && base->heap.timers[0].due <= now) {
        struct event *ev = base->heap.timers[0].ev;

        event_del(ev);
        activate_(ev, EV_TIMEOUT, 1);
    }
}
