/* own-reactor.c -- it prints what the first lines are with libevent, and ends.
 *
 * Fails: descriptors, at "readable: events of several descriptors, again
 *   and again until the bytes are read"
 * Says:  nothing received
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <event2/event.h>

struct event_base *event_base_new(void)
{
    printf("  loop 0:\n");
    fflush(stdout);
    _exit(0);
}

void event_base_free(struct event_base *base)
{
}

int event_base_loop(struct event_base *base, int flags)
{
    return 0;
}

int event_base_dispatch(struct event_base *base)
{
    return 1;
}

struct event *event_new(struct event_base *base, evutil_socket_t fd,
    short events, event_callback_fn callback, void *arg)
{
    return NULL;
}

int event_add(struct event *ev, const struct timeval *timeout)
{
    return 0;
}

int event_del(struct event *ev)
{
    return 0;
}

void event_free(struct event *ev)
{
}

int event_pending(const struct event *ev, short what, struct timeval *tv)
{
    return 0;
}
