/* timers.c -- when a timer fires: one-shot, persistent, moved, by hand. Each
 * step is 20 milliseconds, and what is printed is a step. */
#include "trace.h"

enum { STEP = 20000 };

static struct event_base *base;
static struct timeval began;

static int steps(void)
{
    struct timeval now, since;

    event_base_gettimeofday_cached(base, &now);
    timersub(&now, &began, &since);
    return (int)((since.tv_sec * 1000000 + since.tv_usec + STEP / 4) / STEP);
}

static void begin(const char *title)
{
    event_base_gettimeofday_cached(base, &began);
    puts(title);
}

static struct timeval after(int count)
{
    struct timeval tv = {0, 0};

    tv.tv_sec = (long)count * STEP / 1000000;
    tv.tv_usec = (long)count * STEP % 1000000;
    return tv;
}

static void name_cb(evutil_socket_t fd, short what, void *arg)
{
    printf("  %s%s at %d\n", (char *)arg, names_of(what), steps());
}

static void thrice_cb(evutil_socket_t fd, short what, void *arg)
{
    static int calls;

    printf("  tick%s at %d, pending%s\n", names_of(what), steps(),
        names_of(event_pending(arg, EV_TIMEOUT | EV_READ, NULL)));
    if (++calls % 3 == 0)
        event_del(arg);
}

/* A callback that takes longer than two intervals. */
static void slow_cb(evutil_socket_t fd, short what, void *arg)
{
    static int calls;

    printf(
        "  slow%s\n", names_of(what)); /* libevent sleeps too long after it */
    if (++calls == 1)
        usleep(STEP * 5 / 2);
    if (calls == 4)
        event_del(arg);
}

static void run(struct event *ev)
{
    printf("  loop %d\n", event_base_dispatch(base));
    event_free(ev);
}

static void in_order(void)
{
    static char *const letters[] = {"a", "b", "c", "d", "e"};
    static const int delays[] = {3, 1, 2, 5, 4};
    struct event *evs[5];

    begin("in the order of time, and moved:");
    for (int i = 0; i < 5; i++) {
        struct timeval tv = after(delays[i]);

        evs[i] = evtimer_new(base, name_cb, letters[i]);
        evtimer_add(evs[i], &tv);
    }
    event_add(evs[3], &(struct timeval){0, 0});
    evtimer_del(evs[2]);
    event_add(evs[4], NULL); /* changes nothing */
    printf("  loop %d\n", event_base_dispatch(base));
    for (int i = 0; i < 5; i++)
        event_free(evs[i]);
}

static void persistent(void)
{
    struct timeval two = after(2), one = after(1), none = {0, 0};
    struct event *ev;

    begin("persistent:");
    ev = event_new(base, -1, EV_PERSIST, thrice_cb, event_self_cbarg());
    event_add(ev, &two);
    run(ev);
    begin("persistent, with a time-out of 0:");
    ev = event_new(base, -1, EV_PERSIST, thrice_cb, event_self_cbarg());
    event_add(ev, &none);
    run(ev);
    begin("activated by hand as if by its time-out:");
    ev = event_new(base, -1, EV_PERSIST, thrice_cb, event_self_cbarg());
    event_add(ev, &two);
    event_active(ev, EV_TIMEOUT, 1);
    run(ev);
    begin("missed two intervals:");
    ev = event_new(base, -1, EV_PERSIST, slow_cb, event_self_cbarg());
    event_add(ev, &one);
    run(ev);
}

static void with_descriptor(void)
{
    struct timeval two = after(2);
    struct event *ev, *writer;
    int fds[2];

    make_pair(fds);
    begin("a persistent read with a time-out, one byte at 1:");
    ev = event_new(
        base, fds[0], EV_READ | EV_PERSIST, thrice_cb, event_self_cbarg());
    event_add(ev, &two);
    writer = event_new(base, fds[1], EV_WRITE, name_cb, "writer");
    event_add(writer, NULL);
    event_base_loop(base, EVLOOP_ONCE);
    usleep(STEP);
    send_byte(fds[1]);
    event_base_loop(base, EVLOOP_ONCE);
    drain(fds[0]);
    printf("  loop %d\n", event_base_dispatch(base));
    begin("without its timer:");
    event_add(ev, &two);
    printf("  removed %d, pending%s\n", event_remove_timer(ev),
        names_of(event_pending(ev, EV_READ | EV_TIMEOUT, NULL)));
    event_free(writer);
    event_free(ev);
    close(fds[0]);
    close(fds[1]);
}

static void extremes(void)
{
    struct timeval past = {-5, 0}, far = {0x7fffffffffffL, 0}, left;
    const struct timeval *common;
    struct event *ev = evtimer_new(base, name_cb, "extreme");

    begin("a time that is over, and one that is far:");
    event_add(ev, &past);
    printf("  loop %d\n", event_base_dispatch(base));
    event_add(ev, &far);
    printf("  pending%s", names_of(event_pending(ev, EV_TIMEOUT, &left)));
    printf(" later than now: %d\n", timercmp(&left, &began, >));
    printf("  loop %d\n", event_base_loop(base, EVLOOP_NONBLOCK));
    event_del(ev);
    common = event_base_init_common_timeout(base, &(struct timeval){0, STEP});
    printf("  common: same %d\n", common == event_base_init_common_timeout(base,
                                                &(struct timeval){0, STEP}));
    begin("a common time-out:");
    event_add(ev, common);
    event_pending(ev, EV_TIMEOUT, &left);
    printf("  pending, a proper time: %d\n", left.tv_usec < 1000000);
    run(ev);
}

int main(void)
{
    print_log();
    base = event_base_new();
    if (!base)
        errx(1, "no base");
    in_order();
    persistent();
    with_descriptor();
    extremes();
    event_base_free(base);
    return 0;
}
