/* order.c -- the order of callbacks within a priority, and what they may do to
 * their own event and to each other. */
#include "trace.h"

static struct event *events[8];
static struct event_base *base;

static void name_cb(evutil_socket_t fd, short what, void *arg)
{
    printf("  %s%s\n", (char *)arg, names_of(what));
}

static void delete_others_cb(evutil_socket_t fd, short what, void *arg)
{
    printf("  deletes 2, activates 3 and 0\n");
    event_del(events[2]);
    event_active(events[3], EV_WRITE, 1);
    event_active(events[0], EV_READ, 1);
}

static void free_self_cb(evutil_socket_t fd, short what, void *arg)
{
    struct event *self = arg;

    printf("  frees itself%s\n", names_of(what));
    event_free(self);
}

static void again_cb(evutil_socket_t fd, short what, void *arg)
{
    static int left = 3;
    struct timeval zero = {0, 0};

    printf("  again, %d left\n", --left);
    if (left)
        event_add(arg, left % 2 ? &zero : NULL);
    if (left == 2)
        event_active(arg, EV_READ, 1);
}

static void activated(void)
{
    static char *const letters[] = {"a", "b", "c", "d"};

    puts("active events, in the order of being activated:");
    for (int i = 0; i < 4; i++)
        events[i] = event_new(base, -1, 0, name_cb, letters[i]);
    event_active(events[2], EV_READ, 1);
    event_active(events[0], EV_WRITE, 1);
    event_active(events[3], EV_TIMEOUT, 1);
    event_active(events[2], EV_WRITE, 1); /* keeps its place, has both */
    printf("  loop %d\n", event_base_loop(base, 0));
    event_free(events[1]);
    events[1] = event_new(base, -1, 0, delete_others_cb, NULL);
    for (int i = 1; i < 4; i++)
        event_active(events[i], EV_READ, 1);
    printf("  loop %d\n", event_base_loop(base, 0));
    for (int i = 0; i < 4; i++)
        event_free(events[i]);
}

static void descriptors(void)
{
    static char *const letters[] = {"first", "second", "third"};
    int fds[3][2];

    puts("three descriptors, and three events on one:");
    for (int i = 0; i < 3; i++) {
        make_pair(fds[i]);
        events[i] = event_new(base, fds[i][0], EV_READ, name_cb, letters[i]);
        event_add(events[i], NULL);
    }
    send_byte(fds[1][1]);
    send_byte(fds[0][1]);
    send_byte(fds[2][1]);
    printf("  loop %d\n", event_base_loop(base, 0));
    for (int i = 0; i < 3; i++) {
        event_free(events[i]);
        events[i] = event_new(base, fds[0][0], i ? EV_READ : EV_READ | EV_WRITE,
            name_cb, letters[i]);
        event_add(events[i], NULL);
    }
    printf("  loop %d\n", event_base_loop(base, 0));
    for (int i = 0; i < 3; i++) {
        event_free(events[i]);
        close(fds[i][0]);
        close(fds[i][1]);
    }
}

static void selves(void)
{
    struct event *self, *again;
    int fds[2];

    puts("freed and added again in the callback:");
    make_pair(fds);
    self = event_new(
        base, fds[0], EV_READ | EV_PERSIST, free_self_cb, event_self_cbarg());
    event_add(self, NULL);
    send_byte(fds[1]);
    printf("  loop %d\n", event_base_loop(base, 0));
    again = event_new(base, fds[0], EV_READ, again_cb, event_self_cbarg());
    event_add(again, NULL);
    printf("  loop %d\n", event_base_loop(base, 0));
    printf("  loop %d\n", event_base_loop(base, 0));
    event_free(again);
    close(fds[0]);
    close(fds[1]);
}

int main(void)
{
    print_log();
    base = event_base_new();
    if (!base)
        errx(1, "no base");
    activated();
    descriptors();
    selves();
    event_base_free(base);
    return 0;
}
