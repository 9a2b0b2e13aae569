/* signal-pipe.c -- a signal, from its handler through a pipe to the loop.
 *
 * Build: cc -o signal-pipe signal-pipe.c
 * Run:   ./signal-pipe
 * Try:   strace ./signal-pipe
 */
#define _GNU_SOURCE /* pipe2 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READY = 64, MAX_FD = (1 << 24) - 1, MANY = 100000 };

struct event {
    int fd; /* or the number of a signal */
    unsigned wants;
    void (*callback)(int fd, unsigned what, void *arg);
    void *arg;
    SLIST_ENTRY(event) next; /* of the same descriptor or signal */
    int is_active;
    unsigned what; /* has happened; of a signal: how often */
    TAILQ_ENTRY(event) active_next;
};

struct slot {
    SLIST_HEAD(, event) events;
    unsigned wanted;
};

struct base {
    int epoll;
    struct slot *slots;
    int slot_count;
    TAILQ_HEAD(, event) active;
    int told;
    int pipe[2];                /* the handler writes, the loop reads */
    struct event wakeup;        /* the pipe can be read */
    struct slot signals[NSIG];  /* the index is the number of the signal */
    struct sigaction old[NSIG]; /* what to restore */
};

/* Open what is missing of standard input, output and error: the numbers would
 * otherwise go to libevent's own descriptors, and what we print with them.
 * Opened for reading alone, so that printing fails as it did. */
static void open_standard_fds(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            open("/dev/null", O_RDONLY); /* gets the lowest number, FD */
}

/* None of the stages that print takes an argument. */
static void begin(int argc, char **argv)
{
    int is_help = argc == 2 && strcmp(argv[1], "--help") == 0;

    open_standard_fds();
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc != 1) {
        fprintf(is_help ? stdout : stderr, "usage: %s\n",
            program_invocation_short_name);
        exit(is_help ? 0 : 2);
    }
}

/* Output that could not be written, because the disk is full or standard output
 * is closed, is a failure of a program whose output is its result. */
static void check_output(void)
{
    if (fflush(stdout) != 0 || ferror(stdout))
        err(1, "cannot write to standard output");
}

/* Make the table larger. A huge number must not make it huge. */
static int make_room(struct base *base, int fd)
{
    int size = base->slot_count ? base->slot_count : 32;
    struct slot *slots;

    if (fd > MAX_FD) {
        errno = EMFILE;
        return -1;
    }
    while (size <= fd)
        size *= 2;
    slots = realloc(base->slots, (size_t)size * sizeof(*slots));
    if (!slots)
        return -1;
    memset(slots + base->slot_count, 0,
        (size_t)(size - base->slot_count) * sizeof(*slots));
    base->slots = slots;
    base->slot_count = size;
    return 0;
}

/* Tell epoll what a descriptor is wanted for now. It may have been closed, and
 * its number given to another: then the other operation is right, and what is
 * gone needs no deletion. */
static int tell_epoll(struct base *base, int fd, unsigned wanted)
{
    unsigned before = base->slots[fd].wanted;
    int op = !before ? EPOLL_CTL_ADD : wanted ? EPOLL_CTL_MOD : EPOLL_CTL_DEL;
    int other = op == EPOLL_CTL_ADD ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    struct epoll_event epev = {.events = wanted, .data.fd = fd};

    if (wanted == before)
        return 0;
    base->told++;
    if (epoll_ctl(base->epoll, op, fd, &epev) < 0 &&
        !(op == EPOLL_CTL_DEL && (errno == ENOENT || errno == EBADF)) &&
        !(errno == (op == EPOLL_CTL_ADD ? EEXIST : ENOENT) &&
            epoll_ctl(base->epoll, other, fd, &epev) == 0))
        return -1;
    base->slots[fd].wanted = wanted;
    return 0;
}

/* What is wanted by all events of a descriptor. */
static unsigned union_of(const struct slot *slot)
{
    const struct event *ev;
    unsigned wanted = 0;

    SLIST_FOREACH (ev, &slot->events, next)
        wanted |= ev->wants;
    return wanted;
}

