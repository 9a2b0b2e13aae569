/* ticker.c -- shows which timers keep time, which drift, and how often they
 * wake.
 *
 * Build: cc -o ticker ticker.c -levent_core
 * Run:   ./ticker [MILLISECONDS COUNT]     (10 100)
 * Try:   ./ticker 1 500
 */
#include <ctype.h>
#include <err.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/util.h>

/* A day in milliseconds; the ticks that the last scene shows. */
enum { MAX_NUMBER = 86400000, SHOWN = 3 };

struct ticker {
    struct event_base *base;
    struct event *timer;
    struct timeval interval;
    double interval_ms; /* the same */
    struct timeval due; /* of the next tick, on the base's clock */
    long ticks;         /* so far */
    long wanted;        /* then the timer stops, and with it the loop */
    double started;     /* in milliseconds, as clock_ms tells them */
    double came[SHOWN]; /* the same, of the first ticks */
};

static void usage(int status)
{
    fprintf(status ? stderr : stdout, "usage: ticker [MILLISECONDS COUNT]\n");
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

/* The number that TEXT names, 1 to MAX_NUMBER, or -1 if it names none. */
static long parse_positive(const char *text)
{
    char *end;
    long number = strtol(text, &end, 10);

    if (!isdigit((unsigned char)text[0]) || *end != '\0' || number < 1 ||
        number > MAX_NUMBER)
        return -1;
    return number;
}

/* Milliseconds by the exact clock, whichever the base uses. */
static double clock_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* How often this process has slept until the kernel woke it. */
static long count_sleeps(void)
{
    struct rusage used;

    getrusage(RUSAGE_SELF, &used);
    return used.ru_nvcsw;
}

/* Returns whether another tick is wanted. */
static bool count_tick(struct ticker *ticker)
{
    if (ticker->ticks < SHOWN)
        ticker->came[ticker->ticks] = clock_ms() - ticker->started;
    ticker->ticks++;
    return ticker->ticks < ticker->wanted;
}

/* For a timer that libevent has already added again: EV_PERSIST. */
static void persistent_cb(evutil_socket_t fd, short what, void *arg)
{
    struct ticker *ticker = arg;

    if (!count_tick(ticker))
        evtimer_del(ticker->timer);
}

/* Add the timer again, an interval from now on. Each tick is a little late, and
 * the next one is counted from there: the delays add up. */
static void from_now_cb(evutil_socket_t fd, short what, void *arg)
{
    struct ticker *ticker = arg;

    if (count_tick(ticker) && evtimer_add(ticker->timer, &ticker->interval) < 0)
        errx(1, "cannot add the timer again");
}

/* Add the timer again for an interval after the time when this tick was due,
 * however late it came. If that time has passed, the timer fires at once. */
static void from_due_cb(evutil_socket_t fd, short what, void *arg)
{
    struct ticker *ticker = arg;
    struct timeval now, delay = {0, 0};

    if (!count_tick(ticker))
        return;
    evutil_timeradd(&ticker->due, &ticker->interval, &ticker->due);
    event_base_update_cache_time(ticker->base);
    if (event_gettime_monotonic(ticker->base, &now) < 0)
        errx(1, "cannot read the clock");
    if (evutil_timercmp(&ticker->due, &now, >))
        evutil_timersub(&ticker->due, &now, &delay);
    if (evtimer_add(ticker->timer, &delay) < 0)
        errx(1, "cannot add the timer again");
}

/* A base that reads the exact clock, or as usual the cheap one. */
static struct event_base *base_with_clock(bool precise)
{
    struct event_config *config = event_config_new();

    if (!config || (precise && event_config_set_flag(
                                   config, EVENT_BASE_FLAG_PRECISE_TIMER) < 0))
        errx(1, "cannot configure an event base");
    struct event_base *base = event_base_new_with_config(config);
    if (!base)
        errx(1, "cannot make an event base");
    event_config_free(config);
    return base;
}

/* Make a timer, and run the loop until it stops. With AT_ONCE, event_active
 * brings the first tick at once, and tells the callback AT_ONCE. */
static void run_ticker(struct ticker *ticker, short flags,
    event_callback_fn tick_cb, short at_once)
{
    ticker->timer = event_new(ticker->base, -1, flags, tick_cb, ticker);
    if (!ticker->timer)
        errx(1, "cannot make a timer");
    ticker->ticks = 0;
    ticker->started = clock_ms();
    if (event_gettime_monotonic(ticker->base, &ticker->due) < 0 ||
        evtimer_add(ticker->timer, &ticker->interval) < 0)
        errx(1, "cannot add the timer");
    evutil_timeradd(&ticker->due, &ticker->interval, &ticker->due);
    if (at_once)
        event_active(ticker->timer, at_once, 0);
    if (event_base_dispatch(ticker->base) < 0)
        errx(1, "the event loop failed");
    event_free(ticker->timer);
}

/* Print a line: the time of all ticks, how much of it is delay, and the
 * sleeps. */
static void show_drift(struct ticker *ticker, const char *name, short flags,
    event_callback_fn tick_cb)
{
    double due = (double)ticker->wanted * ticker->interval_ms;
    long sleeps = count_sleeps();

    run_ticker(ticker, flags, tick_cb, 0);
    double took = clock_ms() - ticker->started;
    sleeps = count_sleeps() - sleeps;
    printf("  %-26s took %8.1f ms, drift %7.1f ms, sleeps a tick %4.1f\n", name,
        took, took - due, (double)sleeps / (double)ticker->wanted);
}

/* Print a line: when the first ticks came, with event_active before the
 * loop. */
static void show_first_ticks(
    struct ticker *ticker, const char *name, short at_once)
{
    ticker->wanted = SHOWN;
    run_ticker(ticker, EV_PERSIST, persistent_cb, at_once);
    printf("  %-26s ticks at %.0f, %.0f and %.0f ms\n", name, ticker->came[0],
        ticker->came[1], ticker->came[2]);
}

int main(int argc, char **argv)
{
    open_standard_fds();
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        usage(0);
    long interval = argc == 3 ? parse_positive(argv[1]) : 10;
    long count = argc == 3 ? parse_positive(argv[2]) : 100;
    if ((argc != 1 && argc != 3) || interval < 0 || count < 0)
        usage(2);

    struct ticker ticker = {.wanted = count,
        .interval_ms = (double)interval,
        .interval = {interval / 1000, interval % 1000 * 1000}};
    for (int precise = 0; precise <= 1; precise++) {
        printf("%ld ticks of %ld ms, %s clock:\n", count, interval,
            precise ? "the exact" : "the usual");
        ticker.base = base_with_clock(precise);
        show_drift(&ticker, "persistent", EV_PERSIST, persistent_cb);
        show_drift(&ticker, "added again from now", 0, from_now_cb);
        show_drift(&ticker, "added again from when due", 0, from_due_cb);
        event_base_free(ticker.base);
    }

    printf("a persistent timer of %ld ms, the first tick at once:\n", interval);
    ticker.base = base_with_clock(true);
    show_first_ticks(&ticker, "event_active, EV_TIMEOUT", EV_TIMEOUT);
    show_first_ticks(&ticker, "event_active, EV_READ", EV_READ);
    event_base_free(ticker.base);
    check_output();
    return 0;
}
