/* equal.c -- timers that are due at the same time fire in the order of being
 * added, whatever was added and deleted between. Not for libevent, which
 * promises no order. */
#include "trace.h"

enum { TIMERS = 1000 };

static struct event_base *base;
static struct event events[TIMERS];
static int order[TIMERS], expected, fired, wrong;

static void fired_cb(evutil_socket_t fd, short what, void *arg)
{
    int number = *(int *)arg;

    wrong += number < expected;
    expected = number + 1;
    fired++;
}

/* In a callback the time stands still, so that all are due at the same time. */
static void add_cb(evutil_socket_t fd, short what, void *arg)
{
    struct timeval tv = {0, 1000};

    for (int i = 0; i < TIMERS; i++) {
        order[i] = i;
        event_assign(&events[i], base, -1, 0, fired_cb, &order[i]);
        event_add(&events[i], &tv);
    }
    for (int i = 0; i < TIMERS; i += 3)
        event_del(&events[i]);
    for (int i = 1; i < TIMERS; i += 3) {
        order[i] += TIMERS; /* now behind the others */
        event_add(&events[i], &tv);
    }
}

int main(void)
{
    print_log();
    base = event_base_new();
    if (!base)
        errx(1, "no base");
    event_base_once(base, -1, EV_TIMEOUT, add_cb, NULL, NULL);
    printf("loop %d", event_base_dispatch(base));
    printf(", %d fired, %d out of order\n", fired, wrong);
    event_base_free(base);
    return 0;
}