static int watch_fd(struct base *base, struct event *ev)
{
    struct slot *slot;

    if (ev->fd >= base->slot_count && make_room(base, ev->fd) < 0)
        return -1;
    slot = &base->slots[ev->fd];
    if (tell_epoll(base, ev->fd, slot->wanted | ev->wants) < 0)
        return -1;
    SLIST_INSERT_HEAD(&slot->events, ev, next);
    return 0;
}

static void deactivate_event(struct base *base, struct event *ev)
{
    ev->is_active = 0;
    TAILQ_REMOVE(&base->active, ev, active_next);
}

/* An event that is deleted does not run any more, even if it is active. */
static int unwatch_fd(struct base *base, struct event *ev)
{
    struct slot *slot = &base->slots[ev->fd];

    if (ev->is_active)
        deactivate_event(base, ev);
    SLIST_REMOVE(&slot->events, ev, event, next);
    return tell_epoll(base, ev->fd, union_of(slot));
}

/* An event that is active already keeps its place. */
static void activate_event(struct base *base, struct event *ev, unsigned what)
{
    if (ev->is_active) {
        ev->what |= what;
        return;
    }
    ev->is_active = 1;
    ev->what = what;
    TAILQ_INSERT_TAIL(&base->active, ev, active_next);
}

/* An error or a hang-up concerns all events of the descriptor, and none has
 * asked for it: the call that follows gives the reason. */
static void activate_slot(struct base *base, int fd, unsigned events)
{
    unsigned what =
        events & (EPOLLERR | EPOLLHUP) ? EPOLLIN | EPOLLOUT : events;
    struct event *ev;

    SLIST_FOREACH (ev, &base->slots[fd].events, next)
        if (ev->wants & what)
            activate_event(base, ev, ev->wants & what);
}

/* Collect what is ready. No callback runs yet, so nothing is deleted meanwhile.
 */
static int wait_for_events(struct base *base, int milliseconds)
{
    struct epoll_event ready[READY];
    int count = epoll_wait(base->epoll, ready, READY, milliseconds);

    if (count < 0)
        return errno == EINTR ? 0 : -1;
    for (int i = 0; i < count; i++)
        activate_slot(base, ready[i].data.fd, ready[i].events);
    return 0;
}

/* The callback may delete any event, also this one and those behind it. */
static void run_active(struct base *base)
{
    struct event *ev;

    while ((ev = TAILQ_FIRST(&base->active))) {
        deactivate_event(base, ev);
        ev->callback(ev->fd, ev->what, ev->arg);
    }
}

static void close_base(struct base *base)
{
    close(base->epoll);
    free(base->slots);
}

static void open_base(struct base *base)
{
    base->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (base->epoll < 0)
        err(1, "cannot open epoll");
    TAILQ_INIT(&base->active);
}

static void run_base(struct base *base, int milliseconds)
{
    if (wait_for_events(base, milliseconds) < 0)
        err(1, "epoll_wait");
    run_active(base);
}

/* The program ends if a call that has to succeed fails. */
static void must(int result)
{
    if (result < 0)
        errx(1, "a call failed");
}

static struct base base;

/* It may interrupt any line of the program: so it calls write(2), which a
 * handler may, and leaves errno as it was. If the pipe is full, the loop has
 * enough to wake up for. */
static void signal_handler(int number)
{
    int error = errno;
    unsigned char byte = (unsigned char)number;
    ssize_t sent = write(base.pipe[1], &byte, 1);

    (void)sent;
    errno = error;
}

/* Now we are in the loop, where a callback may do anything. */
static void wakeup_cb(int fd, unsigned what, void *arg)
{
    unsigned char bytes[1024];
    unsigned counts[NSIG] = {0};
    struct event *ev;
    ssize_t length;

    while ((length = read(fd, bytes, sizeof(bytes))) > 0)
        for (ssize_t i = 0; i < length; i++)
            counts[bytes[i] % NSIG]++;
    for (int number = 1; number < NSIG; number++)
        if (counts[number])
            SLIST_FOREACH (ev, &base.signals[number].events, next)
                activate_event(&base, ev, counts[number]);
}

