/* classic.c -- the functions without a base that libevent 1.4 had
 *
 * They work on the base that event_init made last. Programs as old as that, and
 * not a few that live, use nothing else.
 */
#include "../reactor/reactor.h"

#include <event2/event_compat.h>

struct event_base *event_init(void)
{
    struct event_base *base = event_base_new();

    if (!base)
        fail_("event_init: no base");
    current_base_ = base;
    return base;
}

int event_dispatch(void)
{
    return event_base_loop(current_base_, 0);
}

int event_loop(int flags)
{
    return event_base_loop(current_base_, flags);
}

int event_loopexit(const struct timeval *timeout)
{
    return event_base_loopexit(current_base_, timeout);
}

int event_loopbreak(void)
{
    return event_base_loopbreak(current_base_);
}

int event_once(evutil_socket_t fd, short events, event_callback_fn callback,
    void *arg, const struct timeval *timeout)
{
    return event_base_once(current_base_, fd, events, callback, arg, timeout);
}

int event_priority_init(int count)
{
    return event_base_priority_init(current_base_, count);
}

const char *event_get_method(void)
{
    return event_base_get_method(current_base_);
}

void event_set(struct event *ev, evutil_socket_t fd, short events,
    event_callback_fn callback, void *arg)
{
    if (event_assign(ev, NULL, fd, events, callback, arg) < 0)
        fail_("event_set: wrong events");
}

/* Only an event that is in no base can change it. */
int event_base_set(struct event_base *base, struct event *ev)
{
    if (ev->ev_flags != EVLIST_INIT)
        return -1;
    ev->ev_base = base;
    ev->ev_priority = (ev_uint8_t)(base->queue_count / 2);
    return 0;
}
