/* supervisor.c -- worker processes that are started, watched and replaced, see
 * supervisor.h.
 */
#include <err.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/listener.h>
#include <event2/util.h>

#include "supervisor.h"

static const struct timeval START = {10, 0}; /* a worker is ready by then */
static const struct timeval STEADY = {1, 0}; /* what lives so long is sound */
/* A worker that ends early is replaced at once, then after FIRST_DELAY
 * milliseconds, and each time twice as many, DOUBLINGS times. */
enum { FIRST_DELAY = 100, DOUBLINGS = 6, SIGNALS = 5 };

/* A slot keeps its listening socket, and the clients in the socket's queue,
 * whichever worker serves it. */
struct slot {
    struct supervisor *supervisor;
    int socket;                  /* listens; only its workers accept from it */
    struct event *restart_event; /* pending while it has no worker */
    struct worker *serving;
    struct worker *starting; /* forked, and not yet ready */
    int failures;            /* workers that ended early, in a row */
};

struct supervisor {
    const struct plan *plan;
    struct event_base *base;
    struct event *signals[SIGNALS];
    struct slot *slots;
    int waiting; /* slots that have had no worker yet */
    int renewed; /* slots with a new worker since SIGHUP; all of them: idle */
    int status;  /* the exit status */
    bool stopping;
    LIST_HEAD(worker_list, worker) workers;
};

/* The worker has the other end of fd. It writes a byte when it is ready; an end
 * of file there tells it that the supervisor has died. */
struct worker {
    struct slot *slot;
    pid_t pid;
    int fd;
    struct event *event; /* on fd; its time-out depends on what is awaited */
    bool leaving;
    LIST_ENTRY(worker) next;
};

/* Print a line on standard output, or on standard error as warnx(3) does. A
 * line that would block is dropped: a callback that waits for the reader of a
 * log stops the whole loop. If poll(2) says writable, a line has room. */
__attribute__((format(printf, 2, 3))) static void print_line(
    FILE *stream, const char *format, ...)
{
    struct pollfd pollfd = {.fd = fileno(stream), .events = POLLOUT};
    va_list arguments;

    if (poll(&pollfd, 1, 0) == 0)
        return;
    va_start(arguments, format);
    if (stream == stderr) {
        vwarnx(format, arguments);
    } else {
        vprintf(format, arguments);
        putchar('\n');
    }
    va_end(arguments);
}

