/* Starter and solution in one: look once you have passed (make compare-NN). */
/* stopwatch.c -- a timer that does what it is told on standard input.
 *
 * Build: cc -o stopwatch stopwatch.c -levent_core
 * Run:   ./stopwatch
 * Try:   add 2000, state, activate, add-persist 500, del, quit, a line each
 */
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

enum { MAX_MS = 3600000 }; /* an hour */

struct stopwatch {
    struct event_base *base;
    struct event *input_event; /* standard input is readable */
    struct event *timer;
    char input[4096]; /* lines that have come and were not handled yet */
    size_t length;    /* bytes of it */
};

/* The milliseconds that TEXT names, 1 to MAX_MS, or -1 if it names none. */
static int parse_ms(const char *text)
{
    char *end;
    long ms = strtol(text, &end, 10);

    if (!isdigit((unsigned char)text[0]) || *end != '\0' || ms < 1 ||
        ms > MAX_MS)
        return -1;
    return (int)ms;
}

#ifdef SOLUTION
/* Ask event_pending, which returns the flags that an event waits for and those
 * that made it active. activate_timer uses a flag that the timer never waits
 * for, so that the two can be distinguished. */
static const char *state(const struct stopwatch *watch)
{
    int flags = event_pending(watch->timer, EV_TIMEOUT | EV_READ, NULL);

    if (flags & EV_READ)
        return flags & EV_TIMEOUT ? "pending and active" : "active";
    return flags & EV_TIMEOUT ? "pending" : "non-pending";
}

static void timer_cb(evutil_socket_t fd, short what, void *arg)
{
    printf("fired: %s\n", state(arg));
}

/* Replace the timer by one that is not pending. It is a new event, since
 * EV_PERSIST is chosen when an event is made, and the old one keeps its
 * interval: made active after event_del, it would be added again with it. */
static void renew_timer(struct stopwatch *watch, short flags)
{
    if (watch->timer)
        event_free(watch->timer);
    watch->timer = event_new(watch->base, -1, flags, timer_cb, watch);
    if (!watch->timer)
        errx(1, "cannot make the timer");
}

static void start_timer(struct stopwatch *watch, int repeats, int ms)
{
    struct timeval timeout = {ms / 1000, ms % 1000 * 1000};

    renew_timer(watch, repeats ? EV_PERSIST : 0);
    if (event_add(watch->timer, &timeout) < 0)
        errx(1, "cannot start the timer");
}

static void stop_timer(struct stopwatch *watch)
{
    renew_timer(watch, 0);
}

static void activate_timer(struct stopwatch *watch)
{
    event_active(watch->timer, EV_READ, 0);
}
#else
/* The timer's state: non-pending, pending, active, or pending and active. */
static const char *state(const struct stopwatch *watch)
{
    return "unknown"; /* yours: ask event_pending */
}

static void timer_cb(evutil_socket_t fd, short what, void *arg)
{
    /* yours: print "fired" and the state, as it is now */
}

static void start_timer(struct stopwatch *watch, int repeats, int ms)
{
    /* yours: replace the timer; fire in MS milliseconds */
}

static void stop_timer(struct stopwatch *watch)
{
    /* yours: the timer waits for nothing and fires no more */
}

static void activate_timer(struct stopwatch *watch)
{
    /* yours: the timer fires as soon as the loop goes on */
}
#endif

/* Obey LINE. Returns whether it is a command. */
static int do_command(struct stopwatch *watch, const char *line)
{
    int ms;

    if (strncmp(line, "add ", 4) == 0 && (ms = parse_ms(line + 4)) > 0)
        start_timer(watch, 0, ms);
    else if (strncmp(line, "add-persist ", 12) == 0 &&
             (ms = parse_ms(line + 12)) > 0)
        start_timer(watch, 1, ms);
    else if (strcmp(line, "del") == 0)
        stop_timer(watch);
    else if (strcmp(line, "activate") == 0)
        activate_timer(watch);
    else
        return strcmp(line, "state") == 0;
    return 1;
}

static void obey(struct stopwatch *watch, const char *line)
{
    if (strcmp(line, "quit") == 0)
        event_base_loopbreak(watch->base);
    else if (do_command(watch, line))
        printf("%.*s: %s\n", (int)strcspn(line, " "), line, state(watch));
    else
        warnx("cannot understand: %s", line);
}

/* Obey the complete lines, and keep an incomplete one for the next read. */
static void obey_lines(struct stopwatch *watch)
{
    char *line = watch->input, *last = watch->input + watch->length, *end;

    while (!event_base_got_break(watch->base) &&
           (end = memchr(line, '\n', (size_t)(last - line)))) {
        *end = '\0';
        obey(watch, line);
        line = end + 1;
    }
    watch->length = (size_t)(last - line);
    memmove(watch->input, line, watch->length);
}

/* No more lines will come. */
static void end_input(struct stopwatch *watch)
{
    if (watch->length > 0) { /* the last line has no newline */
        watch->input[watch->length++] = '\n';
        obey_lines(watch);
    }
#ifdef SOLUTION
    /* Once nothing is pending, the loop ends by itself. A timer that repeats
     * would keep it running. */
    event_del(watch->input_event);
    if (event_get_events(watch->timer) & EV_PERSIST)
        stop_timer(watch);
#else
    /* yours: rather than end here, let a timer that fires once do so */
    event_base_loopbreak(watch->base);
#endif
}

static void input_cb(evutil_socket_t fd, short what, void *arg)
{
    struct stopwatch *watch = arg;
    ssize_t length = read(
        fd, watch->input + watch->length, sizeof(watch->input) - watch->length);

    if (length > 0) {
        watch->length += (size_t)length;
        obey_lines(watch);
        if (watch->length == sizeof(watch->input))
            errx(1, "a line is too long");
    } else if (length == 0) {
        end_input(watch);
    } else if (errno != EAGAIN && errno != EINTR) {
        err(1, "cannot read standard input");
    }
}

/* A base that can watch files too: epoll refuses a regular file or /dev/null
 * as standard input, poll and select take them. */
static struct event_base *base_for_files(void)
{
    struct event_config *config = event_config_new();

    if (!config || event_config_require_features(config, EV_FEATURE_FDS) < 0)
        errx(1, "cannot configure the event base");
    struct event_base *base = event_base_new_with_config(config);
    if (!base)
        errx(1, "cannot make an event base that watches files");
    event_config_free(config);
    return base;
}

/* Make EVENT pending, at start-up: an event that cannot be added ends the
 * program. */
static void add_event(struct event *event)
{
    if (!event || event_add(event, NULL) < 0)
        errx(1, "cannot add an event");
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc != 1) {
        fprintf(stderr, "usage: stopwatch\n");
        return 2;
    }

    struct stopwatch watch = {.base = base_for_files()};
    watch.input_event = event_new(
        watch.base, STDIN_FILENO, EV_READ | EV_PERSIST, input_cb, &watch);
    add_event(watch.input_event);
#ifdef SOLUTION
    renew_timer(&watch, 0);
#else
    watch.timer = event_new(watch.base, -1, 0, timer_cb, &watch);
    if (!watch.timer)
        errx(1, "cannot make the timer");
#endif

    int result = event_base_dispatch(watch.base);

    event_free(watch.timer);
    event_free(watch.input_event);
    event_base_free(watch.base);
    return result < 0 ? 1 : 0;
}
