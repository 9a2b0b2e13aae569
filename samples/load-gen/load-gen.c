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

#include "conn.h"

enum phase { SET_UP, WARM_UP, MEASURE, DRAIN };

struct load {
    struct options options;
    struct script script;
    struct pool pool; /* the connections, but for: */
    struct conn *conns;
    size_t ready, lost; /* of them */
    struct event *phase_event, *due_event;
    struct evutil_addrinfo *addresses;
    bool connected; /* to one of them */
    bool failed;    /* it has come to nothing; somebody has said why */
    enum phase phase;
    uint64_t start, given; /* with a rate: when the first was due; how many */
    bool armed;            /* due_event is pending */
    struct counts before;  /* when the measuring began */
    uint64_t ticked;       /* answers at the last tick */
    int ticks;             /* without an answer, in the set-up */
    struct result result;
};

static const double GRACE = 1; /* seconds, at the end, for what is under way */
enum {
    AT_ONCE = 64, /* connections in the set-up: a backlog often holds 128 */
    PATIENCE = 10 /* seconds that the set-up may stand still */
};

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

/* The seconds of processor time that this program has used. */
static double cpu_time(void)
{
    struct rusage use;

    getrusage(RUSAGE_SELF, &use);
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
           (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

/* The same of process PID, with all its threads; 0 if there is none. */
static double cpu_time_of(pid_t pid)
{
    struct timespec time;
    clockid_t clock;

    if (pid == 0 || clock_getcpuclockid(pid, &clock) != 0 ||
        clock_gettime(clock, &time) != 0)
        return 0;
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* It comes to nothing: say WHY, once, and leave the loop. */
static void fail(struct load *load, const char *why)
{
    if (!load->failed)
        warnx("%s", why);
    load->failed = true;
    event_base_loopbreak(load->pool.base);
}

/* Without all connections there is no load. */
static void fail_to_connect(struct load *load, const char *why)
{
    char text[512];

    snprintf(text, sizeof(text),
        "cannot connect to %.200s port %s, %zu of %zu connections ready: %s",
        load->options.host, load->options.port, load->ready,
        load->options.connections, why);
    fail(load, text);
}

static void add_timer(struct load *load, struct event *event, double seconds)
{
    struct timeval time = {.tv_sec = (time_t)seconds};

    time.tv_usec = (suseconds_t)((seconds - (double)time.tv_sec) * 1e6);
    if (event_add(event, &time) < 0)
        fail(load, "cannot add a timer");
}

/* Open connections: one alone until it is there, then AT_ONCE that wait for
 * their first answer. What fails on the first one may do on the next address.
 */
static void open_more(struct load *load)
{
    struct pool *pool = &load->pool;

    while (!load->failed && pool->opened < load->options.connections &&
           pool->opened < (load->connected ? load->ready + AT_ONCE : 1)) {
        int error = conn_open(pool, &load->conns[pool->opened]);

        if (error && pool->opened == 0 && pool->address->ai_next)
            pool->address = pool->address->ai_next;
        else if (error)
            fail_to_connect(load, strerror(error));
    }
}

/* The first connection has failed. Returns false if there is no other address.
 */
static bool try_next_address(struct load *load)
{
    if (load->connected || !load->pool.address->ai_next)
        return false;
    conn_close(&load->conns[0]);
    load->pool.opened = 0;
    load->pool.address = load->pool.address->ai_next;
    open_more(load);
    return true;
}

/* The first connection is there: the others may follow. */
static void connected(void *arg)
{
    struct load *load = arg;

    if (load->connected)
        return;
    load->connected = true;
    open_more(load);
}

static void lost(void *arg, struct conn *conn, enum loss loss, int error)
{
    struct load *load = arg;

    if (load->phase == SET_UP && loss != WRONG) {
        if (!try_next_address(load))
            fail_to_connect(
                load, error ? strerror(error) : "the server closed one");
        return;
    }
    load->result.lost[loss]++;
    conn_close(conn);
    load->lost++;
    if (load->phase == SET_UP || load->lost == load->options.connections ||
        (load->phase == DRAIN && load->pool.under_way == 0))
        event_base_loopbreak(load->pool.base);
}

/* When request NUMBER is due, with a rate. */
static uint64_t due_time(const struct load *load, uint64_t number)
{
    return load->start + (uint64_t)((double)number * 1e9 / load->options.rate);
}

/* With a rate the clock alone says when a request is due. One that finds no
 * free place waits for it, and its latency counts from when it was due. */
static void give_due(struct load *load)
{
    uint64_t time = now(), due;
    struct conn *conn;

    while ((conn = TAILQ_FIRST(&load->pool.free)) &&
           (due = due_time(load, load->given)) < load->result.until) {
        if (due > time) {
            if (!load->armed)
                add_timer(load, load->due_event, (double)(due - time) / 1e9);
            load->armed = true;
            return;
        }
        load->given++;
        TAILQ_REMOVE(&load->pool.free, conn, next);
        conn_give(conn, due);
        conn->free = conn->under_way < load->options.pipeline;
        if (conn->free)
            TAILQ_INSERT_TAIL(&load->pool.free, conn, next);
        if (!conn->full)
            conn_send(conn);
    }
}

static void due_cb(evutil_socket_t fd, short what, void *arg)
{
    struct load *load = arg;

    load->armed = false;
    give_due(load);
}

/* CONN has room: for what is due by the clock, or for what follows an answer
 * that came at TIME. */
static void refill(struct load *load, struct conn *conn, uint64_t time)
{
    if (load->options.rate > 0 && !conn->free) {
        bool awaited = TAILQ_EMPTY(&load->pool.free);

        conn->free = true;
        TAILQ_INSERT_TAIL(&load->pool.free, conn, next);
        if (awaited)
            give_due(load);
    } else if (load->options.rate == 0 && load->phase != DRAIN) {
        while (conn->under_way < load->options.pipeline)
            conn_give(conn, time);
        if (!conn->full)
            conn_send(conn);
    }
    if (load->phase == DRAIN && load->pool.under_way == 0)
        event_base_loopbreak(load->pool.base);
}

/* What was counted since the measuring began is the result. */
static void set_counts(struct load *load)
{
    const struct counts *total = &load->pool.total, *before = &load->before;
    struct result *result = &load->result;

    result->seconds = (double)(result->until - result->from) / 1e9;
    result->counts = (struct counts){
        .answers = total->answers - before->answers,
        .sent = total->sent - before->sent,
        .received = total->received - before->received,
        .cpu = total->cpu - before->cpu,
        .server = total->server - before->server,
    };
}

/* Go on to the next phase: the clock or a signal says when. */
static void next_phase(struct load *load)
{
    struct counts *total = &load->pool.total;
    double server = cpu_time_of(load->options.server);

    load->phase++;
    total->cpu = cpu_time();
    if (server > 0) /* else it has gone */
        total->server = server;
    if (load->phase == WARM_UP) {
        add_timer(load, load->phase_event, load->options.warm_up);
    } else if (load->phase == MEASURE) {
        load->before = *total;
        load->result.from = now();
        add_timer(load, load->phase_event, load->options.duration);
    } else if (load->phase == DRAIN) {
        load->result.until = now();
        set_counts(load);
        add_timer(load, load->phase_event, GRACE);
        if (load->options.rate > 0)
            give_due(load); /* what came due in the last moment */
    }
    if (load->phase > DRAIN ||
        (load->phase == DRAIN && load->pool.under_way == 0))
        event_base_loopbreak(load->pool.base);
}

static void phase_cb(evutil_socket_t fd, short what, void *arg)
{
    next_phase(arg);
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

/* All connections are ready: each begins at another place of the ring, so that
 * an answer that went to the wrong one is noticed. */
static void start(struct load *load)
{
    const struct script *script = &load->script;

    next_phase(load);
    if (load->options.warm_up == 0)
        next_phase(load);
    load->start = now();
    for (size_t i = 0; i < load->options.connections; i++) {
        struct conn *conn = &load->conns[i];

        conn->asked = conn->wanted =
            script->set_up + i * 7919 % (script->count - script->set_up);
        refill(load, conn, load->start);
    }
}

/* CONN has had an answer in the set-up. The first one sends all that there is
 * to be sent before the load, the others need no more than an answer. */
static void set_up(struct load *load, struct conn *conn)
{
    if (conn == load->conns && conn->wanted < load->script.set_up) {
        conn_give(conn, 0);
        conn_send(conn);
    } else if (++load->ready == load->options.connections) {
        start(load);
    } else {
        open_more(load);
    }
}

static void answered(void *arg, struct conn *conn, uint64_t time)
{
    struct load *load = arg;

    if (load->phase == SET_UP)
        set_up(load, conn);
    else
        refill(load, conn, time);
}

/* A line of progress, in its place on a terminal. Where it would block, there
 * is none: to wait for the terminal would be measured as a slow server. */
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

/* Close what is open. What is still due counts as well. Where nothing at all
 * has come in the last second for what was under way, the server is silent. */
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

/* To be in time for a rate takes timers that are exact to the microsecond, and
 * that count from now, not from when the loop last looked at the clock. */
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

/* All that is needed for the connections, before the first one is opened. */
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
        .address = load->addresses,
        .arg = load,
        .connected = connected,
        .answered = answered,
        .lost = lost};
    if (!load->conns || !pool->dues)
        err(1, "cannot make %zu connections", options->connections);
    TAILQ_INIT(&pool->free);
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
    load.phase_event = evtimer_new(load.pool.base, phase_cb, &load);
    load.due_event = evtimer_new(load.pool.base, due_cb, &load);
    struct event *events[] = {
        evsignal_new(load.pool.base, SIGINT, signal_cb, &load),
        evsignal_new(load.pool.base, SIGTERM, signal_cb, &load),
        event_new(load.pool.base, -1, EV_PERSIST, tick_cb, &load),
    };
    if (!load.phase_event || !load.due_event || !events[2])
        errx(1, "cannot make an event");
    add_event(events[0]);
    add_event(events[1]);
    if (event_add(events[2], &second) < 0)
        errx(1, "cannot add an event");

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
    event_free(load.due_event);
    event_free(load.phase_event);
    event_base_free(load.pool.base);
    evutil_freeaddrinfo(load.addresses);
    free_script(&load.script);
    free(load.pool.dues);
    free(load.conns);
    int status = load.failed || print_errors(&load.result, &load.options);
    check_output();
    return status;
}