/* Say where FD listens: given port 0, only the kernel knows. */
static void print_ready(evutil_socket_t fd)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    char host[NI_MAXHOST], port[NI_MAXSERV];

    if (getsockname(fd, (struct sockaddr *)&address, &length) != 0 ||
        getnameinfo((struct sockaddr *)&address, length, host, sizeof(host),
            port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        errx(1, "cannot read the listening address");
    print_line(stdout, "listening on %s port %s", host, port);
}

static void worker_free(struct worker *worker)
{
    LIST_REMOVE(worker, next);
    if (worker->event)
        event_free(worker->event);
    close(worker->fd);
    free(worker);
}

/* Free what is the supervisor's: in the supervisor at its end, in a worker at
 * its beginning. */
static void supervisor_clear(struct supervisor *supervisor)
{
    int count = supervisor->plan->count;

    while (!LIST_EMPTY(&supervisor->workers))
        worker_free(LIST_FIRST(&supervisor->workers));
    for (int i = 0; i < count; i++) {
        event_free(supervisor->slots[i].restart_event);
        if (i == 0 || !supervisor->plan->shared)
            close(supervisor->slots[i].socket);
    }
    free(supervisor->slots);
    for (int i = 0; i < SIGNALS; i++)
        event_free(supervisor->signals[i]);
    event_base_free(supervisor->base);
}

/* The child still runs in a callback of the parent's loop, and a base has one
 * loop: so it makes a base of its own. First event_reinit gives the parent's
 * base another back end: else freeing the parent's events here would take them
 * out of the epoll instance that both processes share. A terminal sends SIGINT
 * and SIGHUP to all processes, but the parent alone decides. Returns the exit
 * status. */
static int become_worker(struct slot *slot, int control)
{
    struct supervisor *supervisor = slot->supervisor;
    const struct plan *plan = supervisor->plan;
    struct task task = {
        .control = control, .number = (int)(slot - supervisor->slots) + 1};
    int fd = dup(slot->socket);

    if (fd < 0)
        err(1, "cannot keep the listening socket");
    if (event_reinit(supervisor->base) < 0)
        errx(1, "cannot renew the event base");
    supervisor_clear(supervisor);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    task_begin(&task, fd);
    return plan->work(&task, plan);
}

/* Let a worker finish, or kill it a second after its time. */
static void worker_leave(struct worker *worker)
{
    struct timeval limit = worker->slot->supervisor->plan->grace;

    limit.tv_sec++;
    worker->leaving = true;
    if (event_add(worker->event, &limit) < 0)
        print_line(stderr, "cannot set a limit for pid %d", (int)worker->pid);
    kill(worker->pid, SIGTERM);
}

/* Called a second time, it does not let workers finish what they do. */
static void supervisor_stop(struct supervisor *supervisor, int status)
{
    bool again = supervisor->stopping;
    struct worker *worker;

    supervisor->stopping = true;
    supervisor->status |= status;
    for (int i = 0; i < supervisor->plan->count; i++)
        event_del(supervisor->slots[i].restart_event);
    LIST_FOREACH (worker, &supervisor->workers, next)
        if (again || !worker->leaving)
            worker_leave(worker);
    if (LIST_EMPTY(&supervisor->workers))
        event_base_loopbreak(supervisor->base);
}

/* A worker of the slot has ended unasked, or could not be started. The next one
 * is started at once, but later and later if this happens again and again. */
static void slot_fail(struct slot *slot)
{
    struct supervisor *supervisor = slot->supervisor;
    int ms = slot->failures ? FIRST_DELAY << (slot->failures - 1) : 0;
    struct timeval delay = {ms / 1000, ms % 1000 * 1000};

    if (supervisor->stopping)
        return;
    if (supervisor->waiting > 0) {
        print_line(stderr, "a worker cannot be started: giving up");
        supervisor_stop(supervisor, 1);
    } else if (!slot->serving) {
        if (slot->failures <= DOUBLINGS)
            slot->failures++;
        print_line(stdout, "starting a worker in %d ms", ms);
        if (event_add(slot->restart_event, &delay) < 0)
            supervisor_stop(supervisor, 1);
    }
    if (slot - supervisor->slots == supervisor->renewed && slot->serving) {
        print_line(stderr, "the new worker failed: the old ones stay");
        supervisor->renewed = supervisor->plan->count;
    }
}

/* Replace the worker of the next slot. */
static void renew_next(struct supervisor *supervisor)
{
    if (supervisor->renewed == supervisor->plan->count)
        print_line(stdout, "all workers have been replaced");
    else
        event_active(supervisor->slots[supervisor->renewed].restart_event,
            EV_TIMEOUT, 0);
}

/* SIGHUP: one slot after the other. No more than two processes a slot: the old
 * ones have to be gone before the next time. */
static void renew(struct supervisor *supervisor)
{
    struct worker *worker;
    bool busy = supervisor->waiting > 0 || supervisor->stopping ||
                supervisor->renewed < supervisor->plan->count;

    LIST_FOREACH (worker, &supervisor->workers, next)
        busy = busy || worker->leaving;
    if (busy) {
        print_line(stderr, "cannot replace workers: others still come or go");
        return;
    }
    supervisor->renewed = 0;
    renew_next(supervisor);
}

/* The one before it in the slot may go. */
static void worker_ready(struct worker *worker)
{
    struct slot *slot = worker->slot;
    struct supervisor *supervisor = slot->supervisor;

    slot->starting = NULL;
    if (slot->serving && !slot->serving->leaving)
        worker_leave(slot->serving);
    slot->serving = worker;
    if (!worker->leaving && event_add(worker->event, &STEADY) < 0)
        print_line(stderr, "cannot set a limit for pid %d", (int)worker->pid);
    if (supervisor->waiting > 0 && --supervisor->waiting == 0)
        print_ready(supervisor->slots->socket);
    if (slot - supervisor->slots == supervisor->renewed) {
        supervisor->renewed++;
        renew_next(supervisor);
    }
}

/* A byte from the worker, the end of file when it has ended (SIGCHLD follows),
 * or a limit of time has passed. */
static void worker_cb(evutil_socket_t fd, short what, void *arg)
{
    struct worker *worker = arg;
    struct slot *slot = worker->slot;
    char byte;

    if (what & EV_READ) {
        if (read(fd, &byte, 1) != 1)
            event_del(worker->event);
        else if (slot->starting == worker)
            worker_ready(worker);
    } else if (slot->serving == worker && !worker->leaving) {
        slot->failures = 0;
        event_remove_timer(worker->event);
    } else {
        print_line(stderr, "pid %d is late: killed", (int)worker->pid);
        kill(worker->pid, SIGKILL);
    }
}

/* A worker that is still to be forked, with its end of the pair in CONTROL; or
 * NULL. */
static struct worker *worker_new(struct slot *slot, int *control)
{
    struct supervisor *supervisor = slot->supervisor;
    struct worker *worker = calloc(1, sizeof(*worker));
    int ends[2];

    if (!worker || socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) {
        free(worker);
        return NULL;
    }
    worker->event = event_new(
        supervisor->base, ends[0], EV_READ | EV_PERSIST, worker_cb, worker);
    worker->slot = slot;
    worker->fd = ends[0];
    LIST_INSERT_HEAD(&supervisor->workers, worker, next);
    if (!worker->event || event_add(worker->event, &START) < 0) {
        close(ends[1]);
        worker_free(worker);
        return NULL;
    }
    *control = ends[1];
    return worker;
}

/* Start a worker. Its signals are blocked until it has handlers of its own: the
 * parent's would write into the parent's pipe. */
static void restart_cb(evutil_socket_t fd, short what, void *arg)
{
    struct slot *slot = arg;
    struct worker *worker;
    sigset_t all, before;
    int control;

    if (slot->starting || slot->supervisor->stopping)
        return;
    if (!(worker = worker_new(slot, &control))) {
        print_line(stderr, "cannot make a worker: %s", strerror(errno));
        slot_fail(slot);
        return;
    }
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before);
    worker->pid = fork();
    if (worker->pid == 0)
        exit(become_worker(slot, control));
    sigprocmask(SIG_SETMASK, &before, NULL);
    close(control);
    if (worker->pid > 0) {
        slot->starting = worker;
        return;
    }
    print_line(stderr, "cannot fork: %s", strerror(errno));
    worker_free(worker);
    slot_fail(slot);
}

