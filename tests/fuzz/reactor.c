/* reactor.c -- the fuzz target of chapter 17's reactor: see scripts/fuzz.
 *
 * The bytes are a row of calls, outside the loop and in callbacks. A model that
 * is written apart, with plain arrays in place of lists, heaps and counts, says
 * what each call returns, what is pending, and which callback comes next with
 * what. All that it learns from outside is what epoll_wait has found.
 */
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>

static int seen_epoll_wait(
    int epoll, struct epoll_event *ready, int size, int timeout);

#define epoll_wait seen_epoll_wait
#include "base.c"
#include "classic.c"
#include "common.c"
#include "config.c"
#include "descriptors.c"
#include "dump.c"
#include "events.c"
#include "files.c"
#include "fork.c"
#include "inspect.c"
#include "log.c"
#include "priorities.c"
#include "rare.c"
#include "signals.c"
#include "timers.c"
#undef epoll_wait

enum {
    EVENTS = 10,
    PAIRS = 3,
    LEVELS = 3,
    FAR = 0,
    MOST_DEPTH = 2,
    MOST_ROUNDS = 8
};

/* What the model knows of an event. */
struct fact {
    short events;
    int pair; /* -1: no descriptor */
    int priority;
    int inserted; /* 0, or when: the number of the call */
    int timed;
    long over;     /* FAR, or for how many seconds the time is over */
    int repeats;   /* has an interval */
    long interval; /* as "over" */
    int active;    /* 0, or its place in the row */
    short what;
};

static struct event_base *base;
static struct event *events[EVENTS];
static struct fact facts[EVENTS];
static int pairs[PAIRS][2];
static int clock_of_calls, depth, running_loop, rounds;
static long seconds_over;

static const uint8_t *input;
static size_t input_left;

static void require(int condition)
{
    if (!condition)
        abort();
}

static unsigned next(unsigned below)
{
    if (!input_left)
        return 0;
    input_left--;
    return *input++ % below;
}

/* The model. */

static void forget(struct fact *fact)
{
    fact->inserted = fact->timed = fact->active = 0;
}

static void become_active(struct fact *fact, short what)
{
    if (fact->active) {
        fact->what |= what;
        return;
    }
    fact->active = ++clock_of_calls;
    fact->what = what;
}

static void insert_fact(struct fact *fact)
{
    if (fact->events & (EV_READ | EV_WRITE) && !fact->inserted && !fact->active)
        fact->inserted = ++clock_of_calls;
}

static void time_fact(struct fact *fact, long over)
{
    if (fact->active && fact->what & EV_TIMEOUT)
        fact->active = 0;
    fact->timed = 1;
    fact->over = over;
}

/* The most urgent, of these the one that became active first. */
static struct fact *next_to_run(void)
{
    struct fact *best = NULL;

    for (int i = 0; i < EVENTS; i++) {
        struct fact *fact = &facts[i];

        if (fact->active && (!best || fact->priority < best->priority ||
                                (fact->priority == best->priority &&
                                    fact->active < best->active)))
            best = fact;
    }
    return best;
}

/* The timers that are over, that for the longest first. */
static void expire_facts(void)
{
    struct fact *best;

    do {
        best = NULL;
        for (int i = 0; i < EVENTS; i++)
            if (facts[i].timed && facts[i].over != FAR &&
                (!best || facts[i].over > best->over))
                best = &facts[i];
        if (best) {
            forget(best); /* also if it was active: it becomes so anew */
            become_active(best, EV_TIMEOUT);
        }
    } while (best);
}

/* The events of a descriptor, the one inserted last first. */
static void ready_facts(int pair, short what)
{
    int before = INT_MAX;

    for (;;) {
        struct fact *best = NULL;

        for (int i = 0; i < EVENTS; i++)
            if (facts[i].inserted && facts[i].pair == pair &&
                facts[i].inserted < before &&
                (!best || facts[i].inserted > best->inserted))
                best = &facts[i];
        if (!best)
            return;
        before = best->inserted;
        if (best->events & what)
            become_active(best, best->events & what);
    }
}

static int seen_epoll_wait(
    int epoll, struct epoll_event *ready, int size, int timeout)
{
    int count;

    require(timeout == 0);
    if (++rounds > MOST_ROUNDS) /* what is always ready would go on for ever */
        event_base_loopbreak(base);
    count = epoll_wait(epoll, ready, size, timeout);
    for (int i = 0; i < count; i++)
        for (int pair = 0; pair < PAIRS; pair++)
            if (ready[i].data.fd == pairs[pair][0])
                ready_facts(
                    pair, (short)((ready[i].events & EPOLLIN ? EV_READ : 0) |
                                  (ready[i].events & EPOLLOUT ? EV_WRITE : 0)));
    expire_facts();
    return count;
}

/* Reactor and model agree on everything that can be asked. */
static void compare(void)
{
    int added = 0, active = 0;

    for (int i = 0; i < EVENTS; i++) {
        struct fact *fact = &facts[i];
        int pending =
            (fact->inserted ? fact->events & (EV_READ | EV_WRITE) : 0) |
            (fact->active ? fact->what : 0) | (fact->timed ? EV_TIMEOUT : 0);

        require(event_pending(events[i], EV_READ | EV_WRITE | EV_TIMEOUT,
                    NULL) == pending);
        require(event_get_priority(events[i]) == fact->priority);
        added += !!fact->inserted + !!fact->timed + !!fact->active;
        active += !!fact->active;
    }
    require(event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED) == added);
    require(event_base_get_num_events(base, EVENT_BASE_COUNT_ACTIVE) == active);
}

