/* priority-order.c -- which callback runs first, and which never runs.
 *
 * Build: cc -o priority-order priority-order.c -levent_core
 * Run:   ./priority-order
 * Try:   EVENT_SHOW_METHOD=1 ./priority-order
 */
#include <err.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/bufferevent.h>
#include <event2/event.h>

enum { CALLS = 20000 };
static int ready; /* a descriptor that is always readable */

static void usage(int status)
{
    fprintf(status ? stderr : stdout, "usage: priority-order\n");
    exit(status);
}

/* Open what is missing of standard input, output and error: the numbers would
 * otherwise go to libevent's own descriptors, and what we print with them.
 * Opened for reading alone, so that printing fails as it did. */
static void open_standard_fds(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            open("/dev/null", O_RDONLY); /* gets the lowest number, FD */
}

/* Output that could not be written, because the disk is full or standard output
 * is closed, is a failure of a program whose output is its result. */
static void check_output(void)
{
    if (fflush(stdout) != 0 || ferror(stdout))
        err(1, "cannot write to standard output");
}

static struct event_base *new_base(int priorities)
{
    struct event_base *base = event_base_new();

    if (!base || event_base_priority_init(base, priorities) < 0)
        errx(1, "cannot make an event base with priorities");
    return base;
}

/* An event of PRIORITY. It is not pending yet. */
static struct event *make_event(struct event_base *base, int priority,
    evutil_socket_t fd, short events, event_callback_fn cb, void *arg)
{
    struct event *event = event_new(base, fd, events, cb, arg);

    if (!event || event_priority_set(event, priority) < 0)
        errx(1, "cannot make an event");
    return event;
}

static void run_loop(struct event_base *base)
{
    if (event_base_dispatch(base) < 0)
        errx(1, "the event loop failed");
}

static void print_cb(evutil_socket_t fd, short what, void *name)
{
    printf("  %s\n", (const char *)name);
}

static void returns(const char *call, int result)
{
    printf("  %-51s %3d\n", call, result);
}

/* What the calls return, and which priority an event has. */
static void show_numbers(void)
{
    struct event_base *base = new_base(1);
    struct event *early = event_new(base, -1, 0, print_cb, "");

    printf("what the calls return:\n");
    returns("EVENT_MAX_PRIORITIES", EVENT_MAX_PRIORITIES);
    returns("event_base_priority_init(base, 256)",
        event_base_priority_init(base, 256));
    returns("event_base_priority_init(base, 255)",
        event_base_priority_init(base, 255));
    event_base_priority_init(base, 3);
    returns("event_base_get_npriorities", event_base_get_npriorities(base));
    struct event *event = event_new(base, -1, 0, print_cb, "");
    if (!early || !event)
        errx(1, "cannot make an event");
    returns("event_get_priority of an event made before that",
        event_get_priority(early));
    returns(
        "event_get_priority of one made after it", event_get_priority(event));
    returns("event_priority_set(event, 3)", event_priority_set(event, 3));
    returns("event_priority_set(event, 2)", event_priority_set(event, 2));
    event_active(event, EV_TIMEOUT, 0);
    returns("event_priority_set(event, 0), the event active",
        event_priority_set(event, 0));
    returns("event_base_priority_init(base, 4), an event active",
        event_base_priority_init(base, 4));
    event_free(event);
    event_free(early);
    event_base_free(base);
}

static void middle_cb(evutil_socket_t fd, short what, void *high)
{
    printf("  middle, makes high active\n");
    event_active(high, EV_TIMEOUT, 0);
}

/* The first middle callback makes an event active that is more urgent: it runs
 * next, before the other middle event, which was active before it. */
