/* reactor-cost.c -- what an event and a timer cost, in nanoseconds: linked once
 * with libevent and once with chapter 17's reactor.
 *
 * Build: cc -O2 -o reactor-cost reactor-cost.c -levent_core
 * Run:   ./reactor-cost events 10000    (100 active of 10,000 descriptors)
 *        ./reactor-cost timers 100000   (add, cancel, add, fire)
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/event_struct.h>

enum { ACTIVE = 100 };

static struct event_base *base;
static struct event *events;
static int *fds;
static long calls;

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void count_cb(evutil_socket_t fd, short what, void *arg)
{
    calls++;
}

/* An eventfd that is never read stays ready: nothing but the library and
 * epoll_wait is measured. */
static void measure_events(int count)
{
    enum { ROUNDS = 3000 };
    struct rlimit limit;
    double began;

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    for (int i = 0; i < count; i++) {
        fds[i] = eventfd(i % (count / ACTIVE) == 0, EFD_NONBLOCK);
        if (fds[i] < 0)
            err(1, "eventfd");
        event_assign(
            &events[i], base, fds[i], EV_READ | EV_PERSIST, count_cb, NULL);
        if (event_add(&events[i], NULL) < 0)
            err(1, "event_add");
    }
    for (int i = 0; i < 100; i++)
        event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    calls = 0;
    began = now();
    for (int i = 0; i < ROUNDS; i++)
        event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    printf("call %.1f\n", (now() - began) / (double)calls);
    began = now();
    for (int i = 0; i < count; i++) {
        event_del(&events[i]);
        event_add(&events[i], NULL);
    }
    printf("del+add %.1f\n", (now() - began) / count);
}

static struct timeval some_time(void)
{
    static unsigned long state = 1;
    struct timeval tv = {0, 0};

    state = state * 6364136223846793005UL + 1442695040888963407UL;
    tv.tv_usec = (long)(state >> 44) % 1000000;
    return tv;
}

static void add_all(int count, long seconds)
{
    for (int i = 0; i < count; i++) {
        struct timeval tv = some_time();

        tv.tv_sec = seconds;
        event_add(&events[i], &tv);
    }
}

static void measure_timers(int count)
{
    double began, added, moved, deleted;

    for (int i = 0; i < count; i++)
        event_assign(&events[i], base, -1, 0, count_cb, NULL);
    began = now();
    add_all(count, 1000);
    added = now();
    add_all(count, 2000); /* each is moved */
    moved = now();
    for (int i = 0; i < count; i++)
        event_del(&events[i]);
    deleted = now();
    printf("add %.1f\nmove %.1f\ncancel %.1f\n", (added - began) / count,
        (moved - added) / count, (deleted - moved) / count);
    add_all(count, -10); /* all are due */
    began = now();
    event_base_dispatch(base);
    printf("fire %.1f\n", (now() - began) / count);
}

int main(int argc, char **argv)
{
    int count = argc == 3 ? atoi(argv[2]) : 0;

    if (count < ACTIVE)
        errx(2, "usage: reactor-cost events|timers COUNT");
    base = event_base_new();
    events = calloc((size_t)count, sizeof(*events));
    fds = calloc((size_t)count, sizeof(*fds));
    if (!base || !events || !fds)
        errx(1, "out of memory");
    if (strcmp(argv[1], "events") == 0)
        measure_events(count);
    else
        measure_timers(count);
    for (int i = 0; i < count; i++)
        event_del(&events[i]);
    event_base_free(base);
    free(events);
    free(fds);
    return 0;
}
