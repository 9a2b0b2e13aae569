/* priorities.c -- queues of active events, and the callbacks
 *
 * An event that is ready waits in the queue of its priority. A round runs one
 * queue, the most urgent that has an event; then the loop looks at epoll again,
 * so that what is urgent never waits for more than the queue that runs.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "reactor.h"

/* On failure the old queues stay. */
int make_queues_(struct event_base *base, int count)
{
    struct queue *queues;

    if (count == base->queue_count)
        return 0;
    queues = alloc_((size_t)count * sizeof(*queues));
    if (!queues) {
        warn_(errno, "cannot make %d priorities", count);
        return -1;
    }
    for (int i = 0; i < count; i++)
        TAILQ_INIT(&queues[i]);
    free_(base->queues);
    base->queues = queues;
    base->queue_count = count;
    return 0;
}

int event_base_priority_init(struct event_base *base, int count)
{
    if (base->active || count < 1 || count >= EVENT_MAX_PRIORITIES)
        return -1;
    return make_queues_(base, count);
}

int event_priority_set(struct event *ev, int priority)
{
    if (ev->ev_flags & EVLIST_ACTIVE || priority < 0 ||
        priority >= ev->ev_base->queue_count)
        return -1;
    ev->ev_priority = (ev_uint8_t)priority;
    return 0;
}

/* An event that is active already keeps its place. */
void activate_(struct event *ev, short what, short calls)
{
    struct event_base *base = ev->ev_base;

    if (ev->ev_flags & EVLIST_ACTIVE) {
        ev->ev_res |= what;
        return;
    }
    if (ev->ev_priority >= base->queue_count)
        fail_("an event has a priority that its base does not have");
    ev->ev_res = what;
    if (ev->ev_priority < base->running_priority)
        base->got_continue = 1;
    if (ev->ev_events & EV_SIGNAL) {
        ev->ev_calls = calls;
        ev->ev_calls_left = NULL;
    }
    mark_(ev, EVLIST_ACTIVE);
    if (++base->active > base->active_max)
        base->active_max = base->active;
    TAILQ_INSERT_TAIL(
        &base->queues[ev->ev_priority], &ev->ev_evcallback, evcb_active_next);
}

void deactivate_(struct event *ev)
{
    struct event_base *base = ev->ev_base;

    unmark_(ev, EVLIST_ACTIVE);
    base->active--;
    TAILQ_REMOVE(
        &base->queues[ev->ev_priority], &ev->ev_evcallback, evcb_active_next);
}

/* A signal that came three times is three calls. The callback may delete or
 * free its event: then event_del sets "left" to 0. */
static void call_for_signal(struct event_base *base, struct event *ev)
{
    short *left = &base->calls_left;

    for (*left = ev->ev_calls; *left && !base->got_break;) {
        ev->ev_calls = --*left;
        ev->ev_calls_left = *left ? left : NULL;
        ev->ev_callback(ev->ev_fd, ev->ev_res, ev->ev_arg);
    }
    if (*left) /* it has not been deleted */
        ev->ev_calls_left = NULL;
}

/* The next time-out of a persistent event counts from when the last one was
 * due, so that delays do not add up; but from now if another reason made the
 * event active, or if whole intervals were missed. */
static void start_again(struct event_base *base, struct event *ev)
{
    usec_t interval = usec_of_(&ev->ev_interval), now = now_(base);
    usec_t due = now + interval;

    if (ev->ev_res & EV_TIMEOUT && usec_of_(&ev->ev_timeout) + interval >= now)
        due = usec_of_(&ev->ev_timeout) + interval;
    add_(ev, due);
}

/* The callback may free the event, so nothing of it is read afterwards. */
static void call(struct event_base *base, struct event *ev)
{
    base->running_event = ev;
    if (ev->ev_kind == OF_SIGNAL) {
        call_for_signal(base, ev);
    } else {
        if (ev->ev_kind == PERSISTENT && timerisset(&ev->ev_interval))
            start_again(base, ev);
        ev->ev_callback(ev->ev_fd, ev->ev_res, ev->ev_arg);
    }
    base->running_event = NULL;
}

/* Returns how many events of the program were run, or -1 if the loop is to end.
 */
static int run_queue(
    struct event_base *base, struct queue *queue, int most, usec_t end)
{
    int count = 0;

    while (!TAILQ_EMPTY(queue)) {
        struct event *ev = (void *)TAILQ_FIRST(queue); /* its first field */

        if (ev->ev_events & EV_PERSIST)
            deactivate_(ev);
        else
            event_del(ev);
        count += !(ev->ev_flags & EVLIST_INTERNAL);
        call(base, ev);
        if (base->got_break)
            return -1;
        if (count >= most)
            return count;
        if (count && end >= 0) {
            cache_time_(base);
            if (now_(base) >= end)
                return count;
        }
        if (base->got_continue)
            break;
    }
    return count;
}

/* Run the events of the most urgent priority that has any; the reactor's own do
 * not count. event_config_set_max_dispatch_interval limits how many, and how
 * long, from some priority on. */
int run_active_(struct event_base *base)
{
    const struct limits *limits = &base->limits;
    usec_t end = -1;
    int count = 0;

    if (limits->time >= 0) {
        cache_time_(base);
        end = now_(base) + limits->time;
    }
    for (int i = 0; i < base->queue_count && count == 0; i++) {
        int limited = i >= limits->from_priority;

        if (TAILQ_EMPTY(&base->queues[i]))
            continue;
        base->running_priority = i;
        count = run_queue(base, &base->queues[i],
            limited ? limits->callbacks : INT_MAX, limited ? end : -1);
    }
    base->running_priority = -1;
    return count;
}
