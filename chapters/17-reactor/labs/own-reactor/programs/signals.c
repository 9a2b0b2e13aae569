/* signals.c -- signals, whose callbacks run in the loop */
#include "trace.h"

enum { EVENTS = 6 };

static struct event *events[EVENTS];
static int calls[EVENTS];

static void count_cb(evutil_socket_t number, short what, void *arg)
{
    calls[*(int *)arg]++;
    printf("%s", what == EV_SIGNAL ? "" : "  not EV_SIGNAL alone\n");
}

/* The order of the events of one signal is not promised. */
static void show(int result)
{
    printf("  loop %d:", result);
    for (int i = 0; i < EVENTS; i++) {
        printf(" %d", calls[i]);
        calls[i] = 0;
    }
    printf("\n");
}

static void raise_times(int number, int times)
{
    for (int i = 0; i < times; i++)
        raise(number);
}

static const char *action_of(int number)
{
    struct sigaction now;

    sigaction(number, NULL, &now);
    return now.sa_handler == SIG_IGN   ? "ignored"
           : now.sa_handler == SIG_DFL ? "default"
                                       : "caught";
}

static void make_all(void)
{
    static int numbers[EVENTS];
    static const int signals[] = {
        SIGUSR1, SIGUSR2, SIGUSR1, SIGHUP, SIGUSR2, SIGWINCH};

    signal(SIGUSR1, SIG_IGN);
    signal(SIGUSR2, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    for (int i = 0; i < EVENTS; i++) {
        numbers[i] = i;
        events[i] = make(signals[i],
            i == 4 ? EV_SIGNAL : EV_SIGNAL | EV_PERSIST, count_cb, &numbers[i]);
        add(events[i]);
    }
}

static void free_all(void)
{
    for (int i = 0; i < EVENTS; i++)
        event_free(events[i]);
}

static void counts(void)
{
    make_all();
    show(turn());
    for (int round = 0; round < 3; round++) {
        raise_times(SIGUSR1, pick(12));
        raise_times(SIGUSR2, pick(12));
        raise_times(SIGHUP, pick(3));
        show(turn());
        show(turn());
    }
    free_all();
}

static void restores(void)
{
    make_all();
    printf("  USR1 %s,", action_of(SIGUSR1));
    event_del(events[0]);
    printf(" %s,", action_of(SIGUSR1));
    event_del(events[2]);
    printf(" %s\n", action_of(SIGUSR1));
    printf("  WINCH %s,", action_of(SIGWINCH));
    event_del(events[5]);
    printf(" %s\n", action_of(SIGWINCH));
    raise_times(SIGUSR1, 3);
    add(events[0]);
    raise_times(SIGUSR1, 2);
    show(turn());
    free_all();
    printf("  USR1 %s, HUP %s\n", action_of(SIGUSR1), action_of(SIGHUP));
    printf("  an empty base: %d\n", event_base_dispatch(base));
}

static void delete_cb(evutil_socket_t number, short what, void *arg)
{
    printf("  deletes itself: %d\n", event_del(*(struct event **)arg));
}

static void free_cb(evutil_socket_t number, short what, void *arg)
{
    puts("  frees itself");
    event_free(*(struct event **)arg);
}

/* Three calls are due, and the first one ends the event. */
static void in_callback(void)
{
    signal(SIGUSR1, SIG_IGN);
    events[0] = make(SIGUSR1, EV_SIGNAL | EV_PERSIST, delete_cb, &events[0]);
    add(events[0]);
    raise_times(SIGUSR1, 3);
    turn();
    event_free(events[0]);
    events[0] = make(SIGUSR1, EV_SIGNAL | EV_PERSIST, free_cb, &events[0]);
    add(events[0]);
    raise_times(SIGUSR1, 3);
    turn();
    printf("  USR1 %s\n", action_of(SIGUSR1));
}

static void break_cb(evutil_socket_t number, short what, void *arg)
{
    printf("  %s wakes the loop\n", number == SIGALRM ? "ALRM" : "?");
    event_base_loopbreak(base);
}

/* A signal comes while the loop sleeps. */
static void wakes(void)
{
    struct itimerval soon = {{0, 0}, {0, 30000}};
    struct event *ev = make(SIGALRM, EV_SIGNAL | EV_PERSIST, break_cb, NULL);

    add(ev);
    setitimer(ITIMER_REAL, &soon, NULL);
    printf("  dispatch %d\n", event_base_dispatch(base));
    event_free(ev);
}

static void nothing(int number)
{
}

/* Signals that the library has nothing to do with interrupt epoll_wait. */
static void interrupted(void)
{
    struct itimerval often = {{0, 5000}, {0, 5000}}, none = {{0, 0}, {0, 0}};
    struct event *ev = make(-1, 0, name_cb, "timer");
    struct sigaction action = {0};

    action.sa_handler = nothing;
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    add_ms(ev, 60);
    printf("  dispatch %d\n", event_base_dispatch(base));
    setitimer(ITIMER_REAL, &none, NULL);
    event_free(ev);
}

static void refused(void)
{
    struct event *ev = make(SIGKILL, EV_SIGNAL, name_cb, "");

    printf("  KILL: %d", event_add(ev, NULL));
    event_free(ev);
    ev = make(1000, EV_SIGNAL, name_cb, "");
    printf(", 1000: %d", event_add(ev, NULL));
    event_free(ev);
    ev = event_new(base, SIGUSR1, EV_SIGNAL | EV_READ, name_cb, "");
    printf(", with EV_READ: %s\n", ev ? "made" : "NULL");
}

/* Adding, deleting and raising, in any order. */
static void mixed(void)
{
    static const int signals[] = {SIGUSR1, SIGUSR2, SIGHUP};

    signal(SIGWINCH, SIG_IGN);
    make_all();
    for (int i = 0; i < 60; i++) {
        int which = pick(EVENTS);

        if (pick(3) == 0)
            event_del(events[which]);
        else if (pick(2))
            add(events[which]);
        raise_times(signals[pick(3)], pick(4));
        show(turn());
    }
    free_all();
}

int main(int argc, char **argv)
{
    static const struct scene scenes[] = {{"counts", counts},
        {"restores", restores}, {"in-callback", in_callback}, {"wakes", wakes},
        {"interrupted", interrupted}, {"refused", refused}, {"mixed", mixed},
        {NULL, NULL}};

    return play(scenes, argc, argv);
}
