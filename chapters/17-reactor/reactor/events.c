/* events.c -- an event: assign, add, delete, activate
 *
 * An event is in up to three places at once, and has a flag for each: with its
 * descriptor or signal (EVLIST_INSERTED), in the heap (EVLIST_TIMEOUT), in a
 * queue (EVLIST_ACTIVE). "Pending" is the first two.
 */
#include <string.h>

#include "reactor.h"

struct once {
    LIST_ENTRY(once) next;
    struct event ev;
    event_callback_fn callback;
    void *arg;
};

/* Its address stands for the event itself, which has none before it is made. */
static char self;

void *event_self_cbarg(void)
{
    return &self;
}

int event_assign(struct event *ev, struct event_base *base, evutil_socket_t fd,
    short events, event_callback_fn callback, void *arg)
{
    memset(ev, 0, sizeof(*ev));
    ev->ev_base = base ? base : current_base_;
    ev->ev_fd = fd;
    ev->ev_events = events;
    ev->ev_callback = callback;
    ev->ev_arg = arg == &self ? ev : arg;
    ev->ev_flags = EVLIST_INIT;
    ev->ev_heap_index = -1;
    if (ev->ev_base)
        ev->ev_priority = (ev_uint8_t)(ev->ev_base->queue_count / 2);
    if (events & EV_SIGNAL && events & IO_EVENTS) {
        warn_(0, "EV_SIGNAL together with EV_READ, EV_WRITE or EV_CLOSED");
        return -1;
    }
    ev->ev_kind = events & EV_SIGNAL    ? OF_SIGNAL
                  : events & EV_PERSIST ? PERSISTENT
                                        : ONE_SHOT;
    return 0;
}

struct event *event_new(struct event_base *base, evutil_socket_t fd,
    short events, event_callback_fn callback, void *arg)
{
    struct event *ev = alloc_(sizeof(*ev));

    if (ev && event_assign(ev, base, fd, events, callback, arg) < 0) {
        free_(ev);
        return NULL;
    }
    return ev;
}

void event_free(struct event *ev)
{
    event_del(ev);
    free_(ev);
}

/* A callback of a signal event is called as often as the signal came: no
 * longer. */
static void stop_calls(struct event *ev)
{
    if (ev->ev_events & EV_SIGNAL && ev->ev_calls && ev->ev_calls_left)
        *ev->ev_calls_left = 0;
}

/* An active event has no place with its descriptor: it is put there when it is
 * added after its callback. */
static int insert(struct event *ev)
{
    int status;

    if (!(ev->ev_events & (IO_EVENTS | EV_SIGNAL)) ||
        ev->ev_flags & (EVLIST_INSERTED | EVLIST_ACTIVE))
        return 0;
    status = ev->ev_events & EV_SIGNAL ? watch_signal_(ev) : watch_fd_(ev);
    if (status == 0)
        mark_(ev, EVLIST_INSERTED);
    return status;
}

static int has_base(const struct event *ev)
{
    if (!ev->ev_base)
        warn_(0, "an event has no base");
    return ev->ev_base != NULL;
}

/* Add an event, with a time-out unless that is NEVER. What can fail comes
 * first, so that a failure changes nothing. A new time-out takes back one that
 * has passed but whose callback has not run yet. */
int add_(struct event *ev, usec_t due)
{
    if (due != NEVER && !(ev->ev_flags & EVLIST_TIMEOUT) &&
        reserve_timer_(&ev->ev_base->heap) < 0)
        return -1;
    if (insert(ev) < 0)
        return -1;
    if (due == NEVER)
        return 0;
    if (ev->ev_flags & EVLIST_ACTIVE && ev->ev_res & EV_TIMEOUT) {
        stop_calls(ev);
        deactivate_(ev);
    }
    set_timer_(ev, due);
    return 0;
}

int event_add(struct event *ev, const struct timeval *timeout)
{
    usec_t interval;

    if (!has_base(ev))
        return -1;
    if (!timeout)
        return add_(ev, NEVER);
    interval = interval_of_(ev->ev_base, timeout);
    if (add_(ev, now_(ev->ev_base) + interval) < 0)
        return -1;
    if (ev->ev_kind == PERSISTENT)
        ev->ev_interval = timeval_of_(interval);
    return 0;
}

int event_remove_timer(struct event *ev)
{
    if (!has_base(ev))
        return -1;
    if (ev->ev_flags & EVLIST_TIMEOUT) {
        clear_timer_(ev);
        timerclear(&ev->ev_interval);
    }
    return 0;
}

int event_del(struct event *ev)
{
    if (!has_base(ev))
        return -1;
    stop_calls(ev);
    if (ev->ev_flags & EVLIST_TIMEOUT)
        clear_timer_(ev);
    if (ev->ev_flags & EVLIST_ACTIVE)
        deactivate_(ev);
    if (!(ev->ev_flags & EVLIST_INSERTED))
        return 0;
    unmark_(ev, EVLIST_INSERTED);
    return ev->ev_events & EV_SIGNAL ? unwatch_signal_(ev) : unwatch_fd_(ev);
}

void event_active(struct event *ev, int what, short calls)
{
    if (has_base(ev))
        activate_(ev, (short)what, calls);
}

static void once_cb(evutil_socket_t fd, short what, void *arg)
{
    struct once *once = arg;

    once->callback(fd, what, once->arg);
    LIST_REMOVE(once, next);
    free_(once);
}

/* A time-out of none is active at once, and stays in order with others. */
int event_base_once(struct event_base *base, evutil_socket_t fd, short events,
    event_callback_fn callback, void *arg, const struct timeval *timeout)
{
    struct once *once;
    int at_once = !(events & IO_EVENTS) && (!timeout || !timerisset(timeout));

    if (!base || events & (EV_SIGNAL | EV_PERSIST) ||
        !(events & (IO_EVENTS | EV_TIMEOUT)))
        return -1;
    once = alloc_(sizeof(*once));
    if (!once)
        return -1;
    once->callback = callback;
    once->arg = arg;
    event_assign(&once->ev, base, events & IO_EVENTS ? fd : -1,
        events & IO_EVENTS, once_cb, once);
    if (at_once) {
        activate_(&once->ev, EV_TIMEOUT, 1);
    } else if (event_add(&once->ev, timeout) < 0) {
        free_(once);
        return -1;
    }
    LIST_INSERT_HEAD(&base->once, once, next);
    return 0;
}

void free_once_(struct event_base *base)
{
    struct once *once;

    while ((once = LIST_FIRST(&base->once))) {
        LIST_REMOVE(once, next);
        free_(once);
    }
}
