/* fork.c -- a base of its own for a new process
 *
 * After a fork both processes have the same epoll: what one adds or deletes,
 * the other gets or loses. And a signal for one must not wake the other. The
 * new process opens an epoll and a pipe of its own, and only closes its
 * descriptors of the old ones, which changes nothing for its parent.
 */
#include <unistd.h>

#include "../reactor/reactor.h"

static int reopen_epoll(struct event_base *base)
{
    int epoll = base->epoll, timerfd = base->timerfd, status = 0;

    if (open_epoll_(base) < 0) {
        close_epoll_(base);
        base->epoll = epoll;
        base->timerfd = timerfd;
        return -1;
    }
    close(epoll);
    if (timerfd >= 0)
        close(timerfd);
    for (int fd = 0; fd < base->slot_count; fd++) {
        struct slot *slot = &base->slots[fd];
        struct event *first = LIST_FIRST(&slot->events);

        if (first && tell_epoll_(base, fd, 0, slot->wanted,
                         first->ev_events & EV_ET) < 0)
            status = -1;
    }
    return status;
}

/* If there is no new pipe, the old one stays. */
static int reopen_signals(struct event_base *base)
{
    struct signals *signals = &base->signals;
    int pipe[2] = {signals->pipe[0], signals->pipe[1]};
    short was_added = signals->wakeup.ev_flags & EVLIST_INSERTED;

    if (was_added)
        event_del(&signals->wakeup);
    if (open_signals_(base) == 0) {
        close(pipe[0]);
        close(pipe[1]);
    }
    return was_added ? event_add(&signals->wakeup, NULL) : 0;
}

int event_reinit(struct event_base *base)
{
    int status = reopen_epoll(base);

    return reopen_signals(base) < 0 ? -1 : status;
}
