/* trace-loop.c -- lets libevent log what it does in one round of the loop.
 *
 * Build: cc -o trace-loop trace-loop.c -levent_core
 * Run:   ./trace-loop
 * Try:   leave out the call of event_enable_debug_logging
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

static const struct timeval SOON = {0, 100000}; /* 0.1 s */

static void usage(int status)
{
    fprintf(status ? stderr : stdout, "usage: trace-loop\n");
    exit(status);
}

/* Open what is missing of standard input, output and error: the numbers would
 * otherwise go to libevent's own descriptors, and what we print with them.
 * Opened for reading alone, so that printing fails as it did. */
static void open_standard_fds(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            open("/dev/null", O_RDONLY); /* gets the lowest number, FD */
}

/* Output that could not be written, because the disk is full or standard output
 * is closed, is a failure of a program whose output is its result. */
static void check_output(void)
{
    if (fflush(stdout) != 0 || ferror(stdout))
        err(1, "cannot write to standard output");
}

/* Called by libevent, for each line that it logs. */
static void log_cb(int severity, const char *message)
{
    static const char *const NAMES[] = {"debug", "msg", "warn", "err"};

    printf("  [%s] %s\n", NAMES[severity & 3], message);
}

static void timer_cb(evutil_socket_t fd, short what, void *arg)
{
    printf("timer_cb runs\n");
}

static void read_cb(evutil_socket_t fd, short what, void *arg)
{
    char byte;

    if (read(fd, &byte, 1) == 1)
        printf("read_cb runs\n");
}

/* Make CB the callback for WHAT on FD, wait for it once, and free all. */
static void wait_once(evutil_socket_t fd, short what, event_callback_fn cb)
{
    struct event_base *base = event_base_new();
    struct event *event = base ? event_new(base, fd, what, cb, NULL) : NULL;

    if (!event)
        errx(1, "cannot make a base with an event");
    printf("event_add\n");
    if (event_add(event, what & EV_TIMEOUT ? &SOON : NULL) < 0)
        printf("event_add has failed\n");
    printf("event_base_dispatch\n");
    printf("event_base_dispatch returned %d\n", event_base_dispatch(base));
    event_free(event);
    event_base_free(base);
}

int main(int argc, char **argv)
{
    int ends[2];

    open_standard_fds();
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        usage(0);
    if (argc != 1)
        usage(2);

    //> log
    event_set_log_callback(log_cb);
    event_enable_debug_logging(EVENT_DBG_ALL);

    printf("a timer of 0.1 s:\n");
    wait_once(-1, EV_TIMEOUT, timer_cb);
    printf("a pipe with a byte in it:\n");
    if (pipe(ends) != 0 || write(ends[1], "x", 1) != 1)
        err(1, "pipe");
    wait_once(ends[0], EV_READ, read_cb);
    close(ends[0]);
    close(ends[1]);
    printf("a regular file:\n");
    FILE *file = tmpfile();
    if (!file)
        err(1, "cannot make a file");
    wait_once(fileno(file), EV_READ, read_cb);
    fclose(file);
    check_output();
    return 0;
}
