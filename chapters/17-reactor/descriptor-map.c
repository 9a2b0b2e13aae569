/* descriptor-map.c -- several events on a descriptor, and epoll told once.
 *
 * Build: cc -o descriptor-map descriptor-map.c
 * Run:   ./descriptor-map
 * Try:   strace -e trace=epoll_ctl ./descriptor-map
 */
#define _GNU_SOURCE /* pipe2 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    READY = 64,             /* events that one epoll_wait returns */
    MAX_FD = (1 << 24) - 1, /* a descriptor above it is refused */
    ENDS = 10,              /* the numbers of a socket pair: 10 and 11 */
};

struct event {
    int fd;
    unsigned wants; /* EPOLLIN, EPOLLOUT */
    void (*callback)(int fd, unsigned what, void *arg);
    void *arg;
    SLIST_ENTRY(event) next; /* of the same descriptor */
    int is_active;
    unsigned what; /* has happened, while it is active */
    TAILQ_ENTRY(event) active_next;
};

struct slot {
    SLIST_HEAD(, event) events;
    unsigned wanted; /* what epoll was asked for: the union */
};

struct base {
    int epoll;
    struct slot *slots; /* the index is the descriptor */
    int slot_count;
    TAILQ_HEAD(, event) active;
    int told; /* calls of epoll_ctl */
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

struct named {
    const char *name;
    struct event event;
    struct event *victim; /* deleted by the callback, or NULL */
};

static void named_cb(int fd, unsigned what, void *arg)
{
    struct named *named = arg;

    printf("    %s runs:%s%s\n", named->name, what & EPOLLIN ? " in" : "",
        what & EPOLLOUT ? " out" : "");
    if (named->victim)
        must(unwatch_fd(&base, named->victim));
}

static struct named name_event(const char *name, unsigned wants)
{
    return (struct named){name,
        {.fd = ENDS, .wants = wants, .callback = named_cb}, .victim = NULL};
}

/* Print a line: what was done, and what epoll knows then. */
static void print_step(const char *step, int status)
{
    unsigned wanted = base.slots[ENDS].wanted;

    must(status);
    printf("  %-28s epoll watches for:%s%s%s, calls: %d\n", step,
        wanted & EPOLLIN ? " in" : "", wanted & EPOLLOUT ? " out" : "",
        wanted ? "" : " nothing", base.told);
}

static void add_named(const char *step, struct named *named)
{
    named->event.arg = named;
    print_step(step, watch_fd(&base, &named->event));
}

static void delete_named(const char *step, struct named *named)
{
    print_step(step, unwatch_fd(&base, &named->event));
}

/* Give a new socket pair, or a pipe, the numbers ENDS and ENDS + 1. What had
 * them before is closed. */
static void open_ends(int is_pipe)
{
    int pair[2];

    if ((is_pipe ? pipe2(pair, O_NONBLOCK)
                 : socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair)) <
        0)
        err(1, "cannot make a pair");
    for (int i = 0; i < 2; i++) {
        if (dup2(pair[i], is_pipe ? ENDS + 1 - i : ENDS + i) < 0)
            err(1, "cannot get descriptor %d", ENDS);
        close(pair[i]);
    }
}

/* The other end of the pair sends a byte, which nobody reads. */
static void run_after_input(void)
{
    printf("  input comes, a round:\n");
    if (write(ENDS + 1, "x", 1) != 1)
        err(1, "cannot write to the socket pair");
    run_base(&base, 0);
}

static void show_union(void)
{
    struct named reader = name_event("reader", EPOLLIN);
    struct named writer = name_event("writer", EPOLLOUT);
    struct named second = name_event("second reader", EPOLLIN);

    printf("three events on a descriptor, one registration:\n");
    open_ends(0);
    add_named("reader added", &reader);
    add_named("writer added", &writer);
    add_named("second reader added", &second);
    run_after_input();
    second.victim = &reader.event;
    printf("  its callback deletes the reader, which is active:\n");
    run_base(&base, 0);
    print_step("reader deleted", 0);
    delete_named("writer deleted", &writer);
    delete_named("second reader deleted", &second);
}

/* A full pipe whose reader leaves: it is not ready for output, but has failed.
 */
static void show_failed(void)
{
    struct named writer = name_event("writer", EPOLLOUT);

    printf("an error, for which no event waits:\n");
    open_ends(1);
    while (write(ENDS, "x", 1) == 1)
        ;
    add_named("writer added", &writer);
    close(ENDS + 1);
    run_base(&base, 0);
    delete_named("writer deleted", &writer);
    dup2(STDERR_FILENO, ENDS + 1); /* the number stays ours */
}

static void show_reuse(void)
{
    struct named old = name_event("old", EPOLLIN);
    struct named new = name_event("new", EPOLLIN);

    printf("deleted, closed, and the number used again:\n");
    open_ends(0);
    add_named("old added", &old);
    delete_named("old deleted", &old);
    open_ends(0);
    add_named("new added", &new);
    run_after_input();
    printf("what it cannot do: notice that the number was closed before\n");
    open_ends(0);
    add_named("old added, new not deleted", &old);
    run_after_input();
    delete_named("new deleted", &new);
    delete_named("old deleted", &old);
    add_named("new added", &new);
    run_after_input();
    delete_named("new deleted", &new);
}

int main(int argc, char **argv)
{
    begin(argc, argv);
    for (int fd = ENDS; fd <= ENDS + 1; fd++) /* no other gets the numbers */
        if (dup2(STDERR_FILENO, fd) < 0)
            err(1, "cannot get descriptor %d", fd);
    open_base(&base);
    show_union();
    show_failed();
    show_reuse();

    struct event huge = {.fd = INT_MAX, .wants = EPOLLIN};
    if (watch_fd(&base, &huge) < 0)
        printf("descriptor %d: %s\n", huge.fd, strerror(errno));
    close_base(&base);
    check_output();
    return 0;
}
