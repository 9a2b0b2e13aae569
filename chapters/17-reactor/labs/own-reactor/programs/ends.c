/* ends.c -- what ends a loop, and event_base_once */
#include "trace.h"

static struct event_base *inner;
static struct event *events[5];

static void break_cb(evutil_socket_t fd, short what, void *arg)
{
    printf("  breaks: %d\n", event_base_loopbreak(base));
}

static void exit_cb(evutil_socket_t fd, short what, void *arg)
{
    printf("  exits: %d\n", event_base_loopexit(base, NULL));
}

static void nested_cb(evutil_socket_t fd, short what, void *arg)
{
    struct timeval soon = {0, 1000};

    printf("  the same base again: %d\n", event_base_loop(base, 0));
    event_base_once(inner, -1, EV_TIMEOUT, name_cb, "inner", &soon);
    printf("  another base: %d\n", event_base_dispatch(inner));
}

/* Five are active, and one of them does more than to print. */
static void five(event_callback_fn special)
{
    static char *const letters[] = {"a", "b", "c", "d", "e"};
    int which = pick(5);

    for (int i = 0; i < 5; i++) {
        events[i] = make(-1, 0, i == which ? special : name_cb, letters[i]);
        event_active(events[i], EV_READ, 1);
    }
    printf("  loop %d\n", event_base_loop(base, 0));
    puts("  the next loop:");
    printf("  loop %d\n", event_base_loop(base, 0));
    for (int i = 0; i < 5; i++)
        event_free(events[i]);
}

static void breaks(void)
{
    five(break_cb);
}

static void exits(void)
{
    five(exit_cb);
}

static void nested(void)
{
    inner = event_base_new();
    if (!inner)
        errx(1, "event_base_new returned NULL");
    five(nested_cb);
    event_base_free(inner);
}

static void timed(void)
{
    struct event *far = make(-1, 0, name_cb, "far");
    struct event *near = make(-1, 0, name_cb, "near");
    struct timeval soon = {0, 30000};

    add_ms(far, 60000);
    add_ms(near, 5);
    printf("  loopexit %d\n", event_base_loopexit(base, &soon));
    printf("  dispatch %d\n", event_base_dispatch(base));
    event_del(far);
    puts("  an empty base, which waits for its exit:");
    event_base_loopexit(base, &soon);
    printf("  loop %d\n", event_base_loop(base, EVLOOP_NO_EXIT_ON_EMPTY));
    event_free(far);
    event_free(near);
}

/* An exit is an event, and waits for the loop; a break is not kept. */
static void before(void)
{
    struct event *ev = make(-1, 0, name_cb, "timer");

    add_ms(ev, 5);
    event_base_loopexit(base, NULL);
    printf("  after an exit: %d\n", event_base_dispatch(base));
    event_base_loopbreak(base);
    printf("  after a break: %d\n", event_base_dispatch(base));
    event_free(ev);
}

static void once(void)
{
    struct timeval none = {0, 0}, soon = {0, 5000};
    int fds[2];

    make_pair(fds);
    printf("  %d",
        event_base_once(base, -1, EV_TIMEOUT, name_cb, "at once", NULL));
    printf(
        " %d", event_base_once(base, -1, EV_TIMEOUT, name_cb, "zero", &none));
    printf(
        " %d", event_base_once(base, -1, EV_TIMEOUT, name_cb, "soon", &soon));
    printf(" %d",
        event_base_once(base, fds[0], EV_READ, name_cb, "either", &soon));
    printf(
        " %d", event_base_once(base, SIGUSR1, EV_SIGNAL, name_cb, "no", NULL));
    printf(" %d\n",
        event_base_once(base, fds[0], EV_READ | EV_PERSIST, name_cb, "", NULL));
    send_byte(fds[1]);
    printf("  dispatch %d\n", event_base_dispatch(base));
    printf("  dispatch %d\n", event_base_dispatch(base));
    close_pair(fds);
}

int main(int argc, char **argv)
{
    static const struct scene scenes[] = {{"breaks", breaks}, {"exits", exits},
        {"timed", timed}, {"before", before}, {"nested", nested},
        {"once", once}, {NULL, NULL}};

    return play(scenes, argc, argv);
}
