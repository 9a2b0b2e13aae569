/* descriptors.c -- a table of descriptors, and epoll
 *
 * epoll knows a descriptor once, a program may have several events for it. So
 * epoll is told only when the first event wants a thing, or the last one no
 * longer does. Whether the registration is edge-triggered is decided by the
 * event that made it change, as in libevent.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "reactor.h"

enum {
    FIRST_READY = 32, /* events that one epoll_wait returns, at first */
    MAX_READY = 4096,
    FIRST_SLOTS = 32,
    MAX_FD = (1 << 24) - 1,    /* a descriptor above it is refused */
    MAX_WAIT = 30 * 60 * 1000, /* milliseconds; then the loop waits again */
};

/* The time that epoll_wait takes is in whole milliseconds. With PRECISE_TIMER a
 * timerfd wakes it. */
int open_epoll_(struct event_base *base)
{
    struct epoll_event epev = {.events = EPOLLIN};

    base->timerfd = -1;
    base->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (base->epoll >= 0 && base->flags & EVENT_BASE_FLAG_PRECISE_TIMER)
        base->timerfd =
            timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    epev.data.fd = base->timerfd;
    if (base->epoll < 0 ||
        (base->timerfd >= 0 &&
            epoll_ctl(base->epoll, EPOLL_CTL_ADD, epev.data.fd, &epev) < 0)) {
        warn_(errno, "cannot open epoll");
        return -1;
    }
    return 0;
}

void close_epoll_(struct event_base *base)
{
    if (base->timerfd >= 0)
        close(base->timerfd);
    if (base->epoll >= 0)
        close(base->epoll);
}

/* Make the table larger. A number that is no open descriptor, or a huge one,
 * must not do that. */
static int make_room(struct event_base *base, int fd)
{
    int size = base->slot_count ? base->slot_count : FIRST_SLOTS;
    struct slot *slots;

    if (fd > MAX_FD || fcntl(fd, F_GETFD) < 0) {
        warn_(fd > MAX_FD ? EMFILE : errno, "cannot watch descriptor %d", fd);
        return -1;
    }
    while (size <= fd)
        size *= 2;
    slots = resize_(base->slots, (size_t)size * sizeof(*slots));
    if (!slots)
        return -1;
    memset(slots + base->slot_count, 0,
        (size_t)(size - base->slot_count) * sizeof(*slots));
    /* The first event of a list points back to it, and the lists have moved. */
    for (int i = 0; i < base->slot_count; i++)
        if (!LIST_EMPTY(&slots[i].events))
            LIST_FIRST(&slots[i].events)->ev_next.le_prev =
                &slots[i].events.lh_first;
    base->slots = slots;
    base->slot_count = size;
    return 0;
}

/* Tell epoll what a descriptor is wanted for now. A program may have closed it
 * and opened another with its number: then the first try fails, and another way
 * is right. A descriptor that is gone needs no deletion. */
int tell_epoll_(
    struct event_base *base, int fd, short before, short wanted, short edge)
{
    struct epoll_event epev = {0};
    int op = !before ? EPOLL_CTL_ADD : wanted ? EPOLL_CTL_MOD : EPOLL_CTL_DEL;
    int other;

    epev.data.fd = fd;
    epev.events = (wanted & EV_READ ? EPOLLIN : 0) |
                  (wanted & EV_WRITE ? EPOLLOUT : 0) |
                  (wanted & EV_CLOSED ? EPOLLRDHUP : 0) | (edge ? EPOLLET : 0);
    if (!base->slots[fd].stand_in && epoll_ctl(base->epoll, op, fd, &epev) == 0)
        return 0;
    if (base->slots[fd].stand_in || (errno == EPERM && op == EPOLL_CTL_ADD &&
                                        base->features & EV_FEATURE_FDS))
        return tell_file_(base, op, &epev);
    if (op == EPOLL_CTL_DEL &&
        (errno == ENOENT || errno == EBADF || errno == EPERM))
        return 0;
    other = op == EPOLL_CTL_ADD ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (errno == (op == EPOLL_CTL_ADD ? EEXIST : ENOENT) &&
        epoll_ctl(base->epoll, other, fd, &epev) == 0)
        return 0;
    warn_(errno, "epoll_ctl: cannot watch descriptor %d", fd);
    return -1;
}

