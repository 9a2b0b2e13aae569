/* loops.c -- what a loop returns, and what ends it. */
#include "trace.h"

static struct event_base *base, *inner;
static struct event *events[4];

static void name_cb(evutil_socket_t fd, short what, void *arg)
{
    printf("  %s%s\n", (char *)arg, names_of(what));
}

static void break_cb(evutil_socket_t fd, short what, void *arg)
{
    printf("  breaks: %d\n", event_base_loopbreak(base));
}

static void exit_cb(evutil_socket_t fd, short what, void *arg)
{
    printf("  exits: %d\n", event_base_loopexit(base, NULL));
}

static void continue_cb(evutil_socket_t fd, short what, void *arg)
{
    printf("  continues: %d\n", event_base_loopcontinue(base));
}

static void nested_cb(evutil_socket_t fd, short what, void *arg)
{
    struct timeval none = {0, 0};

    printf("  the same base again: %d\n", event_base_loop(base, 0));
    event_base_once(inner, -1, EV_TIMEOUT, name_cb, "inner", &none);
    printf("  another base: %d\n", event_base_dispatch(inner));
}

static void show(int result)
{
    printf("  loop %d, exit %d, break %d, active %d\n", result,
        event_base_got_exit(base), event_base_got_break(base),
        event_base_get_num_events(base, EVENT_BASE_COUNT_ACTIVE));
}

static void three(const char *title, event_callback_fn second)
{
    puts(title);
    events[0] = event_new(base, -1, 0, name_cb, "one");
    events[1] = event_new(base, -1, 0, second, NULL);
    events[2] = event_new(base, -1, 0, name_cb, "three");
    for (int i = 0; i < 3; i++)
        event_active(events[i], EV_READ, 1);
    show(event_base_loop(base, 0));
    show(event_base_loop(base, 0));
    for (int i = 0; i < 3; i++)
        event_free(events[i]);
}

static void once(void)
{
    struct timeval none = {0, 0}, soon = {0, 10000};
    int fds[2];

    puts("once:");
    make_pair(fds);
    printf(
        "  %d", event_base_once(base, fds[0], EV_READ, name_cb, "read", NULL));
    printf(
        " %d", event_base_once(base, fds[0], EV_WRITE, name_cb, "write", NULL));
    printf(
        " %d", event_base_once(base, -1, EV_TIMEOUT, name_cb, "at once", NULL));
    printf(
        " %d", event_base_once(base, -1, EV_TIMEOUT, name_cb, "zero", &none));
    printf(
        " %d", event_base_once(base, -1, EV_TIMEOUT, name_cb, "soon", &soon));
    printf(" %d", event_base_once(base, 1, EV_SIGNAL, name_cb, "no", NULL));
    printf(" %d",
        event_base_once(base, -1, EV_READ | EV_PERSIST, name_cb, "", NULL));
    printf(" %d\n", event_base_once(base, -1, 0, name_cb, "no", NULL));
    printf("  events %d\n",
        event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED));
    event_base_loop(base, EVLOOP_ONCE);
    printf("  events %d\n",
        event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED));
    event_base_loopexit(base, &(struct timeval){0, 30000});
    show(event_base_dispatch(base));
    close(fds[0]);
    close(fds[1]);
}

static void flags(void)
{
    struct timeval soon = {0, 20000};
    struct event *ev;

    puts("flags:");
    show(event_base_loop(base, EVLOOP_NONBLOCK));
    show(event_base_loop(base, EVLOOP_ONCE));
    ev = evtimer_new(base, name_cb, "timer");
    event_add(ev, &soon);
    puts("  not yet:");
    show(event_base_loop(base, EVLOOP_NONBLOCK));
    show(event_base_loop(base, EVLOOP_NONBLOCK | EVLOOP_ONCE));
    puts("  once:");
    show(event_base_loop(base, EVLOOP_ONCE));
    puts("  not on empty, to an exit:");
    event_base_loopexit(base, &soon);
    show(event_base_loop(base, EVLOOP_NO_EXIT_ON_EMPTY));
    puts("  an exit before the loop, and a break:");
    event_base_loopexit(base, NULL);
    event_add(ev, &soon);
    show(event_base_loop(base, 0));
    event_base_loopbreak(base);
    show(event_base_loop(base, 0));
    event_free(ev);
}

int main(void)
{
    print_log();
    base = event_base_new();
    inner = event_base_new();
    if (!base || !inner)
        errx(1, "no base");
    flags();
    three("break:", break_cb);
    three("exit:", exit_cb);
    three("continue:", continue_cb);
    three("nested:", nested_cb);
    once();
    printf("break and continue without a base: %d %d\n",
        event_base_loopbreak(NULL), event_base_loopcontinue(NULL));
    event_base_free(inner);
    event_base_free(base);
    return 0;
}
