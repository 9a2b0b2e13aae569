/* fork-reinit.c -- a child that does without event_reinit harms its parent.
 *
 * Build: cc -o fork-reinit fork-reinit.c -levent_core
 * Run:   ./fork-reinit
 * Try:   EVENT_NOEPOLL=1 ./fork-reinit
 */
#include <err.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/util.h>

static const struct timeval WAIT = {0, 200000}; /* 0.2 s */

struct parent {
    struct event_base *base;
    struct event *pipe_event;
    struct event *signal_event;
    int ends[2];    /* the pipe that pipe_event watches */
    int heard_byte; /* the callback of pipe_event ran */
    int heard_signal;
};

static void usage(int status)
{
    fprintf(status ? stderr : stdout, "usage: fork-reinit\n");
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

static void read_cb(evutil_socket_t fd, short what, void *arg)
{
    struct parent *parent = arg;
    char byte;

    if (read(fd, &byte, 1) == 1)
        parent->heard_byte = 1;
}

static void signal_cb(evutil_socket_t signum, short what, void *arg)
{
    struct parent *parent = arg;

    parent->heard_signal = 1;
}

static void timer_cb(evutil_socket_t fd, short what, void *arg)
{
    *(int *)arg = 1;
}

/* Start a child that deletes its parent's event on the pipe, which it does not
 * need, and then signals itself. Returns the child's exit status. */
static int child_main(struct parent *parent, int reinit)
{
    int timer_ran = 0;

    if (reinit && event_reinit(parent->base) < 0)
        errx(1, "event_reinit failed");
    if (event_del(parent->pipe_event) < 0)
        errx(1, "cannot delete an event");
    raise(SIGUSR1);
    if (!reinit)
        return 0;
    if (event_del(parent->signal_event) < 0 ||
        event_base_once(
            parent->base, -1, EV_TIMEOUT, timer_cb, &timer_ran, &WAIT) < 0 ||
        event_base_dispatch(parent->base) < 0)
        errx(1, "the child's loop failed");
    printf("  the child's own timer on that base: %s\n",
        timer_ran ? "ran" : "did not run");
    check_output();
    return 0;
}

static void run_child(struct parent *parent, int reinit)
{
    int status;
    pid_t pid = fork();

    if (pid < 0)
        err(1, "fork");
    if (pid == 0)
        exit(child_main(parent, reinit));
    if (waitpid(pid, &status, 0) != pid || status != 0)
        errx(1, "the child failed");
}

/* Make the pipe readable and see what reaches the parent in 0.2 s. */
static void run_parent(struct parent *parent)
{
    parent->heard_byte = parent->heard_signal = 0;
    if (write(parent->ends[1], "x", 1) != 1)
        err(1, "write");
    if (event_base_loopexit(parent->base, &WAIT) < 0 ||
        event_base_dispatch(parent->base) < 0)
        errx(1, "the parent's loop failed");
    printf("  a byte in the pipe: %s\n",
        parent->heard_byte ? "the parent gets it" : "the parent gets nothing");
    printf("  a signal that only the child got: %s\n",
        parent->heard_signal ? "the parent's callback ran too"
                             : "the parent saw nothing of it");
}

static void parent_init(struct parent *parent)
{
    parent->base = event_base_new();
    if (!parent->base || pipe(parent->ends) != 0 ||
        evutil_make_socket_nonblocking(parent->ends[0]) < 0)
        err(1, "cannot make a base and a pipe");
    parent->pipe_event = event_new(
        parent->base, parent->ends[0], EV_READ | EV_PERSIST, read_cb, parent);
    parent->signal_event =
        evsignal_new(parent->base, SIGUSR1, signal_cb, parent);
    if (!parent->pipe_event || event_add(parent->pipe_event, NULL) < 0 ||
        !parent->signal_event || event_add(parent->signal_event, NULL) < 0)
        errx(1, "cannot add an event");
}

static void parent_clear(struct parent *parent)
{
    event_free(parent->signal_event);
    event_free(parent->pipe_event);
    close(parent->ends[0]);
    close(parent->ends[1]);
    event_base_free(parent->base);
}

int main(int argc, char **argv)
{
    open_standard_fds();
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        usage(0);
    if (argc != 1)
        usage(2);

    for (int reinit = 1; reinit >= 0; reinit--) {
        struct parent parent;

        parent_init(&parent);
        printf("%s, the child %s event_reinit:\n",
            event_base_get_method(parent.base),
            reinit ? "calls" : "does not call");
        run_child(&parent, reinit);
        run_parent(&parent);
        parent_clear(&parent);
    }
    check_output();
    return 0;
}
