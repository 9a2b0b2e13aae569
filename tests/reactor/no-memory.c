/* no-memory.c -- lets the nth allocation fail, for every n: what needs it says
 * so, all else works on, and nothing leaks. Not for libevent, which ends the
 * program for some. */
#include <signal.h>

#include "trace.h"

enum { TIMERS = 40, PAIRS = 40 };

static long count, fail_at, blocks;
static int refused;

static int fails(void)
{
    return ++count == fail_at;
}

static void *failing_malloc(size_t size)
{
    void *block = fails() ? NULL : malloc(size);

    blocks += block != NULL;
    return block;
}

static void *failing_realloc(void *block, size_t size)
{
    void *moved = fails() ? NULL : realloc(block, size);

    blocks += moved != NULL && block == NULL;
    return moved;
}

static void counted_free(void *block)
{
    blocks -= block != NULL;
    free(block);
}

static void count_cb(evutil_socket_t fd, short what, void *arg)
{
    ++*(int *)arg;
}

static struct event_base *make_base(void)
{
    struct event_config *config = event_config_new();
    struct event_base *base = NULL;

    if (config) {
        event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
        base = event_base_new_with_config(config);
        event_config_free(config);
    }
    return base ? base : event_base_new(); /* only one fails */
}

/* Returns how many of the events were added. */
static int add_all(
    struct event_base *base, struct event *evs, int fds[][2], int *calls)
{
    struct timeval soon = {0, 1000}, far = {1000, 0};
    int added = 0;

    for (int i = 0; i < PAIRS; i++) {
        event_assign(&evs[i], base, fds[i][0], EV_WRITE, count_cb, calls);
        if (event_add(&evs[i], &far) == 0)
            added++;
        else if (event_pending(&evs[i], EV_WRITE | EV_TIMEOUT, NULL))
            errx(1, "an event that was not added waits, at %ld", fail_at);
    }
    for (int i = PAIRS; i < PAIRS + TIMERS; i++) {
        event_assign(&evs[i], base, -1, 0, count_cb, calls);
        added += event_add(&evs[i], &soon) == 0;
    }
    added += event_base_once(base, -1, EV_TIMEOUT, count_cb, calls, &soon) == 0;
    added += event_base_once(base, -1, EV_TIMEOUT, count_cb, calls, NULL) == 0;
    return added;
}

static void scenario(int fds[][2])
{
    struct event_base *base = make_base();
    struct event evs[PAIRS + TIMERS], *ev;
    const struct timeval *common;
    int calls = 0, status, added;

    if (!base)
        errx(1, "no base, at %ld", fail_at);
    if (event_base_priority_init(base, 3) < 0)
        refused++;
    common = event_base_init_common_timeout(base, &(struct timeval){0, 1000});
    refused += common == NULL;
    ev = evsignal_new(base, SIGUSR1, count_cb, &calls);
    refused += ev == NULL;
    if (ev && event_add(ev, NULL) < 0)
        refused++;
    added = add_all(base, evs, fds, &calls);
    refused += PAIRS + TIMERS + 2 - added;
    if (event_reinit(base) < 0)
        errx(1, "reinit, at %ld", fail_at);
    if (ev)
        event_free(ev);
    while ((status = event_base_dispatch(base)) < 0)
        refused++; /* the loop says so, and can be started again */
    if (status != 1 || calls != added)
        errx(1, "loop %d, %d calls of %d, at %ld", status, calls, added,
            fail_at);
    event_base_free(base);
    if (blocks)
        errx(1, "%ld blocks are left, at %ld", blocks, fail_at);
}

int main(void)
{
    static int fds[PAIRS][2];

    for (int i = 0; i < PAIRS; i++)
        make_pair(fds[i]);
    event_set_log_callback(count_warnings);
    event_set_mem_functions(failing_malloc, failing_realloc, counted_free);
    do {
        fail_at++;
        count = 0;
        scenario(fds);
    } while (count >= fail_at);
    printf("%ld allocations, %d refusals\n", count, refused);
    for (int i = 0; i < PAIRS; i++) {
        close(fds[i][0]);
        close(fds[i][1]);
    }
    return 0;
}
