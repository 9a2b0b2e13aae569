/* random.c -- a long row of calls that look random, the same for the same
 * number: random [SEED]. Timers are due at once or never, so that time plays no
 * part. */
#include <signal.h>

#include "trace.h"

enum { EVENTS = 24, PAIRS = 6, CALLS = 1500, DEEPEST = 3 };

static struct event_base *base;
static struct event *events[EVENTS];
static int fds[PAIRS][2];
static unsigned long state;
static int depth;

static int pick(int below)
{
    state = state * 6364136223846793005UL + 1442695040888963407UL;
    return (int)((state >> 33) % (unsigned long)below);
}

static void step(void);

static void some_cb(evutil_socket_t fd, short what, void *arg)
{
    printf("event %d fd %d%s\n", (int)((struct event **)arg - events),
        fd < 0 ? -1 : 0, names_of(what));
    if (what & EV_READ && pick(2) && fd >= 0 && !(what & EV_SIGNAL))
        drain(fd);
    if (++depth <= DEEPEST)
        for (int i = pick(3); i > 0; i--)
            step();
    depth--;
}

static void make(int i)
{
    static const short kinds[] = {EV_READ, EV_WRITE, EV_READ | EV_WRITE,
        EV_READ | EV_ET, EV_CLOSED, EV_WRITE | EV_ET, EV_READ | EV_CLOSED};
    short extra = pick(2) ? EV_PERSIST : 0;
    int kind = pick(10);

    if (kind < 7)
        events[i] = event_new(base, fds[pick(PAIRS)][0], kinds[kind] | extra,
            some_cb, &events[i]);
    else if (kind < 9)
        events[i] = event_new(base, -1, extra, some_cb, &events[i]);
    else
        events[i] = event_new(base, pick(2) ? SIGUSR1 : SIGUSR2,
            EV_SIGNAL | extra, some_cb, &events[i]);
    if (!events[i])
        errx(1, "event_new");
}

/* None, over for long, or far. Each of those that are over is over for longer,
 * so that two are never due at the same time. */
static const struct timeval *some_time(void)
{
    static const struct timeval far = {1000000, 0};
    static struct timeval over = {-1000, 0};

    switch (pick(3)) {
    case 0:
        return NULL;
    case 1:
        over.tv_sec--;
        return &over;
    default:
        return &far;
    }
}

static void loop(void)
{
    if (depth == 0)
        printf(
            "loop %d\n", event_base_loop(base, EVLOOP_NONBLOCK | EVLOOP_ONCE));
}

static void on_event(int i)
{
    struct event *ev = events[i];

    switch (pick(9)) {
    case 0:
    case 1:
    case 2:
        printf("add %d: %d\n", i, event_add(ev, some_time()));
        break;
    case 3:
        printf("del %d: %d\n", i, event_del(ev));
        break;
    case 4:
        event_active(ev, pick(2) ? EV_READ : EV_TIMEOUT, (short)(1 + pick(3)));
        break;
    case 5:
        printf("pending %d%s\n", i,
            names_of(event_pending(ev,
                EV_READ | EV_WRITE | EV_CLOSED | EV_TIMEOUT | EV_SIGNAL,
                NULL)));
        break;
    case 6:
        printf("priority %d: %d\n", i, event_priority_set(ev, pick(4)));
        break;
    case 7:
        printf("timer %d: %d\n", i, event_remove_timer(ev));
        break;
    default:
        event_free(ev);
        make(i);
    }
}

static void on_base(void)
{
    switch (pick(10)) {
    case 0:
        raise(pick(2) ? SIGUSR1 : SIGUSR2);
        break;
    case 1:
        event_base_loopbreak(base);
        break;
    case 2:
        event_base_loopexit(base, NULL);
        break;
    case 3:
        event_base_loopcontinue(base);
        break;
    case 4:
        printf("counts %d %d\n",
            event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED),
            event_base_get_num_events(base, EVENT_BASE_COUNT_ACTIVE));
        break;
    default:
        loop();
    }
}

static void on_pair(int i)
{
    switch (pick(8)) {
    case 0:
        drain(fds[i][0]);
        break;
    case 1:
        shutdown(fds[i][1], SHUT_WR);
        break;
    default:
        if (write(fds[i][1], "x", 1) != 1)
            return;
    }
}

static void step(void)
{
    int what = pick(10);

    if (what < 6)
        on_event(pick(EVENTS));
    else if (what < 8)
        on_pair(pick(PAIRS));
    else
        on_base();
}

int main(int argc, char **argv)
{
    state = argc > 1 ? strtoul(argv[1], NULL, 10) : 1;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGUSR1, SIG_IGN); /* while no event is pending for it */
    signal(SIGUSR2, SIG_IGN);
    event_set_log_callback(count_warnings);
    base = event_base_new();
    if (!base || event_base_priority_init(base, 3) < 0)
        errx(1, "no base");
    for (int i = 0; i < PAIRS; i++)
        make_pair(fds[i]);
    for (int i = 0; i < EVENTS; i++)
        make(i);
    for (int i = 0; i < CALLS; i++)
        step();
    for (int i = 0; i < EVENTS; i++)
        event_free(events[i]);
    event_base_free(base);
    for (int i = 0; i < PAIRS; i++) {
        close(fds[i][0]);
        close(fds[i][1]);
    }
    return 0;
}
