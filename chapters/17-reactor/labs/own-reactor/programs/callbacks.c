/* callbacks.c -- what a callback may do to its own event, and to others */
#include "trace.h"

static struct event *events[8];
static int fds[8][2];
static int numbers[8], order[8];
static int left;

static void number_cb(evutil_socket_t fd, short what, void *arg)
{
    printf("  %d%s\n", *(int *)arg, names_of(what));
}

static void make_all(int count)
{
    for (int i = 0; i < count; i++) {
        numbers[i] = i;
        events[i] = make(-1, 0, number_cb, &numbers[i]);
    }
}

static void free_all(int count)
{
    for (int i = 0; i < count; i++)
        event_free(events[i]);
}

/* First come, first called; an event that is active already keeps its place. */
static void active(void)
{
    make_all(8);
    shuffle(order, 8);
    for (int i = 0; i < 6; i++)
        event_active(events[order[i]], pick(2) ? EV_READ : EV_TIMEOUT, 1);
    event_active(events[order[pick(6)]], EV_WRITE, 1);
    for (int i = 0; i < 8; i++)
        printf("%s", names_of(event_pending(
                         events[i], EV_READ | EV_WRITE | EV_TIMEOUT, NULL)));
    printf("\n  loop %d\n", event_base_loop(base, 0));
    event_active(events[0], EV_READ, 1);
    event_del(events[0]);
    printf("  deleted: %d\n", event_base_loop(base, 0));
    free_all(8);
}

static void free_cb(evutil_socket_t fd, short what, void *arg)
{
    printf("  frees itself%s\n", names_of(what));
    event_free(*(struct event **)arg);
}

static void frees_itself(void)
{
    int pair[2];

    make_pair(pair);
    send_byte(pair[1]);
    events[0] = make(pair[0], EV_READ | EV_PERSIST, free_cb, &events[0]);
    events[1] = make(pair[0], EV_READ, free_cb, &events[1]);
    events[2] = make(-1, EV_PERSIST, free_cb, &events[2]);
    add(events[0]);
    add(events[1]);
    add_ms(events[2], 1);
    printf("  dispatch %d\n", event_base_dispatch(base));
    close_pair(pair);
}

/* The first callback that runs ends the others, which are active too. */
static void free_others_cb(evutil_socket_t fd, short what, void *arg)
{
    int self = *(int *)arg;

    printf("  one frees the others\n");
    for (int i = 0; i < 8; i++)
        if (i != self) {
            event_free(events[i]);
            events[i] = NULL;
        }
}

static void frees_others(void)
{
    make_pair(fds[0]);
    make_pair(fds[1]);
    for (int i = 0; i < 8; i++) {
        numbers[i] = i;
        events[i] = make(
            fds[i % 2][0], EV_READ | EV_PERSIST, free_others_cb, &numbers[i]);
        add_ms(events[i], 60000);
    }
    send_byte(fds[0][1]);
    send_byte(fds[1][1]);
    turn();
    for (int i = 0; i < 8; i++)
        if (events[i])
            event_free(events[i]);
    printf("  nothing is left: %d\n", turn());
    close_pair(fds[0]);
    close_pair(fds[1]);
}

static void again_cb(evutil_socket_t fd, short what, void *arg)
{
    struct event *ev = *(struct event **)arg;

    printf("  again%s\n", names_of(what));
    if (--left == 0)
        return;
    if (left % 2)
        add_ms(ev, 0);
    else
        event_active(ev, EV_WRITE, 1);
    printf("  pending%s\n",
        names_of(event_pending(ev, EV_READ | EV_WRITE | EV_TIMEOUT, NULL)));
}

static void adds_again(void)
{
    left = 5;
    make_pair(fds[0]);
    events[0] = make(fds[0][0], EV_READ, again_cb, &events[0]);
    add(events[0]);
    send_byte(fds[0][1]);
    printf("  dispatch %d\n", event_base_dispatch(base));
    event_free(events[0]);
    close_pair(fds[0]);
}

/* It deletes two, adds one, activates one that has run and one that has not. */
static void change_cb(evutil_socket_t fd, short what, void *arg)
{
    printf("  changes\n");
    event_del(events[2]);
    event_del(events[5]);
    event_active(events[3], EV_WRITE, 1);
    event_active(events[0], EV_WRITE, 1);
    add_ms(events[6], 0);
    event_active(events[7], EV_READ, 1);
}

static void changes_others(void)
{
    make_all(8);
    event_free(events[1]);
    events[1] = make(-1, 0, change_cb, NULL);
    for (int i = 0; i < 6; i++)
        event_active(events[i], EV_READ, 1);
    printf("  loop %d\n", event_base_loop(base, 0));
    free_all(8);
}

/* The other socket is closed while it is ready, and a new one has its number:
 * nothing has come for that one. */
static void replace_cb(evutil_socket_t fd, short what, void *arg)
{
    int other = *(int *)arg == 0;

    printf("  replaces the other one\n");
    event_free(events[other]);
    close_pair(fds[other]);
    make_pair(fds[other]);
    events[other] =
        make(fds[other][0], EV_READ | EV_PERSIST, number_cb, &numbers[other]);
    add(events[other]);
    event_del(events[!other]);
}

static void replaces(void)
{
    for (int i = 0; i < 2; i++) {
        numbers[i] = i;
        make_pair(fds[i]);
        events[i] = make(fds[i][0], EV_READ, replace_cb, &numbers[i]);
        add(events[i]);
        send_byte(fds[i][1]);
    }
    turn();
    turn();
    free_all(2);
    close_pair(fds[0]);
    close_pair(fds[1]);
}

/* An event in memory of the program's own. */
static void assigned(void)
{
    struct event ev;

    printf(
        "  assign %d\n", event_assign(&ev, base, -1, 0, name_cb, "assigned"));
    add_ms(&ev, 1);
    printf("  dispatch %d\n", event_base_dispatch(base));
    printf("  del %d\n", event_del(&ev));
}

int main(int argc, char **argv)
{
    static const struct scene scenes[] = {{"active", active},
        {"frees-itself", frees_itself}, {"frees-others", frees_others},
        {"adds-again", adds_again}, {"changes-others", changes_others},
        {"replaces", replaces}, {"assigned", assigned}, {NULL, NULL}};

    return play(scenes, argc, argv);
}
