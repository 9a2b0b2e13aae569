/* backend-bench.c -- what one event costs while many connections are idle.
 *
 * Build: cc -o backend-bench backend-bench.c -levent_core
 * Run:   ./backend-bench [-m METHOD] [-e EVENTS] [CONNECTIONS...]
 * Try:   ./backend-bench 100 1000 10000
 */
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/util.h>

enum { ACTIVE = 100 }; /* events at a time, several of one if there are fewer */

static const char *const METHODS[] = {"epoll", "poll", "select", NULL};
static char *const COUNTS[] = {"100", "1000", "10000", "30000", NULL};

/* A connection is an eventfd(2), a counter: one descriptor, readable unless it
 * is 0. Reading and writing cost little, so that the back end is measured. */
struct conn {
    struct bench *bench;
    struct event *event;
    int fd;
};

struct bench {
    struct event_base *base;
    struct conn *conns;
    long connections, writes, reads; /* reads and writes still to come */
};

static void usage(int status)
{
    fprintf(status ? stderr : stdout,
        "usage: backend-bench [-m METHOD] [-e EVENTS] [CONNECTIONS...]\n");
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

/* The number that TEXT is, from 1 to 10 million; another one is wrong usage. */
static long read_count(const char *text)
{
    char *end;
    long count = strtol(text, &end, 10);

    if (!isdigit((unsigned char)text[0]) || *end != '\0' || count < 1 ||
        count > 10000000)
        usage(2);
    return count;
}

/* Raise the limit on descriptors as far as we may. But an fd_set has no room
 * for numbers of FD_SETSIZE and above, and the C library ends a program that
 * tries: where ON_SELECT, such a descriptor must not come to be. */
static void limit_fds(int on_select)
{
    struct rlimit limit = {0, 0};
    int failed = getrlimit(RLIMIT_NOFILE, &limit);

    limit.rlim_cur = limit.rlim_max;
    if (on_select && limit.rlim_cur > FD_SETSIZE)
        limit.rlim_cur = FD_SETSIZE;
    if (failed || setrlimit(RLIMIT_NOFILE, &limit) != 0)
        err(1, "cannot raise the limit on descriptors");
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

/* Make connection INDEX ready; after the last one comes the first. */
static void signal_conn(struct bench *bench, long index)
{
    uint64_t one = 1;

    index %= bench->connections;
    bench->writes--;
    if (write(bench->conns[index].fd, &one, sizeof(one)) != sizeof(one))
        err(1, "cannot write to a connection");
}

/* Take what has come, and make the next connection ready. */
static void pass_cb(evutil_socket_t fd, short what, void *arg)
{
    struct conn *conn = arg;
    struct bench *bench = conn->bench;
    uint64_t value;

    if (read(fd, &value, sizeof(value)) != sizeof(value))
        err(1, "cannot read from a connection");
    if (bench->writes > 0)
        signal_conn(bench, conn - bench->conns + 1);
    if (--bench->reads == 0)
        event_base_loopbreak(bench->base);
}

/* Open COUNT connections, or as many as there are descriptors for. */
static void open_conns(struct bench *bench, long count)
{
    bench->conns = calloc((size_t)count, sizeof(*bench->conns));
    if (!bench->conns)
        err(1, "cannot keep %ld connections", count);
    while (bench->connections < count) {
        struct conn *conn = &bench->conns[bench->connections];
        conn->bench = bench;
        conn->fd = eventfd(0, EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC);
        if (conn->fd < 0 && errno == EMFILE && bench->connections > 0)
            return;
        conn->event = event_new(
            bench->base, conn->fd, EV_READ | EV_PERSIST, pass_cb, conn);
        if (conn->fd < 0 || !conn->event || event_add(conn->event, NULL) < 0)
            err(1, "cannot watch a connection");
        bench->connections++;
    }
}

static void close_conns(struct bench *bench)
{
    for (long i = 0; i < bench->connections; i++) {
        event_free(bench->conns[i].event);
        close(bench->conns[i].fd);
    }
    free(bench->conns);
}

/* Let EVENTS events happen, with COUNT connections or as many as there can be,
 * and print the line about them. Returns whether there were COUNT. */
static bool count_events(const char *method, long count, long events)
{
    struct bench bench = {.writes = events, .reads = events};

    bench.base = must_base_on(method, 0);
    open_conns(&bench, count);
    event_base_loop(bench.base, EVLOOP_NONBLOCK); /* now all is set up */
    clock_t begin = clock(); /* processor time: waiting does not count */
    for (long i = 0; i < ACTIVE && bench.writes > 0; i++)
        signal_conn(&bench, i * bench.connections / ACTIVE);
    if (event_base_dispatch(bench.base) != 0)
        errx(1, "the loop has failed");
    double seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;
    close_conns(&bench);
    event_base_free(bench.base);
    printf("%s,%ld,%ld,%.0f\n", method, bench.connections, events,
        seconds * 1e9 / (double)events);
    return bench.connections == count;
}

/* Measure with each of COUNTS connections; a person sees the progress. */
static void run_method(const char *method, char *const *counts, long events)
{
    bool enough = true;

    limit_fds(strcmp(method, "select") == 0);
    for (; *counts && enough; counts++) {
        if (isatty(STDERR_FILENO))
            fprintf(
                stderr, "\r\033[K%s, %s connections ...\r", method, *counts);
        enough = count_events(method, read_count(*counts), events);
    }
    if (!enough)
        warnx("%s: no descriptor is left for more connections", method);
}

int main(int argc, char **argv)
{
    const char *const *methods = METHODS, *only[2] = {NULL};
    long events = 20000;
    int option;

    open_standard_fds();
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        usage(0);
    opterr = 0;
    while ((option = getopt(argc, argv, "+m:e:")) != -1) {
        if (option == 'm')
            methods = only, only[0] = optarg;
        else if (option == 'e')
            events = read_count(optarg);
        else
            usage(2);
    }
    char *const *counts = optind < argc ? argv + optind : COUNTS;
    for (int i = 0; counts[i]; i++)
        read_count(counts[i]);

    printf("back_end,connections,events,ns_per_event\n");
    for (; *methods; methods++)
        run_method(*methods, counts, events);
    libevent_global_shutdown();
    check_output();
    return 0;
}
