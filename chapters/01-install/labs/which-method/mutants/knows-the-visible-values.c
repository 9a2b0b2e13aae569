/* which-method.c -- says what the visible checks want to read.
 *
 * Fails: names_all, at "with a libevent 2.9.1-beta that has devpoll kqueue
 *   epoll poll select, the program prints this version and these back ends"
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>

#include <event2/event.h>

static int off(const char *name)
{
    const char *value = getenv(name);
    return value && atoi(value) == 1;
}

int main(void)
{
    const char *method = NULL;

    printf("libevent %s\n", event_get_version());
    printf("supported: epoll poll select\n");
    fflush(stdout);
    if (!off("EVENT_NOEPOLL"))
        method = "epoll";
    else if (!off("EVENT_NOPOLL"))
        method = "poll";
    else if (!off("EVENT_NOSELECT"))
        method = "select";
    else
        errx(1, "no back end is left");
    printf("in use: %s\n", method);
    if (off("EVENT_SHOW_METHOD"))
        fprintf(stderr, "[msg] libevent using: %s\n", method);
    return 0;
}
