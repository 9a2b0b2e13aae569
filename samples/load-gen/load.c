/* load.c -- a load from its set-up to its last answer. */
#include <err.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "load.h"

static const double GRACE = 1; /* seconds, at the end, for what is under way */
enum {
    AT_ONCE = 64
}; /* connections in the set-up: a backlog often holds 128 */

/* The seconds of processor time that this program has used. */
static double cpu_time(void)
{
    struct rusage use;

    getrusage(RUSAGE_SELF, &use);
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
           (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

/* The same for process PID, with all its threads; 0 if there is no such
 * process. */
static double cpu_time_of(pid_t pid)
{
    struct timespec time;
    clockid_t clock;

    if (pid == 0 || clock_getcpuclockid(pid, &clock) != 0 ||
        clock_gettime(clock, &time) != 0)
        return 0;
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* The run has failed: print WHY, once, and break the loop. */
void fail(struct load *load, const char *why)
{
    if (!load->failed)
        warnx("%s", why);
    load->failed = true;
    event_base_loopbreak(load->pool.base);
}

/* Without all connections there is no load. */
void fail_to_connect(struct load *load, const char *why)
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

/* Open connections: only one until it is connected, then AT_ONCE that wait for
 * their first answer. If the first one fails, the next address may work. */
void open_more(struct load *load)
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
bool try_next_address(struct load *load)
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
uint64_t due_time(const struct load *load, uint64_t number)
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
void next_phase(struct load *load)
{
    struct counts *total = &load->pool.total;
    double server = cpu_time_of(load->options.server);

    load->phase++;
    total->cpu = cpu_time();
    if (server > 0) /* else it has been closed */
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

/* CONN has had an answer in the set-up. The first connection sends all requests
 * of the set-up; the others need only one answer. */
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

void load_init(struct load *load)
{
    struct pool *pool = &load->pool;

    pool->arg = load;
    pool->connected = connected;
    pool->answered = answered;
    pool->lost = lost;
    load->phase_event = evtimer_new(pool->base, phase_cb, load);
    load->due_event = evtimer_new(pool->base, due_cb, load);
    if (!load->phase_event || !load->due_event)
        errx(1, "cannot make a timer");
}

void load_end(struct load *load)
{
    event_free(load->due_event);
    event_free(load->phase_event);
}
