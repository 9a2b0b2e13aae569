/* forks.c -- event_reinit: the new process has a set of its own, and the first
 * one keeps its own. */
#include <signal.h>
#include <sys/wait.h>

#include "trace.h"

static struct event_base *base;

static void name_cb(evutil_socket_t fd, short what, void *arg)
{
    printf("  %s%s\n", (char *)arg, names_of(what));
    if (what & EV_READ)
        drain(fd);
}

static void turn(const char *who)
{
    printf(" %s\n", who);
    event_base_loop(base, EVLOOP_NONBLOCK);
    fflush(stdout);
}

static void in_child(struct event *reader, struct event *signaled)
{
    struct event *extra;
    int fds[2];

    printf(" child: reinit %d\n", event_reinit(base));
    turn("child, what was ready before:");
    event_del(reader);
    event_add(reader, NULL);
    event_free(reader);
    make_pair(fds);
    extra = event_new(base, fds[0], EV_READ, name_cb, "child's own");
    event_add(extra, NULL);
    send_byte(fds[1]);
    raise(SIGUSR1);
    turn("child, a signal and a new event:");
    event_free(extra);
    event_free(signaled);
    close(fds[0]);
    close(fds[1]);
    event_base_free(base);
    exit(0);
}

/* A signal that a child gets, and does not look at, is not its parent's. */
static void ignored_in_child(void)
{
    int status;
    pid_t pid = fork();

    if (pid < 0)
        err(1, "fork");
    if (pid == 0) {
        if (event_reinit(base) < 0)
            _exit(1);
        raise(SIGUSR1);
        _exit(0);
    }
    waitpid(pid, &status, 0);
    printf(" another child ended with %d\n", WEXITSTATUS(status));
}

int main(void)
{
    struct event *reader, *signaled;
    int fds[2], status;
    pid_t pid;

    print_log();
    base = event_base_new();
    if (!base)
        errx(1, "no base");
    make_pair(fds);
    reader = event_new(base, fds[0], EV_READ | EV_PERSIST, name_cb, "reader");
    signaled = evsignal_new(base, SIGUSR1, name_cb, "signal");
    event_add(reader, NULL);
    event_add(signaled, NULL);
    send_byte(fds[1]);
    fflush(stdout);
    pid = fork();
    if (pid < 0)
        err(1, "fork");
    if (pid == 0)
        in_child(reader, signaled);
    waitpid(pid, &status, 0);
    printf(" child ended with %d\n", WEXITSTATUS(status));
    ignored_in_child();
    turn("parent, nothing of the child's:");
    send_byte(fds[1]);
    raise(SIGUSR1);
    turn("parent, its own:");
    printf(" reinit in the parent %d\n", event_reinit(base));
    send_byte(fds[1]);
    raise(SIGUSR1);
    turn("parent, after it:");
    event_free(reader);
    event_free(signaled);
    close(fds[0]);
    close(fds[1]);
    event_base_free(base);
    return 0;
}