/* The pipe never blocks, on neither side, and is closed in programs that we
 * start. */
static int open_signals(void)
{
    if (pipe2(base.pipe, O_NONBLOCK | O_CLOEXEC) < 0)
        return -1;
    base.wakeup = (struct event){base.pipe[0], EPOLLIN, wakeup_cb, .arg = NULL};
    return watch_fd(&base, &base.wakeup);
}

static int watch_signal(struct event *ev)
{
    struct slot *slot = &base.signals[ev->fd];
    struct sigaction action = {
        .sa_handler = signal_handler, .sa_flags = SA_RESTART};

    sigfillset(&action.sa_mask);
    if (SLIST_EMPTY(&slot->events) &&
        sigaction(ev->fd, &action, &base.old[ev->fd]) < 0)
        return -1;
    SLIST_INSERT_HEAD(&slot->events, ev, next);
    return 0;
}

/* The last event of a signal gives it back the handler that it had. */
static int unwatch_signal(struct event *ev)
{
    struct slot *slot = &base.signals[ev->fd];

    if (ev->is_active)
        deactivate_event(&base, ev);
    SLIST_REMOVE(&slot->events, ev, event, next);
    if (!SLIST_EMPTY(&slot->events))
        return 0;
    return sigaction(ev->fd, &base.old[ev->fd], NULL);
}

static void signal_cb(int number, unsigned count, void *name)
{
    printf("  %s runs: the signal came %u times%s\n", (char *)name,
        count < 1000 ? count : 1000, count < 1000 ? "" : " or more");
}

static void show_counts(void)
{
    struct event first = {SIGUSR1, 0, signal_cb, "first", .is_active = 0};
    struct event second = {SIGUSR1, 0, signal_cb, "second", .is_active = 0};

    must(watch_signal(&first));
    must(watch_signal(&second));
    printf("a signal comes three times, and two events wait for it:\n");
    for (int i = 0; i < 3; i++)
        raise(SIGUSR1);
    printf("  the handler has run\n");
    run_base(&base, -1);
    must(unwatch_signal(&second));

    printf("so often that the pipe is full:\n");
    errno = EDOM;
    for (int i = 0; i < MANY; i++)
        raise(SIGUSR1);
    printf("  errno is %s\n", errno == EDOM ? "as it was" : strerror(errno));
    run_base(&base, -1);
    must(unwatch_signal(&first));
}

/* The first round ends without an event, the second reads the pipe. */
static void show_interrupt(void)
{
    struct event ev = {SIGALRM, 0, signal_cb, "alarm", .is_active = 0};
    struct itimerval soon = {.it_value.tv_usec = 20000};

    printf("a signal that was ignored interrupts epoll_wait:\n");
    signal(SIGALRM, SIG_IGN);
    must(watch_signal(&ev));
    setitimer(ITIMER_REAL, &soon, NULL);
    run_base(&base, 1000);
    run_base(&base, 1000);
    must(unwatch_signal(&ev));
    printf("  after its event was deleted it is %s\n",
        signal(SIGALRM, SIG_IGN) == SIG_IGN ? "ignored" : "not ignored");
}

/* The pipe has two readers and two writers now. */
static void show_fork(void)
{
    struct event ev = {
        SIGUSR1, 0, signal_cb, "the parent's event", .is_active = 0};
    pid_t child;

    printf("what it cannot do: a child with a pipe of its own\n");
    must(watch_signal(&ev));
    must(child = fork());
    if (child == 0) {
        raise(SIGUSR1);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    printf("  the child got a signal, the parent none\n");
    run_base(&base, 0);
    must(unwatch_signal(&ev));
}

int main(int argc, char **argv)
{
    begin(argc, argv);
    open_base(&base);
    must(open_signals());
    show_counts();
    show_interrupt();
    show_fork();
    unwatch_fd(&base, &base.wakeup);
    close(base.pipe[0]);
    close(base.pipe[1]);
    close_base(&base);
    check_output();
    return 0;
}
