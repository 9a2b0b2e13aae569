/* rare.c -- calls that few programs need
 */
#include "../reactor/reactor.h"

int event_base_loopcontinue(struct event_base *base)
{
    if (!base)
        return -1;
    base->got_continue = 1;
    return 0;
}

/* Without debug mode and threads there is nothing more to do. */
void event_debug_unassign(struct event *ev)
{
    ev->ev_flags &= ~EVLIST_INIT;
}

int event_del_block(struct event *ev)
{
    return event_del(ev);
}

int event_del_noblock(struct event *ev)
{
    return event_del(ev);
}

void libevent_global_shutdown(void)
{
}

void event_base_active_by_fd(
    struct event_base *base, evutil_socket_t fd, short events)
{
    if (!(events & EV_TIMEOUT) && fd >= 0 && fd < base->slot_count)
        activate_slot_(&base->slots[fd], events & IO_EVENTS, 1);
    for (size_t i = 0; events & EV_TIMEOUT && i < base->heap.count; i++)
        if (base->heap.timers[i].ev->ev_fd == fd)
            activate_(base->heap.timers[i].ev, EV_TIMEOUT, 1);
}

void event_base_active_by_signal(struct event_base *base, int number)
{
    if (number >= 0 && number < NSIG)
        activate_slot_(&base->signals.slots[number], EV_SIGNAL, 1);
}
