/* base.c -- a base: make, loop, stop, free, and after a fork
 *
 * A round of the loop is the whole reactor: how long may we wait, wait, what is
 * due, run the callbacks. All else is behind these four.
 */
#include <limits.h>
#include <stdlib.h>

#include "reactor.h"

struct event_base *event_base_new(void)
{
    return event_base_new_with_config(NULL);
}

struct event_base *event_base_new_with_config(const struct event_config *config)
{
    static const struct event_config usual = {0, 0, 0, {-1, INT_MAX, 1}};
    struct event_base *base;

    config = config ? config : &usual;
    base = is_possible_(config) ? alloc_(sizeof(*base)) : NULL;
    if (!base)
        return NULL;
    base->flags = config->flags;
    base->features = features_of_(config);
    if (!(base->flags & EVENT_BASE_FLAG_IGNORE_ENV) &&
        secure_getenv("EVENT_PRECISE_TIMER"))
        base->flags |= EVENT_BASE_FLAG_PRECISE_TIMER;
    base->clock = base->flags & EVENT_BASE_FLAG_PRECISE_TIMER
                      ? CLOCK_MONOTONIC
                      : CLOCK_MONOTONIC_COARSE;
    base->limits = config->limits;
    base->running_priority = -1;
    base->epoll = base->timerfd = base->signals.pipe[0] = -1;
    base->signals.pipe[1] = -1;
    if (open_epoll_(base) < 0 || open_signals_(base) < 0 ||
        make_queues_(base, 1) < 0) {
        event_base_free(base);
        return NULL;
    }
    now_(base); /* so that the time of day is known */
    return base;
}

static void delete_in(struct slot *slots, int count)
{
    for (int i = 0; i < count; i++)
        while (!LIST_EMPTY(&slots[i].events))
            event_del(LIST_FIRST(&slots[i].events));
}

static void delete_events(struct event_base *base)
{
    delete_in(base->signals.slots, NSIG);
    delete_in(base->slots, base->slot_count);
    while (base->heap.count)
        event_del(base->heap.timers[0].ev);
    for (int i = 0; i < base->queue_count; i++)
        while (!TAILQ_EMPTY(&base->queues[i]))
            event_del((void *)TAILQ_FIRST(&base->queues[i]));
}

/* The events stay the program's; they are only taken out of the base. */
void event_base_free(struct event_base *base)
{
    if (!base)
        base = current_base_;
    if (!base) {
        warn_(0, "event_base_free: there is no base");
        return;
    }
    delete_events(base);
    close_signals_(base);
    free_once_(base);
    close_epoll_(base);
    free_(base->heap.timers);
    free_(base->slots);
    free_(base->queues);
    free_(base->common);
    free_(base->ready);
    if (base == current_base_)
        current_base_ = NULL;
    free_(base);
}

/* Wait once and run what is active. 0: go on; 1: done; -1: failed. */
static int run_round(struct event_base *base, int flags)
{
    usec_t most = 0;

    base->cached = 0;
    if (!base->active && !(flags & EVLOOP_NONBLOCK))
        most = time_left_(base);
    if (wait_for_events_(base, most) < 0)
        return -1;
    cache_time_(base);
    expire_timers_(base);
    if (!base->active)
        return (flags & EVLOOP_NONBLOCK) != 0;
    return run_active_(base) != 0 && flags & EVLOOP_ONCE && !base->active;
}

int event_base_loop(struct event_base *base, int flags)
{
    int status = 0, is_empty = 0;

    if (base->running) {
        warn_(0, "event_base_loop: this base runs already");
        return -1;
    }
    base->running = 1;
    base->got_exit = base->got_break = 0;
    take_signals_(base);
    while (status == 0 && !base->got_exit && !base->got_break) {
        base->got_continue = 0;
        is_empty = !base->added && !(flags & EVLOOP_NO_EXIT_ON_EMPTY);
        status = is_empty ? 1 : run_round(base, flags);
    }
    base->cached = 0;
    base->running = 0;
    return status < 0 ? -1 : is_empty;
}

int event_base_dispatch(struct event_base *base)
{
    return event_base_loop(base, 0);
}

static void exit_cb(evutil_socket_t fd, short what, void *arg)
{
    ((struct event_base *)arg)->got_exit = 1;
}

/* An event like another: the others that are active run before the loop ends,
 * and it is not lost if the loop has not begun. */
int event_base_loopexit(struct event_base *base, const struct timeval *timeout)
{
    return event_base_once(base, -1, EV_TIMEOUT, exit_cb, base, timeout);
}

int event_base_loopbreak(struct event_base *base)
{
    if (!base)
        return -1;
    base->got_break = 1;
    return 0;
}
