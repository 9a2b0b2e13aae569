/* shared.c -- several events on one descriptor */
#include "trace.h"

enum { MOST = 8 };

static struct event *events[MOST];
static int fired[MOST], numbers[MOST];
static int fds[2];
static int count;

/* The order of the events of one descriptor is not promised. */
static void note_cb(evutil_socket_t fd, short what, void *arg)
{
    fired[*(int *)arg] |= what;
}

static void show_turn(void)
{
    turn();
    printf("  turn:");
    for (int i = 0; i < MOST; i++) {
        if (fired[i])
            printf(" %d%s", i, names_of(fired[i]));
        fired[i] = 0;
    }
    printf("\n");
}

static void open_events(int number, const short *kinds)
{
    count = number;
    make_pair(fds);
    for (int i = 0; i < count; i++) {
        numbers[i] = i;
        events[i] = make(fds[0], kinds[i], note_cb, &numbers[i]);
        add(events[i]);
    }
}

static void close_events(void)
{
    for (int i = 0; i < count; i++)
        event_free(events[i]);
    close_pair(fds);
}

/* Some are deleted, and come back. */
static void change(void)
{
    for (int i = 0; i < count; i++) {
        if (pick(2))
            event_del(events[i]);
        else if (pick(2))
            add(events[i]);
    }
    printf("  pending:");
    for (int i = 0; i < count; i++)
        printf("%s", names_of(event_pending(
                         events[i], EV_READ | EV_WRITE | EV_CLOSED, NULL)));
    printf("\n");
}

static void play_events(int number, const short *kinds)
{
    open_events(number, kinds);
    show_turn();
    for (int round = 0; round < 8; round++) {
        if (pick(2))
            send_byte(fds[1]);
        else
            drain(fds[0]);
        show_turn();
        change();
        show_turn();
    }
    close_events();
}

static void same(void)
{
    static const short kinds[] = {EV_READ | EV_PERSIST, EV_READ | EV_PERSIST,
        EV_READ | EV_PERSIST, EV_READ | EV_PERSIST};

    play_events(4, kinds);
}

static void different(void)
{
    static const short kinds[] = {EV_READ | EV_PERSIST, EV_WRITE | EV_PERSIST,
        EV_READ | EV_WRITE | EV_PERSIST, EV_WRITE | EV_PERSIST,
        EV_READ | EV_PERSIST};

    play_events(5, kinds);
}

static void one_shot(void)
{
    static const short kinds[] = {
        EV_READ | EV_PERSIST, EV_WRITE, EV_READ, EV_READ | EV_WRITE};

    play_events(4, kinds);
}

/* The peer half-closes: what is read is an end of file, and EV_CLOSED says so
 * without reading. */
static void closed(void)
{
    static const short kinds[] = {
        EV_CLOSED | EV_PERSIST, EV_READ | EV_PERSIST, EV_WRITE | EV_PERSIST};

    open_events(3, kinds);
    show_turn();
    send_byte(fds[1]);
    show_turn();
    event_del(events[2]);
    shutdown(fds[1], SHUT_WR);
    show_turn();
    event_del(events[1]);
    show_turn();
    close_events();
}

/* Edge-triggered: told once for each new thing. */
static void edges(void)
{
    static const short kinds[] = {
        EV_READ | EV_ET | EV_PERSIST, EV_READ | EV_ET | EV_PERSIST};

    open_events(2, kinds);
    for (int round = 0; round < 3; round++) {
        send_byte(fds[1]);
        show_turn();
        show_turn();
    }
    event_del(events[0]);
    send_byte(fds[1]);
    show_turn();
    show_turn();
    close_events();
}

/* A descriptor's number is used again as soon as it is closed. */
static void reused(void)
{
    static const short reading[] = {EV_READ | EV_PERSIST, EV_READ | EV_PERSIST};
    static const short writing[] = {
        EV_WRITE | EV_PERSIST, EV_READ | EV_PERSIST};
    int before;

    open_events(2, reading);
    before = fds[0];
    send_byte(fds[1]);
    show_turn();
    close_events();
    open_events(2, writing);
    printf("  the same number: %d\n", fds[0] == before);
    show_turn();
    send_byte(fds[1]);
    show_turn();
    event_del(events[0]);
    show_turn();
    close_events();
}

int main(int argc, char **argv)
{
    static const struct scene scenes[] = {{"same", same},
        {"different", different}, {"one-shot", one_shot}, {"closed", closed},
        {"edges", edges}, {"reused", reused}, {NULL, NULL}};

    return play(scenes, argc, argv);
}
