/* timers.c -- timers: in which order, how often, and not too early */
#define _GNU_SOURCE
#include <sys/resource.h>

#include "trace.h"

enum { TIMERS = 20 };

static struct timeval began;
static int ticks;

static void begin(void)
{
    gettimeofday(&began, NULL);
}

static int ms_since(void)
{
    struct timeval now;

    gettimeofday(&now, NULL);
    timersub(&now, &began, &now);
    return (int)(now.tv_sec * 1000 + now.tv_usec / 1000);
}

static void number_cb(evutil_socket_t fd, short what, void *arg)
{
    printf("  %d%s\n", *(int *)arg, names_of(what));
}

/* Each has another time; some are deleted, some moved, some over already. */
static void order(void)
{
    struct event *events[TIMERS];
    int numbers[TIMERS], places[TIMERS];

    shuffle(places, TIMERS);
    for (int i = 0; i < TIMERS; i++) {
        numbers[i] = i;
        events[i] = make(-1, 0, number_cb, &numbers[i]);
        add_ms(events[i], 10 + 4 * places[i]);
    }
    for (int i = 0; i < TIMERS / 4; i++)
        event_del(events[pick(TIMERS)]);
    for (int i = 0; i < 3; i++)
        add_ms(events[i], 100 + 4 * i);
    add_ms(events[3], -5000);
    add_ms(events[4], -2000);
    for (int i = 0; i < TIMERS; i++)
        printf("%s",
            names_of(event_pending(events[i], EV_TIMEOUT | EV_READ, NULL)));
    printf("\n  dispatch %d\n", event_base_dispatch(base));
    for (int i = 0; i < TIMERS; i++)
        event_free(events[i]);
}

static void tick_cb(evutil_socket_t fd, short what, void *arg)
{
    struct event *ev = *(struct event **)arg;

    ticks--;
    printf("  tick%s, pending%s\n", names_of(what),
        names_of(event_pending(ev, EV_TIMEOUT, NULL)));
    if (ticks == 0)
        event_del(ev);
}

static void busy_cb(evutil_socket_t fd, short what, void *arg)
{
    usleep(25000); /* of an interval of 30 ms */
    tick_cb(fd, what, arg);
}

static void persistent(void)
{
    struct event *ev = make(-1, EV_PERSIST, tick_cb, &ev);

    begin();
    ticks = 5;
    add_ms(ev, 10);
    printf("  dispatch %d\n", event_base_dispatch(base));
    printf("  not early: %d\n", ms_since() >= 40);
    event_free(ev);
    /* The interval counts from when the last one was due. */
    ev = make(-1, EV_PERSIST, busy_cb, &ev);
    begin();
    ticks = 8;
    add_ms(ev, 30);
    event_base_dispatch(base);
    printf("  not late: %d\n", ms_since() < 350); /* 265, or 440 */
    event_free(ev);
}

static void pending(void)
{
    struct timeval due, now;
    struct event *ev = make(-1, 0, name_cb, "timer");
    long seconds = 100 + pick(100);

    printf("  pending%s\n", names_of(event_pending(ev, EV_TIMEOUT, &due)));
    add_ms(ev, (int)seconds * 1000);
    printf("  pending%s", names_of(event_pending(ev, EV_TIMEOUT, &due)));
    gettimeofday(&now, NULL);
    timersub(&due, &now, &due); /* what event_pending tells is a time of day */
    printf(", due in time: %d\n",
        due.tv_sec <= seconds && due.tv_sec > seconds - 10);
    printf("  not asked for%s\n", names_of(event_pending(ev, EV_READ, &due)));
    add(ev); /* without a time-out: that changes nothing */
    printf("  pending%s\n", names_of(event_pending(ev, EV_TIMEOUT, NULL)));
    printf("  not due: %d\n", turn());
    add_ms(ev, 0);
    printf("  due: %d\n", turn());
    printf("  pending%s\n", names_of(event_pending(ev, EV_TIMEOUT, NULL)));
    event_free(ev);
}

static void read_cb(evutil_socket_t fd, short what, void *arg)
{
    printf("  reads %d bytes,", what & EV_READ ? drain(fd) : 0);
    tick_cb(fd, what, arg);
}

/* An event for a descriptor and a time: what comes first. */
static void with_descriptor(void)
{
    struct event *ev;
    int fds[2];

    make_pair(fds);
    ev = make(fds[0], EV_READ, read_cb, &ev);
    ticks = 100;
    add_ms(ev, 20);
    printf("  dispatch %d", event_base_dispatch(base));
    printf(", pending%s\n",
        names_of(event_pending(ev, EV_READ | EV_TIMEOUT, NULL)));
    add_ms(ev, 5000);
    send_byte(fds[1]);
    printf("  dispatch %d", event_base_dispatch(base));
    printf(", pending%s\n",
        names_of(event_pending(ev, EV_READ | EV_TIMEOUT, NULL)));
    event_free(ev);
    ev = make(fds[0], EV_READ | EV_PERSIST, read_cb, &ev);
    ticks = 4;
    begin();
    add_ms(ev, 80);
    usleep(20000);
    send_byte(fds[1]); /* and the 80 ms begin anew */
    printf("  dispatch %d\n", event_base_dispatch(base));
    printf("  not early: %d\n", ms_since() >= 20 + 3 * 80 - 10);
    event_free(ev);
    close_pair(fds);
}

/* How often this thread gave up the processor to wait for something. */
static long sleeps_so_far(void)
{
    struct rusage usage;

    getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_nvcsw;
}

/* A loop that waits for a timer sleeps once: it neither spins nor looks at the
 * clock every few milliseconds. */
static void sleeps(void)
{
    struct event *ev = make(-1, 0, name_cb, "timer");
    long before = sleeps_so_far(), count;

    begin();
    add_ms(ev, 300);
    printf("  once %d\n", event_base_loop(base, EVLOOP_ONCE));
    count = sleeps_so_far() - before;
    printf("  not early: %d\n", ms_since() >= 290);
    printf("  slept: %d\n", count > 0 && count < 20);
    event_free(ev);
}

int main(int argc, char **argv)
{
    static const struct scene scenes[] = {{"order", order},
        {"pending", pending}, {"persistent", persistent},
        {"with-descriptor", with_descriptor}, {"sleeps", sleeps}, {NULL, NULL}};

    return play(scenes, argc, argv);
}