/* An event without a descriptor is fired by event_active or its time-out only.
 */
int watch_fd_(struct event *ev)
{
    struct event_base *base = ev->ev_base;
    int fd = ev->ev_fd;
    struct slot *slot;
    short wanted;

    if (fd < 0)
        return 0;
    if (fd >= base->slot_count && make_room(base, fd) < 0)
        return -1;
    slot = &base->slots[fd];
    wanted = slot->wanted | (ev->ev_events & IO_EVENTS);
    if (wanted != slot->wanted &&
        tell_epoll_(base, fd, slot->wanted, wanted, ev->ev_events & EV_ET) < 0)
        return -1;
    slot->wanted = wanted;
    LIST_INSERT_HEAD(&slot->events, ev, ev_next);
    return 0;
}

int unwatch_fd_(struct event *ev)
{
    struct event_base *base = ev->ev_base;
    struct slot *slot;
    struct event *other;
    short before, wanted = 0;

    if (ev->ev_fd < 0)
        return 0;
    slot = &base->slots[ev->ev_fd];
    before = slot->wanted;
    LIST_REMOVE(ev, ev_next);
    LIST_FOREACH (other, &slot->events, ev_next) {
        wanted |= other->ev_events & IO_EVENTS;
        if (wanted == before)
            return 0;
    }
    slot->wanted = wanted;
    return tell_epoll_(base, ev->ev_fd, before, wanted, ev->ev_events & EV_ET);
}

void activate_slot_(const struct slot *slot, short what, short calls)
{
    struct event *ev;

    LIST_FOREACH (ev, &slot->events, ev_next)
        if (ev->ev_events & what & ~EV_ET)
            activate_(ev, ev->ev_events & what, calls);
}

/* Returns what epoll_wait takes. */
static int set_timeout(struct event_base *base, usec_t most)
{
    struct itimerspec spec = {{0, 0}, {most / 1000000, most % 1000000 * 1000}};

    if (most < 0)
        spec.it_value = (struct timespec){0, 0};
    if (base->timerfd >= 0 && most != 0 &&
        timerfd_settime(base->timerfd, 0, &spec, NULL) == 0)
        return -1;
    if (most < 0)
        return -1;
    return most < MAX_WAIT * 1000LL ? (int)((most + 999) / 1000) : MAX_WAIT;
}

/* An error or a hang-up wakes who waits to read and who waits to write: the
 * call that follows gives the reason. */
static short meaning_of(uint32_t events)
{
    if (events & EPOLLERR || (events & EPOLLHUP && !(events & EPOLLRDHUP)))
        return EV_READ | EV_WRITE | EV_ET;
    return (short)((events & EPOLLIN ? EV_READ : 0) |
                   (events & EPOLLOUT ? EV_WRITE : 0) |
                   (events & EPOLLRDHUP ? EV_CLOSED : 0) | EV_ET);
}

static int grow_ready(struct event_base *base, int size)
{
    void *ready =
        resize_(base->ready, (size_t)size * sizeof(struct epoll_event));

    if (!ready)
        return -1;
    base->ready = ready;
    base->ready_size = size;
    return 0;
}

/* Activate what is ready. If more was ready than there was room, the kernel
 * gives the others first next time, and there will be more room. */
int wait_for_events_(struct event_base *base, usec_t most)
{
    int count;

    if (!base->ready && grow_ready(base, FIRST_READY) < 0)
        return -1;
    count = epoll_wait(
        base->epoll, base->ready, base->ready_size, set_timeout(base, most));
    if (count < 0) {
        if (errno == EINTR)
            return 0;
        warn_(errno, "epoll_wait");
        return -1;
    }
    for (int i = 0; i < count; i++)
        if (base->ready[i].data.fd < base->slot_count) /* no timerfd */
            activate_slot_(&base->slots[base->ready[i].data.fd],
                meaning_of(base->ready[i].events), 1);
    if (count == base->ready_size && count < MAX_READY)
        (void)grow_ready(base, count * 2); /* as it was, it works too */
    return 0;
}