/* A worker has ended: as it was told to, or it is replaced. */
static void worker_ended(struct worker *worker, int status)
{
    struct slot *slot = worker->slot;
    bool missed = slot->starting == worker || slot->serving == worker;
    bool bad = !worker->leaving || status != 0;

    if (bad)
        print_line(stderr, "pid %d ended with %s %d", (int)worker->pid,
            WIFSIGNALED(status) ? "signal" : "status",
            WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    slot->supervisor->status |= bad && slot->supervisor->stopping;
    if (slot->starting == worker)
        slot->starting = NULL;
    if (slot->serving == worker)
        slot->serving = NULL;
    worker_free(worker);
    if (missed)
        slot_fail(slot);
}

/* SIGCHLD: one signal may stand for several children. */
static void reap(struct supervisor *supervisor)
{
    struct worker *worker;
    pid_t pid;
    int status;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        LIST_FOREACH (worker, &supervisor->workers, next)
            if (worker->pid == pid)
                break;
        if (worker)
            worker_ended(worker, status);
    }
    if (supervisor->stopping && LIST_EMPTY(&supervisor->workers))
        event_base_loopbreak(supervisor->base);
}

static void signal_cb(evutil_socket_t signum, short what, void *arg)
{
    struct supervisor *supervisor = arg;
    struct worker *worker;

    if (signum == SIGCHLD) {
        reap(supervisor);
    } else if (signum == SIGHUP) {
        renew(supervisor);
    } else if (signum == SIGUSR1) {
        LIST_FOREACH (worker, &supervisor->workers, next)
            kill(worker->pid, SIGUSR1);
    } else {
        print_line(stdout, "stopping");
        supervisor_stop(supervisor, 0);
    }
}

/* The slots, each with an event that starts its worker, and the signals. */
static void supervisor_start(struct supervisor *supervisor)
{
    const int signals[SIGNALS] = {SIGCHLD, SIGHUP, SIGUSR1, SIGINT, SIGTERM};
    for (int i = 0; i < supervisor->plan->count; i++) {
        struct slot *slot = &supervisor->slots[i];

        slot->supervisor = supervisor;
        slot->restart_event = evtimer_new(supervisor->base, restart_cb, slot);
        if (!slot->restart_event)
            errx(1, "cannot make an event");
        event_active(slot->restart_event, EV_TIMEOUT, 0);
    }
    for (int i = 0; i < SIGNALS; i++) {
        supervisor->signals[i] =
            evsignal_new(supervisor->base, signals[i], signal_cb, supervisor);
        if (!supervisor->signals[i] ||
            event_add(supervisor->signals[i], NULL) < 0)
            errx(1, "cannot watch for a signal");
    }
}

int supervisor_run(const struct plan *plan, const char *host, const char *port)
{
    struct supervisor supervisor = {.plan = plan,
        .base = event_base_new(),
        .slots = calloc((size_t)plan->count, sizeof(struct slot)),
        .waiting = plan->count,
        .renewed = plan->count};

    if (!supervisor.base || !supervisor.slots)
        errx(1, "cannot make an event base and slots");
    LIST_INIT(&supervisor.workers);
    supervisor.slots[0].socket = worker_socket_first(host, port, !plan->shared);
    for (int i = 1; i < plan->count; i++)
        supervisor.slots[i].socket =
            plan->shared ? supervisor.slots[0].socket
                         : worker_socket_next(supervisor.slots[0].socket);
    supervisor_start(&supervisor);
    int result = event_base_dispatch(supervisor.base);
    supervisor_clear(&supervisor);
    return result < 0 ? 1 : supervisor.status;
}