static void show_order(void)
{
    struct event_base *base = new_base(3);
    struct event *high = make_event(base, 0, -1, 0, print_cb, "high");
    struct event *events[] = {make_event(base, 2, -1, 0, print_cb, "low"),
        make_event(base, 1, -1, 0, middle_cb, high),
        make_event(base, 1, -1, 0, print_cb, "middle")};

    printf("made active in this order: low, middle, middle\n");
    for (int i = 0; i < 3; i++)
        event_active(events[i], EV_TIMEOUT, 0);
    run_loop(base);
    for (int i = 0; i < 3; i++)
        event_free(events[i]);
    event_free(high);
    event_base_free(base);
}

static int busy_calls, other_calls;

static void busy_cb(evutil_socket_t fd, short what, void *base)
{
    if (++busy_calls == CALLS)
        event_base_loopbreak(base);
}

static void other_cb(evutil_socket_t fd, short what, void *arg)
{
    other_calls++;
}

/* Whether an event on FD with EVENTS runs while one of priority 0 is always
 * ready. EVENTS is 0: whether event_base_loopexit ends the loop. */
static void starve(const char *who, int priority, int fd, short events)
{
    const struct timeval soon = {0, 1000}; /* 1 ms */
    struct event_base *base = new_base(2);
    struct event *other =
        make_event(base, priority, fd, events | EV_PERSIST, other_cb, NULL);
    struct event *busy =
        make_event(base, 0, ready, EV_READ | EV_PERSIST, busy_cb, base);

    busy_calls = other_calls = 0;
    if (event_add(busy, NULL) < 0 ||
        (events ? event_add(other, events & EV_TIMEOUT ? &soon : NULL)
                : event_base_loopexit(base, NULL)) < 0)
        errx(1, "cannot add an event");
    raise(SIGUSR1); /* ignored, unless an event waits for it */
    run_loop(base);
    printf("  %-51s %s\n", who,
        other_calls || event_base_got_exit(base) ? "runs" : "never runs");
    event_free(busy);
    event_free(other);
    event_base_free(base);
}

static void show_starvation(void)
{
    signal(SIGUSR1, SIG_IGN);
    printf("while an event of priority 0 is always ready:\n");
    starve("another one that is always ready, priority 0", 0, ready, EV_READ);
    starve("another one that is always ready, priority 1", 1, ready, EV_READ);
    starve("a timer of 1 ms, priority 1", 1, -1, EV_TIMEOUT);
    starve("a signal event, priority 0", 0, SIGUSR1, EV_SIGNAL);
    starve("a signal event, priority 1", 1, SIGUSR1, EV_SIGNAL);
    starve("the event of event_base_loopexit(base, NULL)", 1, -1, 0);
}

/* A bufferevent whose descriptor is set loses its priority. */
static void show_bufferevents(void)
{
    struct event_base *base = new_base(3);
    struct bufferevent *pair[2];
    struct bufferevent *bev = bufferevent_socket_new(base, -1, 0);

    if (!bev || bufferevent_pair_new(base, 0, pair) < 0)
        errx(1, "cannot make a bufferevent");
    printf("bufferevents:\n");
    returns("bufferevent_get_priority, new", bufferevent_get_priority(bev));
    returns(
        "bufferevent_priority_set(bev, 0)", bufferevent_priority_set(bev, 0));
    returns("bufferevent_get_priority", bufferevent_get_priority(bev));
    returns("bufferevent_setfd", bufferevent_setfd(bev, ready));
    returns("bufferevent_get_priority", bufferevent_get_priority(bev));
    returns("bufferevent_priority_set(one of a pair, 0)",
        bufferevent_priority_set(pair[0], 0));
    bufferevent_free(pair[1]);
    bufferevent_free(pair[0]);
    bufferevent_free(bev);
    event_base_free(base);
}

int main(int argc, char **argv)
{
    open_standard_fds();
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        usage(0);
    if (argc != 1)
        usage(2);

    //> ready
    int ends[2];
    if (pipe(ends) != 0 || write(ends[1], "x", 1) != 1)
        err(1, "cannot fill a pipe");
    ready = ends[0];

    show_numbers();
    show_order();
    show_starvation();
    show_bufferevents();
    check_output();
    return 0;
}
