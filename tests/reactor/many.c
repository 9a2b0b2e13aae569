/* many.c -- ten thousand descriptors, timers by the hundred thousand: each gets
 * its turn, and nothing is forgotten. */
#include "trace.h"

enum { TIMERS = 100000, MOST = 10000 };

static struct event_base *base;
static long calls, rounds;
static int seen[MOST];

static void count_cb(evutil_socket_t fd, short what, void *arg)
{
    calls++;
    if (arg)
        (*(int *)arg)++;
}

static void timers(void)
{
    struct event *evs = calloc(TIMERS, sizeof(*evs));
    unsigned random = 1;

    if (!evs)
        err(1, NULL);
    for (int i = 0; i < TIMERS; i++) {
        struct timeval tv = {0, 0};

        random = random * 1103515245 + 12345;
        tv.tv_usec = random >> 16 & 0x3fff;
        event_assign(&evs[i], base, -1, 0, count_cb, NULL);
        event_add(&evs[i], &tv);
    }
    for (int i = 0; i < TIMERS; i += 2)
        event_del(&evs[i]);
    for (int i = 1; i < TIMERS; i += 4)
        event_add(&evs[i], &(struct timeval){0, 1000});
    calls = 0;
    printf("timers: loop %d", event_base_dispatch(base));
    printf(", %ld fired\n", calls);
    free(evs);
}

static int open_pairs(int (*fds)[2])
{
    struct rlimit limit;
    int count = 0;

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur =
        limit.rlim_max < 2 * MOST + 100 ? limit.rlim_max : 2 * MOST + 100;
    setrlimit(RLIMIT_NOFILE, &limit);
    while (count < MOST && socketpair(AF_UNIX, SOCK_STREAM, 0, fds[count]) == 0)
        count++;
    return count;
}

/* All are ready at all times, more than one epoll_wait returns: in as few
 * rounds as are needed for all, none may be left out. */
static void descriptors(void)
{
    static int fds[MOST][2];
    int count = open_pairs(fds), least = 0, most = 0;
    struct event *evs = calloc((size_t)count, sizeof(*evs));

    if (!evs)
        err(1, NULL);
    for (int i = 0; i < count; i++) {
        send_byte(fds[i][1]);
        event_assign(
            &evs[i], base, fds[i][0], EV_READ | EV_PERSIST, count_cb, &seen[i]);
        event_add(&evs[i], NULL);
    }
    for (rounds = 0; least == 0 && rounds < 1000; rounds++) {
        event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
        least = most = seen[0];
        for (int i = 0; i < count; i++) {
            least = seen[i] < least ? seen[i] : least;
            most = seen[i] > most ? seen[i] : most;
        }
    }
    printf("descriptors: %s, %ld rounds, from %d to %d calls\n",
        count == MOST ? "all" : "fewer", rounds, least, most);
    for (int i = 0; i < count; i++) {
        event_del(&evs[i]);
        close(fds[i][0]);
        close(fds[i][1]);
    }
    free(evs);
}

/* A thousand events on one descriptor. */
static void crowd(void)
{
    static struct event evs[1000];
    int fds[2];

    make_pair(fds);
    for (int i = 0; i < 1000; i++) {
        event_assign(
            &evs[i], base, fds[0], i % 2 ? EV_READ : EV_WRITE, count_cb, NULL);
        event_add(&evs[i], NULL);
    }
    calls = 0;
    event_base_loop(base, EVLOOP_ONCE);
    printf("crowd: %ld", calls);
    send_byte(fds[1]);
    event_base_dispatch(base);
    printf(", %ld\n", calls);
    close(fds[0]);
    close(fds[1]);
}

int main(void)
{
    print_log();
    base = event_base_new();
    if (!base)
        errx(1, "no base");
    timers();
    descriptors();
    crowd();
    event_base_free(base);
    return 0;
}
