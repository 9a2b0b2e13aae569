/* questions.c -- what a base and an event say about themselves. */
#include <signal.h>

#include "trace.h"

#include <event2/event_compat.h>

static struct event_base *base;

static void nothing_cb(evutil_socket_t fd, short what, void *arg)
{
}

static void running_cb(evutil_socket_t fd, short what, void *arg)
{
    printf("running: %d\n", event_base_get_running_event(base) == arg);
}

static void counts(const char *when)
{
    printf("%s: added %d, active %d, both %d, most %d %d\n", when,
        event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED),
        event_base_get_num_events(base, EVENT_BASE_COUNT_ACTIVE),
        event_base_get_num_events(
            base, EVENT_BASE_COUNT_ADDED | EVENT_BASE_COUNT_ACTIVE),
        event_base_get_max_events(base, EVENT_BASE_COUNT_ADDED, 0),
        event_base_get_max_events(base, EVENT_BASE_COUNT_ACTIVE, 0));
}

static int foreach_cb(
    const struct event_base *of, const struct event *ev, void *arg)
{
    printf("  fd %d%s%s\n", event_get_fd(ev), names_of(event_get_events(ev)),
        of == base ? "" : " of another base");
    return event_get_fd(ev) == *(int *)arg ? 42 : 0;
}

static void assignment(struct event *ev)
{
    struct event_base *its_base;
    event_callback_fn callback;
    evutil_socket_t fd;
    short events;
    void *arg;

    event_get_assignment(ev, &its_base, &fd, &events, &callback, &arg);
    event_get_assignment(ev, NULL, NULL, NULL, NULL, NULL);
    printf("assignment: %d %d %d %d %d\n", its_base == event_get_base(ev),
        fd == event_get_fd(ev), events == event_get_events(ev),
        callback == event_get_callback(ev), arg == event_get_callback_arg(ev));
}

static void classic(void)
{
    struct timeval soon = {0, 1000};
    struct event ev = {0};

    event_base_free(NULL);
    printf("initialized %d", event_initialized(&ev));
    event_init();
    event_set(&ev, -1, EV_TIMEOUT, nothing_cb, NULL);
    printf(" %d, method %s\n", event_initialized(&ev), event_get_method());
    printf("set to another base: %d", event_base_set(base, &ev));
    event_add(&ev, &soon);
    printf(" and added: %d\n", event_base_set(event_get_base(&ev), &ev));
    event_del(&ev);
    event_once(-1, EV_TIMEOUT, nothing_cb, NULL, &soon);
    event_loopexit(&soon);
    printf("classic loops: %d", event_loop(EVLOOP_ONCE));
    printf(" %d %d\n", event_dispatch(), event_priority_init(2));
    event_base_free(NULL);
}

int main(void)
{
    struct timeval soon = {100, 0}, due, now;
    struct event *evs[4], loose = {0};
    int fds[2], wanted;

    print_log();
    base = event_base_new();
    if (!base)
        errx(1, "no base");
    printf("%s %s %x %zu\n", event_get_version(), event_base_get_method(base),
        (unsigned)event_base_get_features(base), event_get_struct_event_size());
    make_pair(fds);
    evs[0] = event_new(base, fds[0], EV_READ | EV_PERSIST, nothing_cb, NULL);
    evs[1] = event_new(base, fds[1], EV_WRITE | EV_ET, nothing_cb, NULL);
    evs[2] = event_new(base, -1, EV_PERSIST, running_cb, event_self_cbarg());
    evs[3] = evsignal_new(base, SIGUSR1, nothing_cb, NULL);
    counts("nothing");
    event_add(evs[0], &soon);
    event_add(evs[1], NULL);
    event_add(evs[2], &soon);
    event_add(evs[3], NULL);
    event_active(evs[2], EV_READ, 1);
    counts("four");
    for (int i = 0; i < 4; i++) {
        printf("pending%s",
            names_of(event_pending(evs[i],
                EV_READ | EV_WRITE | EV_TIMEOUT | EV_SIGNAL | EV_ET, NULL)));
        printf(", of the time-out%s\n",
            names_of(event_pending(evs[i], EV_TIMEOUT, &due)));
    }
    event_pending(evs[0], EV_TIMEOUT, &due);
    gettimeofday(&now, NULL);
    timersub(&due, &now, &due);
    printf("due in about %ld s\n", (long)due.tv_sec + (due.tv_usec > 500000));
    wanted = fds[1];
    printf("foreach %d\n", event_base_foreach_event(base, foreach_cb, &wanted));
    printf("foreach without: %d\n", event_base_foreach_event(base, NULL, NULL));
    event_base_dump_events(base, stdout);
    event_base_loop(base, EVLOOP_NONBLOCK);
    counts("after a round");
    event_base_get_max_events(base, EVENT_BASE_COUNT_ADDED, 1);
    counts("cleared");
    assignment(evs[2]);
    event_base_active_by_fd(base, fds[0], EV_READ);
    event_base_active_by_fd(base, fds[0], EV_TIMEOUT);
    event_base_active_by_fd(base, 9999, EV_READ);
    event_base_active_by_signal(base, SIGUSR1);
    event_base_dump_events(base, stdout);
    printf("no base: %d %d\n", event_add(&loose, NULL), event_del(&loose));
    printf("%d %d\n", event_pending(&loose, EV_READ, NULL),
        event_remove_timer(&loose));
    classic();
    for (int i = 0; i < 4; i++)
        event_free(evs[i]);
    counts("freed");
    event_base_free(base);
    close(fds[0]);
    close(fds[1]);
    return 0;
}
