/* load-gen.c -- puts load on a server, checks each answer, measures latencies.
 *
 * Build: cc -o load-gen load-gen.c conn.c frame.c -levent
 * Run:   ./load-gen [OPTION...] ADDRESS PORT     (--help lists the options)
 * Try:   ./load-gen -c 100 127.0.0.1 8888, with echo-server running
 */
#define _GNU_SOURCE /* sched_setaffinity(2) */
#include <err.h>
#include <inttypes.h>
#include <netdb.h>
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
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = EVUTIL_AI_NUMERICSERV,
    };
    int error = evutil_getaddrinfo(host, port, &hints, &list);

    if (error)
        errx(1, "cannot resolve %s: %s", host, evutil_gai_strerror(error));
    return list;
}

/* Make EVENT pending; what cannot be watched ends the program. */
static void add_event(struct event *event)
{
    if (!event || event_add(event, NULL) < 0)
        errx(1, "cannot add an event");
}

static void add_timer(struct event *event, double seconds)
{
    struct timeval time = {.tv_sec = (time_t)seconds};

    time.tv_usec = (suseconds_t)((seconds - (double)time.tv_sec) * 1e6);
    if (!event || event_add(event, &time) < 0)
        errx(1, "cannot add a timer");
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

    if (pid == 0)
        return 0;
    int error = clock_getcpuclockid(pid, &clock);
    if (error)
        errx(1, "cannot watch process %d: %s", (int)pid, strerror(error));
    if (clock_gettime(clock, &time) != 0)
        err(1, "cannot watch process %d", (int)pid);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* A request will not be answered: it counts with the time it has waited. */
void count_unanswered(struct load *load, uint64_t due, uint64_t time)
{
    if (due < load->from || due >= load->until)
        return;
    add_latency(&load->result, time - due);
    load->result.unanswered++;
}

/* Without all connections there is no load. */
void load_fail(const struct load *load, const char *why)
{
    errx(1, "cannot connect to %s port %s, %zu of %zu connections ready: %s",
        load->options.host, load->options.port, load->ready,
        load->options.connections, why);
}

/* CONN is of no use any more, because of ERROR or for another reason. */
void load_lost(struct conn *conn, enum loss loss, int error)
{
    struct load *load = conn->load;

    if (load->phase == SET_UP && loss != WRONG)
        load_fail(load, error ? strerror(error) : "the server closed one");
    load->result.lost[loss]++;
    conn_close(conn);
    load->lost++;
    if (load->phase == SET_UP || load->lost == load->options.connections ||
        (load->phase == DRAIN && load->under_way == 0))
        event_base_loopbreak(load->base);
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

    while ((conn = TAILQ_FIRST(&load->free)) &&
           (due = due_time(load, load->given)) < load->until) {
        if (due > time) {
            if (!load->armed)
                add_timer(load->due_event, (double)(due - time) / 1e9);
            load->armed = 1;
            return;
        }
        load->given++;
        TAILQ_REMOVE(&load->free, conn, next);
        conn_give(conn, due);
        conn->free = conn->under_way < load->options.pipeline;
        if (conn->free)
            TAILQ_INSERT_TAIL(&load->free, conn, next);
        if (!conn->full)
            conn_send(conn);
    }
}

static void due_cb(evutil_socket_t fd, short what, void *arg)
{
    struct load *load = arg;

    load->armed = 0;
    give_due(load);
}

/* CONN has room: for what is due by the clock, or for what follows an answer
 * that came at TIME. */
static void conn_refill(struct conn *conn, uint64_t time)
{
    struct load *load = conn->load;

    if (load->options.rate > 0 && !conn->free) {
        int awaited = TAILQ_EMPTY(&load->free);

        conn->free = 1;
        TAILQ_INSERT_TAIL(&load->free, conn, next);
        if (awaited)
            give_due(load);
    } else if (load->options.rate == 0 && load->phase != DRAIN) {
        while (conn->under_way < load->options.pipeline)
            conn_give(conn, time);
        if (!conn->full)
            conn_send(conn);
    }
    if (load->phase == DRAIN && load->under_way == 0)
        event_base_loopbreak(load->base);
}

/* What was counted since the measuring began is the result. */
static void set_counts(struct load *load)
{
    load->result.seconds = (double)(load->until - load->from) / 1e9;
    load->result.counts = (struct counts){
        .answers = load->total.answers - load->before.answers,
        .sent = load->total.sent - load->before.sent,
        .received = load->total.received - load->before.received,
        .cpu = load->total.cpu - load->before.cpu,
        .server = load->total.server - load->before.server,
    };
}

/* Go on to the next phase: the clock or a signal says when. */
static void next_phase(struct load *load)
{
    load->phase++;
    load->total.cpu = cpu_time();
    load->total.server = cpu_time_of(load->options.server);
    if (load->phase == WARM_UP) {
        add_timer(load->phase_event, load->options.warm_up);
    } else if (load->phase == MEASURE) {
        load->before = load->total;
        load->from = now();
        add_timer(load->phase_event, load->options.duration);
    } else if (load->phase == DRAIN) {
        load->until = now();
        set_counts(load);
        add_timer(load->phase_event, GRACE);
        if (load->options.rate > 0)
            give_due(load); /* what came due in the last moment */
    }
    if (load->phase > DRAIN || (load->phase == DRAIN && load->under_way == 0))
        event_base_loopbreak(load->base);
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
    else
        event_base_loopbreak(load->base);
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
        conn_refill(conn, load->start);
    }
}

