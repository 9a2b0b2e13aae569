/* event-states.c -- follows events through their states, call by call.
 *
 * Build: cc -o event-states event-states.c -levent_core
 * Run:   ./event-states
 * Try:   remove EV_PERSIST from the pipe's event
 */
#include <err.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>

static const struct timeval SOON = {0, 50000}; /* 0.05 s */

/* Of the priorities 0 to 3, libevent's own signal event has 0 and an event
 * that asks for none has 2: the observer runs in between. */
enum { OBSERVER = 1 };

static void usage(int status)
{
    fprintf(status ? stderr : stdout, "usage: event-states\n");
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

/* The state of EVENT, the only one on its base but the observer. The base
 * counts an event once for being added and once more for being active. */
static const char *state(const struct event *event)
{
    struct event_base *base = event_get_base(event);
    int active = event_base_get_num_events(base, EVENT_BASE_COUNT_ACTIVE);
    int added = event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED);

    if (active > 0)
        return added > active ? "pending and active" : "active";
    return added > 0 ? "pending" : "non-pending";
}

/* The last column is what event_pending returns, which does not distinguish
 * pending from active: it has the flags of both. */
static void print_state(const char *when, const struct event *event)
{
    int flags = event_pending(event, EV_TIMEOUT | EV_READ | EV_SIGNAL, NULL);

    printf("  %-22s %-20s event_pending:%s%s%s%s\n", when, state(event),
        flags & EV_TIMEOUT ? " EV_TIMEOUT" : "",
        flags & EV_READ ? " EV_READ" : "",
        flags & EV_SIGNAL ? " EV_SIGNAL" : "", flags ? "" : " 0");
}

static void subject_cb(evutil_socket_t fd, short what, void *arg)
{
    print_state("in its callback", event_base_get_running_event(arg));
}

static void observer_cb(evutil_socket_t fd, short what, void *arg)
{
    print_state("the loop has seen it", arg);
}

/* EVENT's condition is true: run one round of the loop. The observer, of higher
 * priority (chapter 11), runs between the check and EVENT's callback.
 */
static void run_round(struct event_base *base, struct event *event)
{
    struct event *observer = event_new(base, -1, 0, observer_cb, event);

    if (!observer || event_priority_set(observer, OBSERVER) < 0)
        errx(1, "cannot make the observer");
    print_state("it has happened", event);
    event_active(observer, EV_TIMEOUT, 0);
    event_base_loop(base, EVLOOP_ONCE);
    print_state("after its callback", event);
    event_free(observer);
}

static void add(struct event *event, const struct timeval *timeout)
{
    if (event_add(event, timeout) < 0)
        errx(1, "cannot add an event");
    print_state("event_add", event);
}

static struct event *make(
    struct event_base *base, evutil_socket_t fd, short what)
{
    struct event *event = event_new(base, fd, what, subject_cb, base);

    if (!event)
        errx(1, "cannot make an event");
    print_state("event_new", event);
    return event;
}

static void show_timeout(struct event_base *base)
{
    printf("a timeout:\n");
    struct event *event = make(base, -1, 0);
    add(event, &SOON);
    nanosleep(&(struct timespec){0, 60000000}, NULL);
    run_round(base, event);
    event_free(event);
}

static void show_fd(struct event_base *base)
{
    int ends[2];

    printf("a pipe, EV_READ | EV_PERSIST:\n");
    if (pipe(ends) != 0)
        err(1, "pipe");
    struct event *event = make(base, ends[0], EV_READ | EV_PERSIST);
    add(event, NULL);
    if (write(ends[1], "x", 1) != 1)
        err(1, "write");
    run_round(base, event);
    add(event, &SOON);
    if (event_remove_timer(event) < 0)
        errx(1, "cannot remove a timeout");
    print_state("event_remove_timer", event);
    if (event_del(event) < 0)
        errx(1, "cannot delete an event");
    print_state("event_del", event);
    event_free(event);
    close(ends[0]);
    close(ends[1]);
}

/* For event_base_foreach_event: print what EVENT knows of itself. */
static int list_cb(
    const struct event_base *base, const struct event *event, void *arg)
{
    if (event_get_callback(event) == subject_cb)
        printf("  our event: fd %d, events 0x%02x, argument: %s\n",
            event_get_fd(event), (unsigned)event_get_events(event),
            event_get_callback_arg(event) == base ? "the base" : "?");
    else
        printf("  an event of libevent's own, which wakes it for signals\n");
    return 0; /* any other result ends the list */
}

static void show_signal(struct event_base *base)
{
    printf("a signal, EV_SIGNAL | EV_PERSIST:\n");
    struct event *event = make(base, SIGUSR1, EV_SIGNAL | EV_PERSIST);
    add(event, NULL);
    raise(SIGUSR1);
    run_round(base, event);
    event_base_foreach_event(base, list_cb, NULL);
    printf("  at most %d events were active at the same time\n",
        event_base_get_max_events(base, EVENT_BASE_COUNT_ACTIVE, 0));
    event_free(event);
}

/* event_active skips the waiting: the event need not even be added. */
static void show_active(struct event_base *base)
{
    printf("made active by hand:\n");
    struct event *event = make(base, -1, 0);
    event_active(event, EV_TIMEOUT, 0);
    print_state("event_active", event);
    event_base_loop(base, EVLOOP_ONCE);
    print_state("after its callback", event);

    printf("made active by hand, then deleted:\n");
    add(event, &SOON);
    event_active(event, EV_TIMEOUT, 0);
    print_state("event_active", event);
    if (event_del(event) < 0)
        errx(1, "cannot delete an event");
    print_state("event_del", event);
    event_free(event);
}

/* Output that could not be written, because the disk is full or standard output
 * is closed, is a failure of a program whose output is its result. */
static void check_output(void)
{
    if (fflush(stdout) != 0 || ferror(stdout))
        err(1, "cannot write to standard output");
}

int main(int argc, char **argv)
{
    open_standard_fds();
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        usage(0);
    if (argc != 1)
        usage(2);
    struct event_base *base = event_base_new();
    if (!base || event_base_priority_init(base, 4) < 0)
        errx(1, "cannot make an event base");

    show_timeout(base);
    show_fd(base);
    show_signal(base);
    show_active(base);

    event_base_free(base);
    check_output();
    return 0;
}
