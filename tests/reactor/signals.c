/* signals.c -- signals: how often, in which order, on which base. */
#include <signal.h>
#include <sys/time.h>

#include "trace.h"

static struct event_base *base, *second;

static void name_cb(evutil_socket_t number, short what, void *arg)
{
    printf("  %s: %d%s\n", (char *)arg, number, names_of(what));
}

static void delete_cb(evutil_socket_t number, short what, void *arg)
{
    printf("  deletes itself: %d\n", event_del(arg));
}

static void free_cb(evutil_socket_t number, short what, void *arg)
{
    puts("  frees itself");
    event_free(arg);
}

static void break_cb(evutil_socket_t number, short what, void *arg)
{
    puts("  breaks");
    event_base_loopbreak(base);
}

static void send_some(int number, int count)
{
    for (int i = 0; i < count; i++)
        raise(number);
}

static int turn(struct event_base *some)
{
    return event_base_loop(some, EVLOOP_NONBLOCK);
}

static const char *handler_now(int number)
{
    struct sigaction now;

    sigaction(number, NULL, &now);
    return now.sa_handler == SIG_IGN   ? "ignored"
           : now.sa_handler == SIG_DFL ? "default"
                                       : "caught";
}

static void several(void)
{
    struct event *a, *b, *c, *d;

    puts("three times, two events, and another signal:");
    signal(SIGUSR1, SIG_IGN);
    signal(SIGUSR2, SIG_IGN);
    a = evsignal_new(base, SIGUSR1, name_cb, "a");
    b = evsignal_new(base, SIGUSR1, name_cb, "b");
    c = evsignal_new(base, SIGUSR2, name_cb, "c");
    d = event_new(base, -1, 0, name_cb, "d");
    printf("  added %d %d %d\n", evsignal_add(a, NULL), evsignal_add(b, NULL),
        evsignal_add(c, NULL));
    printf("  USR2 %s\n", handler_now(SIGUSR2));
    send_some(SIGUSR2, 1);
    send_some(SIGUSR1, 3);
    event_active(d, EV_READ, 1);
    printf("  loop %d\n", turn(base));
    printf("  events %d\n",
        event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED));
    event_del(a);
    send_some(SIGUSR1, 1);
    turn(base);
    event_free(c);
    printf("  USR2 %s\n", handler_now(SIGUSR2));
    event_free(a);
    event_free(b);
    event_free(d);
    printf("  USR1 %s\n", handler_now(SIGUSR1));
}

static void in_callback(void)
{
    struct event *ev;

    puts("three times, but deleted in the first call:");
    ev = event_new(
        base, SIGUSR1, EV_SIGNAL | EV_PERSIST, delete_cb, event_self_cbarg());
    event_add(ev, NULL);
    send_some(SIGUSR1, 3);
    printf("  loop %d\n", turn(base));
    event_free(ev);
    puts("freed in the first call:");
    ev = event_new(
        base, SIGUSR1, EV_SIGNAL | EV_PERSIST, free_cb, event_self_cbarg());
    event_add(ev, NULL);
    send_some(SIGUSR1, 3);
    printf("  loop %d\n", turn(base));
    puts("the loop broken in the first call:");
    ev = evsignal_new(base, SIGUSR1, break_cb, NULL);
    event_add(ev, NULL);
    send_some(SIGUSR1, 3);
    printf("  loop %d\n", turn(base));
    printf("  loop %d\n", turn(base));
    event_free(ev);
    puts("not persistent, and by hand:");
    ev = event_new(base, SIGUSR1, EV_SIGNAL, name_cb, "one shot");
    event_add(ev, NULL);
    send_some(SIGUSR1, 2);
    printf("  loop %d, USR1 %s\n", turn(base), handler_now(SIGUSR1));
    event_active(ev, EV_SIGNAL, 4);
    printf("  loop %d\n", turn(base));
    event_free(ev);
}

static void two_bases(void)
{
    struct event *a, *b;

    puts("two bases:");
    a = evsignal_new(base, SIGUSR1, name_cb, "base");
    b = evsignal_new(second, SIGUSR1, name_cb, "second");
    printf("  added %d\n", event_add(a, NULL));
    printf("  added %d\n", event_add(b, NULL));
    send_some(SIGUSR1, 1);
    printf("  the one that added last: %d", turn(base));
    printf(" %d\n", turn(second));
    turn(base);
    send_some(SIGUSR1, 1);
    puts("  the one that looped last:");
    turn(base);
    turn(second);
    event_del(b);
    event_add(b, NULL);
    event_free(a);
    event_base_free(base);
    send_some(SIGUSR1, 1);
    puts("  the first base is gone:");
    turn(second);
    event_free(b);
}

static void nothing(int number)
{
}

/* A signal interrupts epoll_wait; the time-out is not the shorter for it. */
static void interrupted(void)
{
    struct itimerval every = {{0, 3000}, {0, 3000}}, none = {{0, 0}, {0, 0}};
    struct timeval wait = {0, 50000}, before, after;
    struct event *timer = evtimer_new(second, name_cb, "timer");
    struct sigaction action = {0};

    puts("interrupted, without an event for it:");
    action.sa_handler = nothing;
    sigemptyset(&action.sa_mask);
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &every, NULL);
    gettimeofday(&before, NULL);
    event_add(timer, &wait);
    printf("  loop %d\n", event_base_dispatch(second));
    gettimeofday(&after, NULL);
    setitimer(ITIMER_REAL, &none, NULL);
    timersub(&after, &before, &after);
    printf("  waited long enough: %d\n", after.tv_sec || after.tv_usec > 44000);
    event_free(timer);
}

static void refused(void)
{
    struct event *ev = evsignal_new(base, SIGKILL, name_cb, "");

    puts("refused:");
    printf("  SIGKILL: %d\n", event_add(ev, NULL));
    event_free(ev);
    ev = evsignal_new(base, 1000, name_cb, "");
    printf("  1000: %d\n", event_add(ev, NULL));
    event_free(ev);
    ev = event_new(base, SIGUSR1, EV_SIGNAL | EV_READ, name_cb, "");
    printf("  with EV_READ: %s\n", ev ? "made" : "NULL");
}

int main(void)
{
    print_log();
    base = event_base_new();
    second = event_base_new();
    if (!base || !second)
        errx(1, "no base");
    several();
    in_callback();
    refused();
    two_bases();
    interrupted();
    event_base_free(second);
    return 0;
}