static void open_more(struct load *load);

/* CONN has had an answer in the set-up. The first one sends all that there is
 * to be sent before the load, the others need no more than an answer. */
static void conn_set_up(struct conn *conn)
{
    struct load *load = conn->load;

    if (conn == load->conns && conn->wanted < load->script.set_up) {
        conn_give(conn, 0);
        conn_send(conn);
    } else if (++load->ready == load->options.connections) {
        start(load);
    } else {
        open_more(load);
    }
}

static void open_more(struct load *load)
{
    while (load->opened < load->options.connections &&
           load->opened < load->ready + AT_ONCE)
        conn_open(load, &load->conns[load->opened]);
}

/* One or more answers have come on CONN, at TIME. */
void load_answered(struct conn *conn, uint64_t time)
{
    if (conn->load->phase == SET_UP)
        conn_set_up(conn);
    else
        conn_refill(conn, time);
}

/* Each second: a line of progress, in its place on a terminal. */
static void tick_cb(evutil_socket_t fd, short what, void *arg)
{
    static const char *const phases[] = {
        "set-up", "warm-up", "measuring", "the last answers"};
    struct load *load = arg;
    int terminal = isatty(STDERR_FILENO);

    fprintf(stderr, "%s%s: %zu of %zu connections, %" PRIu64 " requests/s%s",
        terminal ? "\r\033[K" : "", phases[load->phase],
        load->phase == SET_UP ? load->ready : load->opened - load->lost,
        load->options.connections, load->total.answers - load->ticked,
        terminal ? "" : "\n");
    load->ticks = load->total.answers == load->ticked ? load->ticks + 1 : 0;
    load->ticked = load->total.answers;
    if (load->phase == SET_UP && load->ticks == PATIENCE)
        load_fail(load, "no answer came for ten seconds");
}

/* Close what is open. What is still due counts as well. */
static void finish(struct load *load)
{
    if (load->phase == MEASURE)
        next_phase(load);
    for (size_t i = 0; i < load->opened; i++)
        if (load->conns[i].fd >= 0)
            conn_close(&load->conns[i]);
    uint64_t time = now(), due;
    while (load->options.rate > 0 && load->phase >= DRAIN &&
           (due = due_time(load, load->given)) < load->until) {
        count_unanswered(load, due, time);
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

int main(int argc, char **argv)
{
    static struct load load = {.from = UINT64_MAX, .until = UINT64_MAX};
    struct timeval second = {1, 0};

    setvbuf(stdout, NULL, _IOLBF, 0);
    parse_options(&load.options, argc, argv);
    signal(SIGPIPE, SIG_IGN); /* a lost peer is an error of send, no death */
    prepare_process(&load.options);

    //> make
    load.base = make_base(load.options.rate);
    load.address = resolve(load.options.host, load.options.port);
    make_script(&load.script, &load.options);
    load.conns = calloc(load.options.connections, sizeof(struct conn));
    load.dues = calloc(
        load.options.connections * load.options.pipeline, sizeof(uint64_t));
    if (!load.conns || !load.dues)
        err(1, "cannot make %zu connections", load.options.connections);
    TAILQ_INIT(&load.free);

    //> events
    load.phase_event = evtimer_new(load.base, phase_cb, &load);
    load.due_event = evtimer_new(load.base, due_cb, &load);
    struct event *events[] = {
        evsignal_new(load.base, SIGINT, signal_cb, &load),
        evsignal_new(load.base, SIGTERM, signal_cb, &load),
        event_new(load.base, -1, EV_PERSIST, tick_cb, &load),
    };
    if (!load.phase_event || !load.due_event || !events[2])
        errx(1, "cannot make an event");
    add_event(events[0]);
    add_event(events[1]);
    if (event_add(events[2], &second) < 0)
        errx(1, "cannot add an event");

    //> run
    open_more(&load);
    if (event_base_dispatch(load.base) < 0)
        errx(1, "the event loop failed");
    finish(&load);
    print_result(&load.result, &load.options);

    //> clean-up
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
        event_free(events[i]);
    event_free(load.due_event);
    event_free(load.phase_event);
    event_base_free(load.base);
    evutil_freeaddrinfo(load.address);
    free_script(&load.script);
    free(load.dues);
    free(load.conns);
    return print_errors(&load.result);
}
