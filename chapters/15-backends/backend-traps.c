/* backend-traps.c -- two traps that differ by back end, and two of epoll.
 *
 * Build: cc -o backend-traps backend-traps.c -levent_core
 * Run:   ./backend-traps
 * Try:   strace -e trace=epoll_ctl,epoll_wait ./backend-traps
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/util.h>

static const char *const METHODS[] = {"epoll", "poll", "select", NULL};

static int calls; /* callbacks that ran since it was set to 0 */

static void usage(int status)
{
    fprintf(status ? stderr : stdout, "usage: backend-traps\n");
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

/* A base on the back end METHOD, or on any if it is NULL, with FLAGS and with
 * all FEATURES; NULL if there is none. A METHOD counts for more than
 * EVENT_NOEPOLL and the like. */
static struct event_base *base_on(const char *method, int flags, int features)
{
    struct event_config *config = event_config_new();
    const char **methods = event_get_supported_methods();

    if (!config || !methods ||
        event_config_set_flag(
            config, flags | (method ? EVENT_BASE_FLAG_IGNORE_ENV : 0)) < 0 ||
        event_config_require_features(config, features) < 0)
        errx(1, "cannot make a configuration");
    for (int i = 0; method && methods[i]; i++)
        if (strcmp(methods[i], method) != 0 &&
            event_config_avoid_method(config, methods[i]) < 0)
            errx(1, "cannot avoid the back end %s", methods[i]);
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

/* A base on the back end METHOD. */
static struct event_base *must_base_on(const char *method, int flags)
{
    struct event_base *base = base_on(method, flags, 0);

    if (!base)
        errx(1, "libevent has no back end %s here", method);
    return base;
}

/* What fails is shown by us; and writing a warning would change errno. */
static void silent_cb(int severity, const char *text)
{
}

static void note_cb(evutil_socket_t fd, short what, void *arg)
{
    calls++;
}

static struct event *event_on(struct event_base *base, int fd, short what)
{
    struct event *event = event_new(base, fd, what, note_cb, NULL);

    if (!event)
        errx(1, "cannot make an event");
    return event;
}

/* Make EVENT pending, at start-up: an event that cannot be added ends the
 * program. */
static void add_event(struct event *event)
{
    if (!event || event_add(event, NULL) < 0)
        errx(1, "cannot add an event");
}

static void open_pair(int pair[2])
{
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
        err(1, "cannot make a pair of sockets");
}

/* Ask the kernel COUNT times what is ready, without waiting. */
static void poll_times(struct event_base *base, int count)
{
    calls = 0;
    for (int i = 0; i < count; i++)
        if (event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK) < 0)
            errx(1, "the loop has failed");
}

/* Let the loop run for 0.2 s, and say whether it slept meanwhile: one that
 * spins never does, and ru_nvcsw stays (getrusage(2)). */
static const char *wait_and_see(struct event_base *base)
{
    struct rusage before, after;

    getrusage(RUSAGE_SELF, &before);
    if (event_base_loopexit(base, &(struct timeval){0, 200000}) < 0 ||
        event_base_dispatch(base) < 0)
        errx(1, "the loop has failed");
    getrusage(RUSAGE_SELF, &after);
    return after.ru_nvcsw == before.ru_nvcsw ? "it spins" : "it sleeps";
}

/* A file on a disk is always ready; epoll(7) refuses to watch it. */
static void show_file(const char *method)
{
    struct event_base *base = must_base_on(method, 0);
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        err(1, "cannot open a file");
    struct event *event = event_on(base, fd, EV_READ);
    const char *result =
        event_add(event, NULL) < 0 ? strerror(errno) : "Success";
    poll_times(base, 1);
    printf("%-6s  event_add: %s, callbacks: %d\n", method, result, calls);
    event_free(event);
    close(fd);
    event_base_free(base);
}

/* EV_CLOSED tells of the peer's end while its bytes are still unread. */
static void show_closed(const char *method)
{
    struct event_base *base = must_base_on(method, 0);
    int pair[2];

    open_pair(pair);
    struct event *event = event_on(base, pair[0], EV_CLOSED);
    add_event(event);
    if (write(pair[1], "unread", 6) != 6)
        err(1, "cannot write");
    close(pair[1]);
    poll_times(base, 1);
    printf("%-6s  EV_FEATURE_EARLY_CLOSE: %s, callbacks: %d\n", method,
        event_base_get_features(base) & EV_FEATURE_EARLY_CLOSE ? "yes" : "no",
        calls);
    event_free(event);
    close(pair[0]);
    event_base_free(base);
}

/* Three looks at a byte that nobody reads: 1 callback is edge-triggered, 3 are
 * level-triggered. */
static void show_edges(void)
{
    struct event_base *base = must_base_on("epoll", 0);
    int pair[2];

    open_pair(pair);
    struct event *reader =
        event_on(base, pair[0], EV_READ | EV_PERSIST | EV_ET);
    struct event *writer =
        event_on(base, pair[0], EV_WRITE | EV_PERSIST | EV_ET);
    if (event_add(reader, NULL) < 0 || write(pair[1], "x", 1) != 1)
        err(1, "cannot watch a socket");
    poll_times(base, 3);
    printf("one EV_ET event, callbacks: %d\n", calls);
    add_event(writer);
    event_del(writer);
    poll_times(base, 3);
    printf("a second EV_ET event added and deleted, callbacks: %d\n", calls);
    struct event *level = event_on(base, pair[0], EV_READ | EV_PERSIST);
    add_event(level);
    poll_times(base, 3);
    printf("an event without EV_ET added beside it, callbacks: %d\n", calls);
    event_free(level);
    event_free(writer);
    event_free(reader);
    close(pair[0]);
    close(pair[1]);
    event_base_free(base);
}

/* A socket with a second descriptor becomes readable; its event is deleted and
 * its descriptor closed, in this order or in the other one. */
static void show_dup(int flags, int close_first, const char *what)
{
    struct event_base *base = must_base_on("epoll", flags);
    int pair[2];

    open_pair(pair);
    int second = dup(pair[0]);
    struct event *event = event_on(base, pair[0], EV_READ | EV_PERSIST);
    if (second < 0 || event_add(event, NULL) < 0)
        err(1, "cannot watch a socket");
    poll_times(base, 1); /* now the kernel watches it, too */
    if (!close_first)
        event_del(event);
    close(pair[0]);
    event_del(event); /* twice does no harm */
    if (write(pair[1], "x", 1) != 1)
        err(1, "cannot write");
    printf("%s: %s\n", what, wait_and_see(base));
    event_free(event);
    close(second);
    close(pair[1]);
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

    event_set_log_callback(silent_cb);
    printf("a file on a disk\n");
    for (int i = 0; METHODS[i]; i++)
        show_file(METHODS[i]);
    printf("a peer that has closed, and bytes of it that are unread\n");
    for (int i = 0; METHODS[i]; i++)
        show_closed(METHODS[i]);
    printf("a byte that nobody reads, on epoll, looked at three times\n");
    show_edges();
    printf("a socket with a second descriptor\n");
    show_dup(0, 0, "event_del, then close");
    show_dup(0, 1, "close, then event_del");
    show_dup(EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST, 0,
        "event_del, then close, with the changelist");
    check_output();
    return 0;
}
