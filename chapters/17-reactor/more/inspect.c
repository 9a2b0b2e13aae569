/* inspect.c -- what a program can ask a base and an event
 *
 * Nothing here changes anything.
 */
#include <stdio.h>

#include "../reactor/reactor.h"

const char *event_base_get_method(const struct event_base *base)
{
    return "epoll";
}

int event_base_got_exit(struct event_base *base)
{
    return base->got_exit;
}

int event_base_got_break(struct event_base *base)
{
    return base->got_break;
}

int event_base_get_num_events(struct event_base *base, unsigned int type)
{
    return (type & EVENT_BASE_COUNT_ACTIVE ? base->active : 0) +
           (type & EVENT_BASE_COUNT_ADDED ? base->added : 0);
}

int event_pending(const struct event *ev, short events, struct timeval *timeout)
{
    int flags = 0;

    if (!ev->ev_base) {
        warn_(0, "event_pending: the event has no base");
        return 0;
    }
    if (ev->ev_flags & EVLIST_INSERTED)
        flags |= ev->ev_events & (IO_EVENTS | EV_SIGNAL);
    if (ev->ev_flags & EVLIST_ACTIVE)
        flags |= ev->ev_res;
    if (ev->ev_flags & EVLIST_TIMEOUT)
        flags |= EV_TIMEOUT;
    flags &= events & (EV_TIMEOUT | IO_EVENTS | EV_SIGNAL);
    if (timeout && flags & EV_TIMEOUT)
        *timeout =
            timeval_of_(usec_of_(&ev->ev_timeout) + ev->ev_base->wall_offset);
    return flags;
}

int event_initialized(const struct event *ev)
{
    return (ev->ev_flags & EVLIST_INIT) != 0;
}

#define GETTER(type, name, field)                                              \
    type event_get_##name(const struct event *ev)                              \
    {                                                                          \
        return ev->field;                                                      \
    }

GETTER(evutil_socket_t, fd, ev_fd)
GETTER(struct event_base *, base, ev_base)
GETTER(short, events, ev_events)
GETTER(event_callback_fn, callback, ev_callback)
GETTER(void *, callback_arg, ev_arg)
GETTER(int, priority, ev_priority)

const char *event_get_version(void)
{
    return EVENT__VERSION;
}

ev_uint32_t event_get_version_number(void)
{
    return EVENT__NUMERIC_VERSION;
}

const char **event_get_supported_methods(void)
{
    static const char *methods[] = {"epoll", NULL};

    return methods;
}

struct event *event_base_get_running_event(struct event_base *base)
{
    return base->running_event;
}

int event_base_get_max_events(
    struct event_base *base, unsigned int type, int clear)
{
    int max = 0;

    if (type & EVENT_BASE_COUNT_ACTIVE) {
        max += base->active_max;
        if (clear)
            base->active_max = 0;
    }
    if (type & EVENT_BASE_COUNT_ADDED) {
        max += base->added_max;
        if (clear)
            base->added_max = 0;
    }
    return max;
}

size_t event_get_struct_event_size(void)
{
    return sizeof(struct event);
}

int event_base_get_features(const struct event_base *base)
{
    return EV_FEATURE_ET | EV_FEATURE_O1 | EV_FEATURE_EARLY_CLOSE |
           (base->features & EV_FEATURE_FDS);
}

void event_get_assignment(const struct event *ev, struct event_base **base,
    evutil_socket_t *fd, short *events, event_callback_fn *callback, void **arg)
{
    if (base)
        *base = ev->ev_base;
    if (fd)
        *fd = ev->ev_fd;
    if (events)
        *events = ev->ev_events;
    if (callback)
        *callback = ev->ev_callback;
    if (arg)
        *arg = ev->ev_arg;
}

int event_base_get_npriorities(struct event_base *base)
{
    return (base ? base : current_base_)->queue_count;
}

int event_base_update_cache_time(struct event_base *base)
{
    base = base ? base : current_base_;
    if (!base)
        return -1;
    if (base->running)
        cache_time_(base);
    return 0;
}

int event_gettime_monotonic(struct event_base *base, struct timeval *tv)
{
    usec_t cached;

    if (!base || !tv)
        return -1;
    cached = base->cached;
    base->cached = 0;
    *tv = timeval_of_(now_(base));
    base->cached = cached;
    return 0;
}
