/* signals.c -- from a signal handler to an event, through a pipe
 *
 * A handler may do next to nothing, and it must not touch a base that the
 * program works on at that moment. It writes the number of the signal into a
 * pipe; the loop reads it as any descriptor. A signalfd would need no handler,
 * but would count a signal once that came several times.
 *
 * A signal belongs to the process: the base that last added an event for a
 * signal, or entered its loop with one, gets all of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "reactor.h"

static struct event_base *volatile owner;

static void handler(int number)
{
    int error = errno;
    unsigned char byte = (unsigned char)number;
    ssize_t sent = owner ? write(owner->signals.pipe[1], &byte, 1) : 0;

    (void)sent; /* the pipe is full: the loop has enough to wake up for */
    errno = error;
}

static void wakeup_cb(evutil_socket_t fd, short what, void *arg)
{
    struct event_base *base = arg;
    unsigned char bytes[1024];
    short calls[NSIG] = {0};
    ssize_t got;

    while ((got = read(fd, bytes, sizeof(bytes))) > 0)
        for (ssize_t i = 0; i < got; i++)
            if (bytes[i] < NSIG && calls[bytes[i]] < INT16_MAX)
                calls[bytes[i]]++;
    for (int i = 0; i < NSIG; i++)
        if (calls[i])
            activate_slot_(&base->signals.slots[i], EV_SIGNAL, calls[i]);
}

/* The event is the reactor's own: it counts neither as added nor as run. */
int open_signals_(struct event_base *base)
{
    struct signals *signals = &base->signals;

    if (pipe2(signals->pipe, O_NONBLOCK | O_CLOEXEC) < 0) {
        warn_(errno, "cannot make a pipe for signals");
        return -1;
    }
    event_assign(&signals->wakeup, base, signals->pipe[0], EV_READ | EV_PERSIST,
        wakeup_cb, base);
    signals->wakeup.ev_flags |= EVLIST_INTERNAL;
    signals->wakeup.ev_priority = 0;
    return 0;
}

/* The handler blocks all signals while it runs; system calls go on after it. */
static int install_handler(struct event_base *base, int number)
{
    struct sigaction action = {0};

    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    sigfillset(&action.sa_mask);
    return sigaction(number, &action, &base->signals.before[number]);
}

int watch_signal_(struct event *ev)
{
    struct event_base *base = ev->ev_base;
    struct signals *signals = &base->signals;
    int number = ev->ev_fd;

    if (number < 0 || number >= NSIG || event_add(&signals->wakeup, NULL) < 0)
        return -1;
    if (LIST_EMPTY(&signals->slots[number].events)) {
        if (owner && owner != base && owner->signals.count)
            warn_(0, "two bases have events for signals: only one gets them");
        owner = base;
        if (install_handler(base, number) < 0) {
            warn_(errno, "cannot catch signal %d", number);
            return -1;
        }
        signals->count++;
    }
    LIST_INSERT_HEAD(&signals->slots[number].events, ev, ev_next);
    return 0;
}

int unwatch_signal_(struct event *ev)
{
    struct signals *signals = &ev->ev_base->signals;

    LIST_REMOVE(ev, ev_next);
    if (!LIST_EMPTY(&signals->slots[ev->ev_fd].events))
        return 0;
    signals->count--;
    return sigaction(ev->ev_fd, &signals->before[ev->ev_fd], NULL);
}

/* A loop that starts is the one that gets signals. */
void take_signals_(struct event_base *base)
{
    if (base->signals.count)
        owner = base;
}

void close_signals_(struct event_base *base)
{
    struct signals *signals = &base->signals;

    if (signals->wakeup.ev_flags & EVLIST_INSERTED)
        event_del(&signals->wakeup);
    close(signals->pipe[0]);
    close(signals->pipe[1]);
    if (owner == base)
        owner = NULL;
}
