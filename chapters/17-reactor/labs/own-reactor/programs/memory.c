/* memory.c -- much of everything, and nothing is left of it */
#include <dirent.h>

#include "trace.h"

enum { PAIRS = 90, TIMERS = 3000, EVENTS = 24, FEW = 6, CALLS = 1500 };

static struct event *events[TIMERS];
static int fds[PAIRS][2];
static int numbers[TIMERS];
static int fired, wrong, last, depth;

static void count_cb(evutil_socket_t fd, short what, void *arg)
{
    fired++;
}

static int open_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    int count = 0;

    if (!folder)
        err(1, "opendir");
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

/* Each base gives back its descriptors; a process has no more than 256. */
static void bases(void)
{
    int before = open_descriptors();

    fired = 0;
    for (int i = 0; i < 300; i++) {
        struct event_base *other = event_base_new();
        struct timeval soon = {1, 0};

        if (!other)
            errx(1, "event_base_new returned NULL for base %d", i);
        event_base_once(other, -1, EV_TIMEOUT, count_cb, NULL, &soon);
        event_base_free(other);
    }
    printf("  fired %d, more descriptors: %d\n", fired,
        open_descriptors() - before);
}

static void descriptors(void)
{
    fired = 0;
    for (int i = 0; i < PAIRS; i++)
        make_pair(fds[i]);
    for (int i = 0; i < 2 * PAIRS; i++) {
        int *pair = fds[(i * 7) % PAIRS];

        events[i] = make(pair[i / PAIRS], EV_READ | EV_PERSIST, count_cb, NULL);
        add(events[i]);
        send_byte(pair[!(i / PAIRS)]);
    }
    /* Those that one epoll_wait has no room for come with the next one. */
    for (int i = 0; i < 100 && fired < 2 * PAIRS; i++)
        turn();
    printf("  all of them: %d\n", fired >= 2 * PAIRS);
    for (int i = 0; i < 2 * PAIRS; i++)
        event_free(events[i]);
    for (int i = 0; i < PAIRS; i++)
        close_pair(fds[i]);
}

static void ordered_cb(evutil_socket_t fd, short what, void *arg)
{
    int number = *(int *)arg;

    wrong += number <= last;
    last = number;
    fired++;
}

/* All are over, for longer the smaller their number is. */
static void timers(void)
{
    fired = wrong = 0;
    last = -1;
    for (int i = 0; i < TIMERS; i++) {
        numbers[i] = i;
        events[i] = make(-1, 0, ordered_cb, &numbers[i]);
    }
    for (int i = 0; i < 6 * TIMERS; i++) {
        int which = pick(TIMERS);

        if (pick(3))
            add_ms(events[which], (which - 2 * TIMERS) * 1000);
        else
            event_del(events[which]);
    }
    printf("  dispatch %d\n", event_base_dispatch(base));
    printf("  fired %d, %d out of order\n", fired, wrong);
    for (int i = 0; i < TIMERS; i++)
        event_free(events[i]);
}

static void step(void);

static void some_cb(evutil_socket_t fd, short what, void *arg)
{
    printf("event %d%s\n", *(int *)arg, names_of(what));
    if (what & EV_READ && fd >= 0 && pick(2))
        drain(fd);
    if (++depth <= 3)
        for (int i = pick(3); i > 0; i--)
            step();
    depth--;
}

/* At most one event of each kind on a descriptor, as their order is free. */
static void make_some(int i)
{
    static const short kinds[] = {EV_READ, EV_WRITE, 0, 0};

    events[i] = make(i % 4 < 2 ? fds[i / 4][0] : -1,
        kinds[i % 4] | (pick(2) ? EV_PERSIST : 0), some_cb, &numbers[i]);
}

/* None, over for long, or far; two are never due at the same time. */
static void add_some(int i)
{
    static int over = 1000000;

    switch (pick(3)) {
    case 0:
        printf("add %d: %d\n", i, event_add(events[i], NULL));
        break;
    case 1:
        add_ms(events[i], -(over += 1000));
        break;
    default:
        add_ms(events[i], 100000000);
    }
}

static void step(void)
{
    int i = pick(EVENTS);

    switch (pick(12)) {
    case 0:
    case 1:
    case 2:
        add_some(i);
        break;
    case 3:
        printf("del %d: %d\n", i, event_del(events[i]));
        break;
    case 4:
        event_active(events[i], pick(2) ? EV_READ : EV_TIMEOUT, 1);
        break;
    case 5:
        printf("pending %d%s\n", i,
            names_of(event_pending(
                events[i], EV_READ | EV_WRITE | EV_TIMEOUT, NULL)));
        break;
    case 6:
        event_free(events[i]);
        make_some(i);
        break;
    case 7:
    case 8:
        send_byte(fds[i % FEW][1]);
        break;
    default:
        if (depth == 0)
            printf("loop %d\n", turn());
    }
}

/* A long row of calls, also in callbacks. */
static void calls(void)
{
    depth = 0;
    for (int i = 0; i < FEW; i++)
        make_pair(fds[i]);
    for (int i = 0; i < EVENTS; i++) {
        numbers[i] = i;
        make_some(i);
    }
    for (int i = 0; i < CALLS; i++)
        step();
    for (int i = 0; i < EVENTS; i++)
        event_free(events[i]);
    for (int i = 0; i < FEW; i++)
        close_pair(fds[i]);
}

/* A base goes while events are pending and active in it, and once-events too.
 */
static void leaves(void)
{
    struct event_base *other = event_base_new();
    struct timeval soon = {1, 0};
    struct event evs[3];
    int pair[2];

    if (!other)
        errx(1, "event_base_new returned NULL");
    fired = 0;
    make_pair(pair);
    event_assign(&evs[0], other, pair[0], EV_READ, count_cb, NULL);
    event_assign(&evs[1], other, -1, EV_PERSIST, count_cb, NULL);
    event_assign(&evs[2], other, -1, 0, count_cb, NULL);
    printf("  add %d", event_add(&evs[0], NULL));
    printf(" %d\n", event_add(&evs[1], &soon));
    event_active(&evs[2], EV_READ, 1);
    event_base_once(other, pair[1], EV_READ, count_cb, NULL, NULL);
    event_base_once(other, -1, EV_TIMEOUT, count_cb, NULL, NULL);
    event_base_free(other);
    printf("  fired %d\n", fired);
    close_pair(pair);
}

int main(int argc, char **argv)
{
    static const struct scene scenes[] = {{"bases", bases},
        {"descriptors", descriptors}, {"timers", timers}, {"leaves", leaves},
        {"calls", calls}, {NULL, NULL}};

    return play(scenes, argc, argv);
}
