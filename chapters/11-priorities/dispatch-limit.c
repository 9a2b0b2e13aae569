/* dispatch-limit.c -- how long an urgent event waits for bulk ones, and limits.
 *
 * Build: cc -o dispatch-limit dispatch-limit.c -levent_core
 * Run:   ./dispatch-limit
 * Try:   delete the flag EVENT_BASE_FLAG_PRECISE_TIMER, and run it ten times
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>

static const struct timeval FIVE_MS = {0, 5000};
static const struct timeval AT_ONCE = {0, 0};

enum { BULK = 100, MOST = 1000 };

/* What a bulk callback does. All but ACTIVATE write to the pipe, the first of
 * them alone. */
enum manner {
    WRITE,
    SLEEP,    /* each takes 1 ms */
    CONTINUE, /* the first calls event_base_loopcontinue */
    ACTIVATE, /* the first makes the urgent event active, without the pipe */
    AGAIN,    /* each makes itself active again, until there were MOST calls */
    TIMER     /* the same with a timer of 0 seconds */
};

struct setting {
    const char *what;
    int bulk_priority; /* 0: the base has one priority, otherwise three */
    int max_callbacks; /* -1: no limit */
    const struct timeval *max_interval;
    int min_priority; /* the limits hold for this number and above */
    enum manner manner;
};

struct race {
    const struct setting *setting;
    struct event_base *base;
    struct event *urgent; /* of priority 0 */
    int pipe[2];          /* the urgent event reads from it */
    int bulk;             /* bulk callbacks so far */
    int before;           /* of these, before the urgent one */
};

static void usage(int status)
{
    fprintf(status ? stderr : stdout, "usage: dispatch-limit\n");
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

static void urgent_cb(evutil_socket_t fd, short what, void *arg)
{
    struct race *race = arg;

    race->before = race->bulk;
    event_del(race->urgent);
}

static void bulk_cb(evutil_socket_t fd, short what, void *arg)
{
    struct race *race = arg;
    enum manner manner = race->setting->manner;
    struct event *self = event_base_get_running_event(race->base);

    if (race->bulk++ == 0) {
        if (manner == ACTIVATE)
            event_active(race->urgent, EV_READ, 0);
        else if (write(race->pipe[1], "x", 1) != 1)
            err(1, "cannot write to a pipe");
        if (manner == CONTINUE)
            event_base_loopcontinue(race->base);
    }
    if (manner == SLEEP)
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    if (manner == AGAIN && race->bulk <= MOST - BULK)
        event_active(self, EV_TIMEOUT, 0);
    if (manner == TIMER && race->bulk <= MOST - BULK &&
        event_add(self, &AT_ONCE) < 0)
        errx(1, "cannot add a timer");
}

/* The limits are part of the configuration that a base is made with. Its clock
 * moves in steps of 4 ms, unless it is asked to be precise (chapter 9). */
static struct event_base *race_base(const struct setting *setting)
{
    struct event_config *config = event_config_new();

    //> limits
    if (!config ||
        event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER) < 0 ||
        event_config_set_max_dispatch_interval(config, setting->max_interval,
            setting->max_callbacks, setting->min_priority) < 0)
        errx(1, "cannot configure an event base");
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);

    if (!base ||
        event_base_priority_init(base, setting->bulk_priority > 0 ? 3 : 1) < 0)
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

/* BULK events are active when the loop begins. The first of them makes the
 * urgent event ready: how many run before it? */
static void run_race(const struct setting *setting)
{
    struct race race = {.setting = setting, .base = race_base(setting)};
    struct event *bulk[BULK];

    if (pipe(race.pipe) != 0)
        err(1, "cannot make a pipe");
    race.urgent = make_event(
        race.base, 0, race.pipe[0], EV_READ | EV_PERSIST, urgent_cb, &race);
    if (event_add(race.urgent, NULL) < 0)
        errx(1, "cannot watch a pipe");
    for (int i = 0; i < BULK; i++) {
        bulk[i] = make_event(
            race.base, setting->bulk_priority, -1, 0, bulk_cb, &race);
        event_active(bulk[i], EV_TIMEOUT, 0);
    }
    run_loop(race.base);
    printf("%-50s %4d\n", setting->what, race.before);

    for (int i = 0; i < BULK; i++)
        event_free(bulk[i]);
    event_free(race.urgent);
    event_base_free(race.base);
    close(race.pipe[0]);
    close(race.pipe[1]);
}

int main(int argc, char **argv)
{
    static const struct setting settings[] = {
        {"one priority", 0, -1, NULL, 0, WRITE},
        {"one priority, at most 10 callbacks", 0, 10, NULL, 0, WRITE},
        {"bulk 1", 1, -1, NULL, 0, WRITE},
        {"bulk 1, at most 10 callbacks, min_priority 1", 1, 10, NULL, 1, WRITE},
        {"bulk 2, at most 10 callbacks, min_priority 1", 2, 10, NULL, 1, WRITE},
        {"bulk 1, at most 10 callbacks, min_priority 2", 1, 10, NULL, 2, WRITE},
        {"bulk 1, at most 5 ms, each takes 1 ms", 1, -1, &FIVE_MS, 1, SLEEP},
        {"bulk 1, event_base_loopcontinue", 1, -1, NULL, 0, CONTINUE},
        {"bulk 1, event_active of the urgent event", 1, -1, NULL, 0, ACTIVATE},
        {"bulk 1, each makes itself active again", 1, -1, NULL, 0, AGAIN},
        {"bulk 1, each adds itself with a timer of 0", 1, -1, NULL, 0, TIMER},
    };

    open_standard_fds();
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        usage(0);
    if (argc != 1)
        usage(2);

    printf(
        "bulk callbacks before the urgent one, of %d that are active:\n", BULK);
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
        run_race(&settings[i]);
    check_output();
    return 0;
}
