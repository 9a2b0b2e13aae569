/* time-outs.c -- how fast the time-outs of many clients are added and renewed,
 * each in the base's heap or all in the queue of a common time-out.
 *
 * Build: cc -o time-outs time-outs.c -levent_core
 * Run:   ./time-outs heap|common CLIENTS SECONDS
 * Try:   ./time-outs heap 10000 1; ./time-outs common 10000 1
 *
 * In the loop, as a server does it: the clients speak in a mixed order, ten in
 * a round, and with each round the base's time moves on. The first turn adds
 * them all. Prints a line of JSON, as load-gen's.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <event2/event.h>

enum { ROUND = 10 };

static struct event_base *base;
static struct event **events;
static size_t count;
static const struct timeval *limit;
static double span, rate, cost;

static double read_clock(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void idle_cb(evutil_socket_t fd, short what, void *arg)
{
}

static void make_events(void)
{
    events = calloc(count, sizeof(struct event *));
    if (!events)
        err(1, "cannot make events");
    for (size_t i = 0; i < count; i++) {
        size_t j = (size_t)rand() % (i + 1); /* mixes them */

        events[i] = events[j];
        events[j] = evtimer_new(base, idle_cb, NULL);
        if (!events[j])
            err(1, "cannot make an event");
    }
}

static void renew_cb(evutil_socket_t fd, short what, void *arg)
{
    double start = read_clock(CLOCK_MONOTONIC);
    double used = read_clock(CLOCK_PROCESS_CPUTIME_ID), now;
    unsigned long done = 0;

    do {
        for (size_t i = 0; i < count; i++) {
            if (i % ROUND == 0)
                event_base_update_cache_time(base);
            event_add(events[i], limit);
        }
        done += count;
        now = read_clock(CLOCK_MONOTONIC);
    } while (now < start + span);
    used = read_clock(CLOCK_PROCESS_CPUTIME_ID) - used;
    rate = (double)done / (now - start);
    cost = used * 1e6 / (double)done;
    for (size_t i = 0; i < count; i++)
        event_free(events[i]);
}

int main(int argc, char **argv)
{
    static const struct timeval idle = {60, 0};
    struct event_config *config = event_config_new();

    if (argc != 4)
        errx(2, "usage: time-outs heap|common CLIENTS SECONDS");
    count = (size_t)atol(argv[2]);
    span = atof(argv[3]);
    if (!config ||
        event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER) < 0 ||
        !(base = event_base_new_with_config(config)))
        errx(1, "cannot make an event base");
    limit = strcmp(argv[1], "common") == 0
                ? event_base_init_common_timeout(base, &idle)
                : &idle;
    make_events();
    if (!limit ||
        event_base_once(base, -1, EV_TIMEOUT, renew_cb, NULL, NULL) < 0)
        errx(1, "cannot start");
    event_base_dispatch(base);
    printf("{\"requests_per_second\": %.0f, \"server_us_per_request\": %.4f}\n",
        rate, cost);
    free(events);
    event_base_free(base);
    event_config_free(config);
    return 0;
}
