/* debug-mode.c -- mistakes with events that libevent's debug mode finds.
 *
 * Build: cc -o debug-mode debug-mode.c -levent_core
 * Run:   ./debug-mode
 * Try:   leave out the call of event_enable_debug_mode
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/util.h>

static void usage(int status)
{
    fprintf(status ? stderr : stdout, "usage: debug-mode\n");
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

static void log_cb(int severity, const char *message)
{
    printf("  libevent: %s\n", message);
}

static void read_cb(evutil_socket_t fd, short what, void *arg)
{
}

/* An added event for reading from FD. */
static struct event *watch(struct event_base *base, evutil_socket_t fd)
{
    struct event *event = event_new(base, fd, EV_READ, read_cb, NULL);

    if (!event || event_add(event, NULL) < 0)
        errx(1, "cannot watch a descriptor");
    return event;
}

static void add_freed(struct event_base *base, evutil_socket_t fd)
{
    struct event *event = watch(base, fd);

    event_free(event);
    event_add(event, NULL);
}

static void free_twice(struct event_base *base, evutil_socket_t fd)
{
    struct event *event = watch(base, fd);

    event_free(event);
    event_free(event);
}

/* The event would stay in the base's lists, with other contents. */
static void assign_added(struct event_base *base, evutil_socket_t fd)
{
    struct event *event = watch(base, fd);

    event_assign(event, base, fd, EV_WRITE, read_cb, NULL);
}

static void watch_blocking(struct event_base *base, evutil_socket_t fd)
{
    int ends[2];

    if (pipe(ends) != 0)
        err(1, "pipe");
    watch(base, ends[0]);
}

static void enable_late(struct event_base *base, evutil_socket_t fd)
{
    event_enable_debug_mode();
}

/* Let a child, which the mistake ends, run MISTAKE in debug mode, and print how
 * it has ended. */
static void try(const char *what, int debug,
    void (*mistake)(struct event_base *base, evutil_socket_t fd))
{
    int status;

    printf("%s:\n", what);
    pid_t pid = fork();
    if (pid < 0)
        err(1, "fork");
    if (pid == 0) {
        evutil_socket_t fds[2];

        if (debug)
            event_enable_debug_mode();
        struct event_base *base = event_base_new();
        if (!base || evutil_socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0 ||
            evutil_make_socket_nonblocking(fds[0]) < 0)
            errx(1, "cannot make a base and sockets");
        mistake(base, fds[0]);
        _exit(0);
    }
    if (waitpid(pid, &status, 0) != pid)
        err(1, "waitpid");
    if (WIFSIGNALED(status))
        printf("  killed by signal %d, %s\n", WTERMSIG(status),
            strsignal(WTERMSIG(status)));
    else
        printf("  ended with status %d\n", WEXITSTATUS(status));
}

int main(int argc, char **argv)
{
    open_standard_fds();
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        usage(0);
    if (argc != 1)
        usage(2);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    event_set_log_callback(log_cb);

    try("an event is added after event_free", 1, add_freed);
    try("an event is freed twice", 1, free_twice);
    try("event_assign is called for an added event", 1, assign_added);
    try("an event watches a blocking descriptor", 1, watch_blocking);
    try("the debug mode is enabled after the base was made", 0, enable_late);
    check_output();
    return 0;
}
