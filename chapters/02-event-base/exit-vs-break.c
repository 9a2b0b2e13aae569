/* exit-vs-break.c -- the two ways to end a loop, side by side.
 *
 * Build: cc -o exit-vs-break exit-vs-break.c -levent_core
 * Run:   ./exit-vs-break
 * Try:   change the order of the two event_active calls
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

static const struct timeval SOON = {0, 100000}; /* 0.1 s */

static void usage(int status)
{
    fprintf(status ? stderr : stdout, "usage: exit-vs-break\n");
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

static void exit_cb(evutil_socket_t fd, short what, void *arg)
{
    struct event_base *base = arg;

    printf("  first callback: event_base_loopexit(base, NULL)\n");
    if (event_base_loopexit(base, NULL) < 0)
        errx(1, "cannot end the loop");
}

static void break_cb(evutil_socket_t fd, short what, void *arg)
{
    struct event_base *base = arg;

    printf("  first callback: event_base_loopbreak(base)\n");
    if (event_base_loopbreak(base) < 0)
        errx(1, "cannot break the loop");
}

static void delayed_exit_cb(evutil_socket_t fd, short what, void *arg)
{
    struct event_base *base = arg;

    printf("  first callback: event_base_loopexit(base, 0.1 s)\n");
    if (event_base_loopexit(base, &SOON) < 0)
        errx(1, "cannot end the loop");
}

static void second_cb(evutil_socket_t fd, short what, void *arg)
{
    printf("  second callback\n");
}

static void timer_cb(evutil_socket_t fd, short what, void *arg)
{
    printf("  timer callback\n");
}

/* Run the loop and print how it ended. */
static void run(struct event_base *base)
{
    int result = event_base_dispatch(base);

    printf("  dispatch returned %d, got_exit %d, got_break %d\n", result,
        event_base_got_exit(base), event_base_got_break(base));
}

/* Two events active in one round, of which the first runs FIRST_CB. */
static void two_active(struct event_base *base, event_callback_fn first_cb)
{
    struct event *first = event_new(base, -1, 0, first_cb, base);
    struct event *second = event_new(base, -1, 0, second_cb, NULL);

    if (!first || !second)
        errx(1, "cannot make an event");
    event_active(first, EV_TIMEOUT, 0);
    event_active(second, EV_TIMEOUT, 0);
    run(base);
    if (event_base_got_break(base)) {
        printf("what the break left is still active, so the next round:\n");
        run(base);
    }
    event_free(second);
    event_free(first);
}

static void default_cb(evutil_socket_t fd, short what, void *arg)
{
    printf("  callback of the default priority\n");
}

static void low_cb(evutil_socket_t fd, short what, void *arg)
{
    printf("  callback of a lower priority\n");
}

/* Three events active in one round, each of a priority of its own: 0, which is
 * the highest, 1, which events have by default, and 2. */
static void three_priorities(void)
{
    const event_callback_fn callbacks[] = {exit_cb, default_cb, low_cb};
    struct event *events[3];
    struct event_base *base = event_base_new();

    if (!base || event_base_priority_init(base, 3) < 0)
        errx(1, "cannot make an event base with priorities");
    for (int i = 0; i < 3; i++) {
        events[i] = event_new(base, -1, 0, callbacks[i], base);
        if (!events[i] || event_priority_set(events[i], i) < 0)
            errx(1, "cannot make an event");
        event_active(events[i], EV_TIMEOUT, 0);
    }
    run(base);
    printf("what the exit left is still active, so the next round:\n");
    run(base);
    for (int i = 0; i < 3; i++)
        event_free(events[i]);
    event_base_free(base);
}

static void add_timer(struct event_base *base)
{
    if (event_base_once(base, -1, EV_TIMEOUT, timer_cb, NULL, &SOON) < 0)
        errx(1, "cannot add a timer");
}

int main(int argc, char **argv)
{
    open_standard_fds();
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        usage(0);
    if (argc != 1)
        usage(2);

    //> base
    struct event_base *base = event_base_new();
    if (!base)
        errx(1, "cannot make an event base");

    //> in-a-callback
    printf("loopexit in a callback:\n");
    two_active(base, exit_cb);
    printf("loopexit with a delay, in a callback:\n");
    two_active(base, delayed_exit_cb);
    printf("loopbreak in a callback:\n");
    two_active(base, break_cb);
    printf("loopexit in a callback, events of three priorities:\n");
    three_priorities();

    //> before-dispatch
    printf("loopbreak before dispatch, a timer pending:\n");
    add_timer(base);
    event_base_loopbreak(base);
    run(base);
    printf("loopexit before dispatch, a timer pending:\n");
    add_timer(base);
    if (event_base_loopexit(base, NULL) < 0)
        errx(1, "cannot end the loop");
    run(base);

    event_base_free(base);
    check_output();
    return 0;
}
