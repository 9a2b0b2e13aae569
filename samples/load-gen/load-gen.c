/* load-gen.c -- puts load on a server, checks each answer, measures latencies.
 *
 * Build: cc -o load-gen *.c -levent_core
 * Run:   ./load-gen [OPTION...] ADDRESS PORT     (--help lists the options)
 * Try:   ./load-gen -c 100 127.0.0.1 8888, with echo-server running
 */
#define _GNU_SOURCE /* sched_setaffinity(2) */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netdb.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/util.h>

#include "load.h"

enum { PATIENCE = 10 }; /* seconds that the set-up may stand still */

/* The addresses of HOST and PORT for a stream socket, to be freed with
 * evutil_freeaddrinfo. A name that has none ends the program. */
static struct evutil_addrinfo *resolve(const char *host, const char *port)
{
    struct evutil_addrinfo *list;
    struct evutil_addrinfo hints = {
        .ai_socktype = SOCK_STREAM, .ai_flags = EVUTIL_AI_NUMERICSERV};
    int error = evutil_getaddrinfo(host, port, &hints, &list);

    if (error)
        errx(1, "cannot resolve %s: %s", host, evutil_gai_strerror(error));
    return list;
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

/* Make EVENT pending, at start-up: an event that cannot be added ends the
 * program. */
static void add_event(struct event *event)
{
    if (!event || event_add(event, NULL) < 0)
        errx(1, "cannot add an event");
}

/* SIGINT or SIGTERM: what was measured so far is the result. */
static void signal_cb(evutil_socket_t signum, short what, void *arg)
{
    struct load *load = arg;

    if (load->phase == MEASURE)
        next_phase(load);
    else if (load->phase == SET_UP)
        fail_to_connect(load, "interrupted");
    else
        event_base_loopbreak(load->pool.base);
}

/* Print a line of progress, in its place on a terminal. A line that would block
 * is dropped: waiting for the terminal would be measured as a slow server. */
static void print_progress(const struct load *load)
{
    static const char *const phases[] = {
        "set-up", "warm-up", "measuring", "the last answers"};
    struct pollfd pollfd = {.fd = STDERR_FILENO, .events = POLLOUT};
    bool terminal = isatty(STDERR_FILENO);

    if (poll(&pollfd, 1, 0) == 0)
        return;
    fprintf(stderr, "%s%s: %zu of %zu connections, %" PRIu64 " requests/s%s",
        terminal ? "\r\033[K" : "", phases[load->phase],
        load->phase == SET_UP ? load->ready : load->pool.opened - load->lost,
        load->options.connections, load->pool.total.answers - load->ticked,
        terminal ? "" : "\n");
}

/* Each second. A set-up that stands still may go on at another address, if
 * there is no connection yet. */
static void tick_cb(evutil_socket_t fd, short what, void *arg)
{
    struct load *load = arg;
    uint64_t answers = load->pool.total.answers;

    print_progress(load);
    load->ticks = answers == load->ticked ? load->ticks + 1 : 0;
    load->ticked = answers;
    if (load->phase != SET_UP || load->ticks < PATIENCE)
        return;
    load->ticks = 0;
    if (!try_next_address(load))
        fail_to_connect(load, "no answer came for ten seconds");
}

/* Close all connections. Requests that are still due count as well. If requests
 * were under way and no byte came in the last second, the server is silent. */
static void finish(struct load *load)
{
    if (load->phase == MEASURE)
        next_phase(load);
    for (size_t i = 0; i < load->pool.opened; i++) {
        struct conn *conn = &load->conns[i];

        if (conn->fd < 0)
            continue;
        load->result.silent += load->phase > DRAIN && conn->under_way > 0 &&
                               conn->heard < load->result.until;
        conn_close(conn);
    }
    uint64_t time = now(), due;
    while (load->options.rate > 0 && load->phase >= DRAIN &&
           (due = due_time(load, load->given)) < load->result.until) {
        count_unanswered(&load->result, due, time);
        load->given++;
    }
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
}

/* As many descriptors as this user may have, on the core that was asked for. */
static void prepare_process(const struct options *options)
{
    struct rlimit limit;
    cpu_set_t cores;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        err(1, "getrlimit");
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        err(1, "setrlimit");
    if (options->cpu < 0)
        return;
    CPU_ZERO(&cores);
    CPU_SET((size_t)options->cpu, &cores);
    if (sched_setaffinity(0, sizeof(cores), &cores) != 0)
        err(1, "cannot run on core %d", options->cpu);
}

/* A rate needs timers that are exact to the microsecond, and that count from
 * now, not from the time that the loop has cached. */
static struct event_base *make_base(double rate)
{
    struct event_config *config = event_config_new();

    if (!config || (rate > 0 && event_config_set_flag(config,
                                    EVENT_BASE_FLAG_PRECISE_TIMER |
                                        EVENT_BASE_FLAG_NO_CACHE_TIME) != 0))
        errx(1, "cannot configure an event base");
    struct event_base *base = event_base_new_with_config(config);
    if (!base)
        errx(1, "cannot make an event base");
    event_config_free(config);
    return base;
}

/* Make all that the connections need, before the first one is opened. */
static void prepare(struct load *load)
{
    const struct options *options = &load->options;
    struct pool *pool = &load->pool;

    load->addresses = resolve(options->host, options->port);
    if (options->server > 0 && kill(options->server, 0) != 0 && errno != EPERM)
        err(1, "cannot watch process %d", options->server);
    make_script(&load->script, options);
    load->conns = calloc(options->connections, sizeof(struct conn));
    *pool = (struct pool){.base = make_base(options->rate),
        .script = &load->script,
        .result = &load->result,
        .pipeline = options->pipeline,
        .dues =
            calloc(options->connections * options->pipeline, sizeof(uint64_t)),
        .address = load->addresses};
    if (!load->conns || !pool->dues)
        err(1, "cannot make %zu connections", options->connections);
    TAILQ_INIT(&pool->free);
    load_init(load);
}

int main(int argc, char **argv)
{
    static struct load load = {
        .result = {.from = UINT64_MAX, .until = UINT64_MAX}};
    struct timeval second = {1, 0};

    open_standard_fds();
    setvbuf(stdout, NULL, _IOLBF, 0);
    parse_options(&load.options, argc, argv);
    signal(SIGPIPE, SIG_IGN); /* writing to a closed connection must fail */
    prepare_process(&load.options);
    prepare(&load);

    //> events
    struct event *events[] = {
        evsignal_new(load.pool.base, SIGINT, signal_cb, &load),
        evsignal_new(load.pool.base, SIGTERM, signal_cb, &load),
        event_new(load.pool.base, -1, EV_PERSIST, tick_cb, &load),
    };
    add_event(events[0]);
    add_event(events[1]);
    if (!events[2] || event_add(events[2], &second) < 0)
        errx(1, "cannot add a timer");

    //> run
    open_more(&load);
    if (!load.failed && event_base_dispatch(load.pool.base) != 0)
        fail(&load, "the event loop failed");
    finish(&load);
    if (!load.failed)
        print_result(&load.result, &load.options);

    //> clean-up
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
        event_free(events[i]);
    load_end(&load);
    event_base_free(load.pool.base);
    evutil_freeaddrinfo(load.addresses);
    free_script(&load.script);
    free(load.pool.dues);
    free(load.conns);
    int status = load.failed || print_errors(&load.result, &load.options);
    check_output();
    return status;
}
