/* priorities.c -- the urgent first */
#include "trace.h"

enum { EVENTS = 12, PRIORITIES = 4 };

static struct event *events[EVENTS];
static int numbers[EVENTS], priorities[EVENTS];
static int left; /* how many are still to be activated in callbacks */

static void number_cb(evutil_socket_t fd, short what, void *arg)
{
    int i = *(int *)arg;

    printf("  %d of priority %d%s\n", i, priorities[i], names_of(what));
}

/* From some callbacks on, others become active, which may be more urgent. */
static void activate_cb(evutil_socket_t fd, short what, void *arg)
{
    number_cb(fd, what, arg);
    for (int i = pick(3); i > 0 && left > 0; i--, left--)
        event_active(events[pick(EVENTS)], EV_WRITE, 1);
}

static void make_all(event_callback_fn callback)
{
    printf("  init %d\n", event_base_priority_init(base, PRIORITIES));
    for (int i = 0; i < EVENTS; i++) {
        numbers[i] = i;
        events[i] = make(-1, 0, callback, &numbers[i]);
        priorities[i] = pick(PRIORITIES);
        if (event_priority_set(events[i], priorities[i]) != 0)
            errx(1, "event_priority_set failed");
    }
}

static void free_all(void)
{
    for (int i = 0; i < EVENTS; i++)
        event_free(events[i]);
}

static void order(void)
{
    make_all(number_cb);
    for (int i = 0; i < EVENTS; i++)
        event_active(events[i], EV_READ, 1);
    printf("  loop %d\n", event_base_loop(base, 0));
    free_all();
}

static void urgent(void)
{
    make_all(activate_cb);
    left = 40;
    for (int i = 0; i < EVENTS; i += 2)
        event_active(events[i], EV_READ, 1);
    printf("  loop %d\n", event_base_loop(base, 0));
    free_all();
}

/* A byte comes for an urgent event while common ones run: epoll is asked
 * between two priorities, not within one. */
static void send_cb(evutil_socket_t fd, short what, void *arg)
{
    number_cb(fd, what, arg);
    if (*(int *)arg == 2)
        send_byte((int)fd);
}

static void descriptors(void)
{
    struct event *reader;
    int fds[2];

    make_pair(fds);
    printf("  init %d\n", event_base_priority_init(base, PRIORITIES));
    reader = make(fds[0], EV_READ, name_cb, "the urgent reader");
    printf("  set %d\n", event_priority_set(reader, 0));
    add(reader);
    for (int i = 0; i < EVENTS; i++) {
        numbers[i] = i;
        priorities[i] = 1 + i % 3;
        events[i] = make(fds[1], 0, send_cb, &numbers[i]);
        event_priority_set(events[i], priorities[i]);
        event_active(events[i], EV_TIMEOUT, 1);
    }
    printf("  loop %d\n", event_base_loop(base, 0));
    free_all();
    event_free(reader);
    close_pair(fds);
}

static void results(void)
{
    struct event *ev;

    printf("  init 0: %d", event_base_priority_init(base, 0));
    printf(", 3: %d", event_base_priority_init(base, 3));
    printf(", 5: %d\n", event_base_priority_init(base, 5));
    ev = make(-1, 0, name_cb, "event");
    printf("  set -1: %d", event_priority_set(ev, -1));
    printf(", 4: %d", event_priority_set(ev, 4));
    printf(", 5: %d\n", event_priority_set(ev, 5));
    event_active(ev, EV_READ, 1);
    printf("  while it is active: set %d", event_priority_set(ev, 0));
    printf(", init %d\n", event_base_priority_init(base, 2));
    printf("  loop %d\n", event_base_loop(base, 0));
    event_free(ev);
}

/* An event has the middle priority, if nobody says otherwise. */
static void middle(void)
{
    event_base_priority_init(base, 5);
    for (int i = 0; i < 5; i++) {
        numbers[i] = priorities[i] = i;
        events[i] = make(-1, 0, number_cb, &numbers[i]);
        if (i != 2)
            event_priority_set(events[i], i);
    }
    events[5] = make(-1, 0, name_cb, "unset");
    event_active(events[4], EV_READ, 1);
    event_active(events[3], EV_READ, 1);
    event_active(events[5], EV_READ, 1);
    event_active(events[2], EV_READ, 1);
    event_active(events[1], EV_READ, 1);
    event_active(events[0], EV_READ, 1);
    printf("  loop %d\n", event_base_loop(base, 0));
    for (int i = 0; i < 6; i++)
        event_free(events[i]);
}

int main(int argc, char **argv)
{
    static const struct scene scenes[] = {{"order", order}, {"middle", middle},
        {"urgent", urgent}, {"descriptors", descriptors}, {"results", results},
        {NULL, NULL}};

    return play(scenes, argc, argv);
}
