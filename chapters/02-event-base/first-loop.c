/* first-loop.c -- the smallest whole program: a base, one timer, one line.
 *
 * Build: cc -o first-loop first-loop.c -levent_core
 * Run:   ./first-loop
 * Try:   a second timer, of two seconds
 */
#include <stdio.h>

#include <event2/event.h>

static void timer_cb(evutil_socket_t fd, short what, void *arg)
{
    printf("one second has passed\n");
}

int main(void)
{
    struct timeval second = {1, 0};
    struct event_base *base = event_base_new();

    if (!base ||
        event_base_once(base, -1, EV_TIMEOUT, timer_cb, NULL, &second) < 0)
        return 1;
    event_base_dispatch(base);
    event_base_free(base);
    return fflush(stdout) == 0 ? 0 : 1;
}
