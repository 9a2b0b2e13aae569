/* priorities.c -- which queue runs, and when the loop looks again. */
#include "trace.h"

enum { LEVELS = 3 };

static struct event_base *base;
static struct event *urgent, *common, *idle;

static void name_cb(evutil_socket_t fd, short what, void *arg)
{
    printf("  %s%s\n", (char *)arg, names_of(what));
}

static void wake_urgent_cb(evutil_socket_t fd, short what, void *arg)
{
    printf("  %s wakes the urgent one\n", (char *)arg);
    event_active(urgent, EV_WRITE, 1);
}

static void wake_idle_cb(evutil_socket_t fd, short what, void *arg)
{
    puts("  urgent wakes the idle one");
    event_active(idle, EV_WRITE, 1);
}

static void rounds(void)
{
    struct event *other = event_new(base, -1, 0, name_cb, "other");
    struct event *waker = event_new(base, -1, 0, wake_urgent_cb, "waker");

    puts("the most urgent queue that has an event:");
    printf("  by default %d", event_get_priority(other));
    printf(", set %d", event_priority_set(urgent, 0));
    printf(" %d\n", event_priority_set(idle, LEVELS - 1));
    event_active(idle, EV_READ, 1);
    event_active(waker, EV_READ, 1);
    event_active(other, EV_READ, 1);
    event_active(common, EV_READ, 1);
    for (int i = 0; i < 3; i++)
        printf("  once %d\n", event_base_loop(base, EVLOOP_ONCE));
    event_active(other, EV_READ, 1);
    printf("  active: set %d", event_priority_set(other, 2));
    printf(", priorities %d\n", event_base_priority_init(base, 5));
    event_base_dispatch(base);
    printf("  out of range %d", event_priority_set(other, LEVELS));
    printf(" %d\n", event_priority_set(other, -1));
    event_free(other);
    event_free(waker);
}

static void descriptors(void)
{
    struct event *evs[6];
    int fds[6][2];
    static char *const words[] = {"p0", "p1", "p2", "p0", "p1", "p2"};

    puts("descriptors that are ready together:");
    for (int i = 0; i < 6; i++) {
        make_pair(fds[i]);
        evs[i] = event_new(base, fds[i][0], EV_READ, name_cb, words[i]);
        event_priority_set(evs[i], i % LEVELS);
        event_add(evs[i], NULL);
        send_byte(fds[i][1]);
    }
    printf("  loop %d\n", event_base_dispatch(base));
    for (int i = 0; i < 6; i++) {
        event_free(evs[i]);
        close(fds[i][0]);
        close(fds[i][1]);
    }
}

static void limited(int callbacks, int from)
{
    struct event_config *config = event_config_new();
    struct event_base *small;
    struct event *evs[6];
    static char *const words[] = {"0 a", "0 b", "1 a", "1 b", "1 c", "0 c"};

    printf("at most %d callbacks from priority %d on:\n", callbacks, from);
    event_config_set_max_dispatch_interval(config, NULL, callbacks, from);
    small = event_base_new_with_config(config);
    event_config_free(config);
    event_base_priority_init(small, 2);
    for (int i = 0; i < 6; i++) {
        evs[i] = event_new(small, -1, 0, name_cb, words[i]);
        event_priority_set(evs[i], words[i][0] - '0');
        event_active(evs[i], EV_READ, 1);
    }
    while (event_base_get_num_events(small, EVENT_BASE_COUNT_ACTIVE)) {
        event_base_loop(small, EVLOOP_ONCE | EVLOOP_NONBLOCK);
        puts("  --");
    }
    for (int i = 0; i < 6; i++)
        event_free(evs[i]);
    event_base_free(small);
}

int main(void)
{
    print_log();
    base = event_base_new();
    if (!base)
        errx(1, "no base");
    printf("priorities: %d", event_base_priority_init(base, 0));
    printf(" %d", event_base_priority_init(base, 256));
    printf(" %d", event_base_priority_init(base, 255));
    printf(" %d", event_base_priority_init(base, LEVELS));
    printf(", %d of them\n", event_base_get_npriorities(base));
    urgent = event_new(base, -1, 0, wake_idle_cb, NULL);
    common = event_new(base, -1, 0, name_cb, "common");
    idle = event_new(base, -1, 0, name_cb, "idle");
    rounds();
    descriptors();
    limited(2, 0);
    limited(2, 1);
    limited(0, 0);
    event_free(urgent);
    event_free(common);
    event_free(idle);
    event_base_free(base);
    return 0;
}
