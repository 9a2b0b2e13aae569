/* dump.c -- each event of a base, and a list of them to read
 */
#include <stdio.h>

#include "../reactor/reactor.h"

static int each_in(struct event_base *base, const struct slot *slots, int count,
    event_base_foreach_event_cb fn, void *arg)
{
    const struct event *ev;
    int status = 0;

    for (int i = 0; i < count && !status; i++)
        for (ev = LIST_FIRST(&slots[i].events); ev && !status;
             ev = LIST_NEXT(ev, ev_next))
            status = fn(base, ev, arg);
    return status;
}

/* Each event once, by the first place that it is in. */
int event_base_foreach_event(
    struct event_base *base, event_base_foreach_event_cb fn, void *arg)
{
    const short places = EVLIST_INSERTED | EVLIST_TIMEOUT;
    const struct event_callback *item;
    int status = -1;

    if (!base || !fn)
        return status;
    status = each_in(base, base->slots, base->slot_count, fn, arg);
    if (!status)
        status = each_in(base, base->signals.slots, NSIG, fn, arg);
    for (size_t i = 0; i < base->heap.count && !status; i++)
        if (!(base->heap.timers[i].ev->ev_flags & EVLIST_INSERTED))
            status = fn(base, base->heap.timers[i].ev, arg);
    for (int i = 0; i < base->queue_count; i++)
        TAILQ_FOREACH (item, &base->queues[i], evcb_active_next)
            if (!status && !(item->evcb_flags & places))
                status = fn(base, (const struct event *)item, arg);
    return status;
}

static void dump(const struct event *ev, FILE *file, int active)
{
    short bits = active ? ev->ev_res : ev->ev_events;

    fprintf(file, "  %p [%s %d", (const void *)ev,
        ev->ev_events & EV_SIGNAL ? "sig" : "fd ", ev->ev_fd);
    if (active)
        fprintf(file, ", priority=%d", ev->ev_priority);
    fprintf(file, "]%s%s%s%s", bits & EV_READ ? " Read" : "",
        bits & EV_WRITE ? " Write" : "", bits & EV_CLOSED ? " EOF" : "",
        bits & EV_SIGNAL ? " Signal" : "");
}

static int dump_pending(
    const struct event_base *base, const struct event *ev, void *arg)
{
    struct timeval due;

    if (!(ev->ev_flags & (EVLIST_INSERTED | EVLIST_TIMEOUT)))
        return 0;
    dump(ev, arg, 0);
    fprintf(arg, "%s%s%s", ev->ev_events & EV_PERSIST ? " Persist" : "",
        ev->ev_events & EV_ET ? " ET" : "",
        ev->ev_flags & EVLIST_INTERNAL ? " Internal" : "");
    if (event_pending(ev, EV_TIMEOUT, &due) && ev->ev_flags & EVLIST_TIMEOUT)
        fprintf(arg, " Timeout=%ld.%06ld", (long)due.tv_sec, (long)due.tv_usec);
    fputc('\n', arg);
    return 0;
}

static int dump_active(
    const struct event_base *base, const struct event *ev, void *arg)
{
    if (!(ev->ev_flags & EVLIST_ACTIVE))
        return 0;
    dump(ev, arg, 1);
    fprintf(arg, "%s active%s\n", ev->ev_res & EV_TIMEOUT ? " Timeout" : "",
        ev->ev_flags & EVLIST_INTERNAL ? " [Internal]" : "");
    return 0;
}

void event_base_dump_events(struct event_base *base, FILE *file)
{
    fprintf(file, "Inserted events:\n");
    event_base_foreach_event(base, dump_pending, file);
    fprintf(file, "Active events:\n");
    event_base_foreach_event(base, dump_active, file);
}