static void step(void);

static void some_cb(evutil_socket_t fd, short what, void *arg)
{
    struct fact *fact = &facts[(struct event **)arg - events];
    int is_persistent = fact->events & EV_PERSIST;

    require(running_loop && next_to_run() == fact && fact->what == what);
    require(event_base_get_running_event(base) == *(struct event **)arg);
    fact->active = 0;
    if (!is_persistent)
        forget(fact);
    if (is_persistent && fact->repeats) {
        insert_fact(fact);
        time_fact(fact, fact->interval);
    }
    compare();
    if (++depth <= MOST_DEPTH)
        for (unsigned i = next(3); i > 0; i--)
            step();
    depth--;
}

/* The calls. */

static void make(int i)
{
    static const short kinds[] = {0, EV_READ, EV_WRITE, EV_READ | EV_WRITE};
    short kind = kinds[next(4)];
    int pair = kind ? (int)next(PAIRS) : -1;

    if (next(2))
        kind |= EV_PERSIST;
    events[i] = event_new(
        base, pair < 0 ? -1 : pairs[pair][0], kind, some_cb, &events[i]);
    require(events[i] != NULL);
    facts[i] =
        (struct fact){.events = kind, .pair = pair, .priority = LEVELS / 2};
}

static void add(int i)
{
    static const struct timeval far = {100000000, 0};
    /* A minute between two: a pause of the machine changes no order. */
    struct timeval over = {-(seconds_over += 60), 0};
    unsigned how = next(3);
    struct fact *fact = &facts[i];

    require(event_add(events[i], how == 0   ? NULL
                                 : how == 1 ? &over
                                            : &far) == 0);
    insert_fact(fact);
    if (how == 0)
        return;
    time_fact(fact, how == 1 ? seconds_over : FAR);
    if (fact->events & EV_PERSIST) {
        fact->repeats = 1;
        fact->interval = fact->over;
    }
}

static void on_event(int i)
{
    struct fact *fact = &facts[i];
    short what;
    int priority;

    switch (next(8)) {
    case 0:
    case 1:
    case 2:
        add(i);
        break;
    case 3:
        require(event_del(events[i]) == 0);
        forget(fact);
        break;
    case 4:
        what = next(2) ? EV_READ : EV_TIMEOUT;
        event_active(events[i], what, 1);
        become_active(fact, what);
        break;
    case 5:
        priority = (int)next(LEVELS + 1);
        if (event_priority_set(events[i], priority) == 0) {
            require(!fact->active && priority < LEVELS);
            fact->priority = priority;
        } else {
            require(fact->active || priority == LEVELS);
        }
        break;
    case 6:
        require(event_remove_timer(events[i]) == 0);
        fact->repeats = fact->timed ? 0 : fact->repeats;
        fact->timed = 0;
        break;
    default:
        event_free(events[i]);
        make(i);
    }
}

static void loop(void)
{
    int empty = 1, status;

    if (running_loop) {
        require(event_base_loop(base, EVLOOP_NONBLOCK) == -1);
        return;
    }
    for (int i = 0; i < EVENTS; i++)
        empty &= !facts[i].inserted && !facts[i].timed && !facts[i].active;
    running_loop = 1;
    rounds = 0;
    status = event_base_loop(base, EVLOOP_NONBLOCK | EVLOOP_ONCE);
    running_loop = 0;
    require(status == 0 || status == 1);
    require(!empty || status == 1);
}

static void empty(int fd)
{
    char bytes[4096];

    while (read(fd, bytes, sizeof(bytes)) > 0)
        continue;
}

static void on_pair(int pair)
{
    if (next(3) == 0)
        empty(pairs[pair][0]);
    else if (write(pairs[pair][1], "x", 1) < 0)
        return;
}

static void step(void)
{
    unsigned what = next(10);

    if (what < 6)
        on_event((int)next(EVENTS));
    else if (what < 8)
        on_pair((int)next(PAIRS));
    else if (what == 8 && running_loop)
        next(2) ? event_base_loopbreak(base) : event_base_loopcontinue(base);
    else
        loop();
    compare();
}

static void ignore_cb(int severity, const char *text)
{
}

/* A base and sockets are for many inputs: to make them takes longer than one.
 */
static void open_all(void)
{
    base = event_base_new();
    require(base && event_base_priority_init(base, LEVELS) == 0);
    for (int i = 0; i < PAIRS; i++)
        require(
            socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pairs[i]) == 0);
}

static void close_all(void)
{
    event_base_free(base);
    for (int i = 0; i < PAIRS; i++) {
        close(pairs[i][0]);
        close(pairs[i][1]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { INPUTS = 1000 };
    static int inputs;

    if (size > 4096)
        return 0;
    event_set_log_callback(ignore_cb);
    if (inputs++ % INPUTS == 0)
        open_all();
    clock_of_calls = 0;
    input = data;
    input_left = size;
    for (int i = 0; i < EVENTS; i++)
        make(i);
    while (input_left)
        step();
    for (int i = 0; i < EVENTS; i++) {
        event_free(events[i]);
        forget(&facts[i]);
    }
    require(event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED) == 0);
    for (int i = 0; i < PAIRS; i++)
        empty(pairs[i][0]);
    if (inputs % INPUTS == 0)
        close_all();
    return 0;
}
