/* wake-loop.c -- which calls of another thread wake a loop that sleeps.
 *
 * Build: cc -o wake-loop wake-loop.c -levent_core -levent_pthreads -pthread
 * Run:   ./wake-loop
 * Try:   strace -f -e trace=epoll_wait,write ./wake-loop
 */
#include <err.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/thread.h>

/* Milliseconds: when the other thread acts, when the timer is due, before when
 * a loop has ended for another reason, and how long a scene may take. */
enum { ACTS = 200, TIMER = 1800, SOON = 1300, MOST = 3000 };

/* What the two threads of a scene share. The main thread runs the loop. */
struct stage {
    const struct scene *scene;
    struct event_base *base;
    int bell;            /* an eventfd */
    struct event *event; /* for the bell, or for no descriptor at all */
    struct event *timer;
};

/* What the loop waits for. Each callback ends it, and so does an empty base. */
enum wait { BELL_AND_TIMER, TIMER_ALONE, NOTHING };

struct scene {
    const char *name;
    void (*act)(struct stage *stage); /* what the other thread does */
    bool locks; /* evthread_use_pthreads is called first */
    enum wait wait;
};

static void usage(int status)
{
    fprintf(status ? stderr : stdout, "usage: wake-loop\n");
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

/* Milliseconds by the exact clock, whichever the base uses. */
static double clock_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void exit_loop(struct stage *stage)
{
    event_base_loopexit(stage->base, NULL);
}

static void activate(struct stage *stage)
{
    event_active(stage->event, EV_READ, 0);
}

static void ring(struct stage *stage)
{
    uint64_t one = 1;

    if (write(stage->bell, &one, sizeof(one)) < 0)
        err(1, "cannot write to an eventfd");
}

static void delete_timer(struct stage *stage)
{
    event_del(stage->timer);
}

static void delete_event(struct stage *stage)
{
    event_del(stage->event);
}

static void delete_and_continue(struct stage *stage)
{
    event_del(stage->timer);
    event_base_loopcontinue(stage->base);
}

static void *other_thread(void *arg)
{
    static const struct timespec pause = {0, ACTS * 1000000L};
    struct stage *stage = arg;

    nanosleep(&pause, NULL);
    stage->scene->act(stage);
    return NULL;
}

static void end_cb(evutil_socket_t fd, short what, void *arg)
{
    event_base_loopbreak(arg);
}

static void prepare(struct stage *stage)
{
    struct timeval timer = {TIMER / 1000, TIMER % 1000 * 1000};
    enum wait wait = stage->scene->wait;

    if (stage->scene->locks && evthread_use_pthreads() < 0)
        errx(1, "cannot make locks");
    stage->base = event_base_new();
    stage->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (!stage->base || stage->bell < 0)
        err(1, "cannot make an event loop");
    stage->event = event_new(stage->base, wait == NOTHING ? -1 : stage->bell,
        EV_READ, end_cb, stage->base);
    stage->timer = evtimer_new(stage->base, end_cb, stage->base);
    if (!stage->event || !stage->timer ||
        (wait != TIMER_ALONE && event_add(stage->event, NULL) < 0) ||
        (wait != NOTHING && evtimer_add(stage->timer, &timer) < 0))
        errx(1, "cannot add an event");
}

/* Play a scene in a process of its own: evthread_use_pthreads cannot be undone,
 * and two threads may wait for each other for ever, until SIGALRM ends them. So
 * nothing is freed one by one. */
static void play(const struct scene *scene)
{
    static const struct itimerval most = {
        .it_value = {MOST / 1000, MOST % 1000 * 1000L}};
    struct stage stage = {.scene = scene};
    pthread_t other;

    setitimer(ITIMER_REAL, &most, NULL);
    prepare(&stage);
    double began = clock_ms();
    if (pthread_create(&other, NULL, other_thread, &stage) != 0)
        errx(1, "cannot start a thread");
    if (event_base_dispatch(stage.base) < 0)
        errx(1, "the event loop failed");
    int status = clock_ms() - began < SOON ? 0 : 3;
    pthread_join(other, NULL);
    _exit(status);
}

static const char *outcome(pid_t pid)
{
    int status;

    if (waitpid(pid, &status, 0) < 0)
        err(1, "cannot wait for a scene");
    if (WIFSIGNALED(status))
        return WTERMSIG(status) == SIGALRM ? "never" : "a crash";
    return WEXITSTATUS(status) == 0   ? "at once"
           : WEXITSTATUS(status) == 3 ? "when the timer is due"
                                      : "a failure";
}

static const struct scene SCENES[] = {
    {"event_base_loopexit, without locks", exit_loop, false, BELL_AND_TIMER},
    {"event_base_loopexit", exit_loop, true, BELL_AND_TIMER},
    {"event_active, without locks", activate, false, BELL_AND_TIMER},
    {"event_active", activate, true, BELL_AND_TIMER},
    {"a write to an eventfd, without locks", ring, false, BELL_AND_TIMER},
    {"event_del of the last event", delete_event, true, NOTHING},
    {"event_del of the last event, a timer", delete_timer, true, TIMER_ALONE},
    {"the same, then event_base_loopcontinue", delete_and_continue, true,
        TIMER_ALONE},
};

enum { COUNT = sizeof(SCENES) / sizeof(SCENES[0]) };

int main(int argc, char **argv)
{
    pid_t pids[COUNT];

    open_standard_fds();
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        usage(0);
    if (argc != 1)
        usage(2);

    for (int i = 0; i < COUNT; i++) { /* all of them at the same time */
        pids[i] = fork();
        if (pids[i] < 0)
            err(1, "cannot start a process");
        if (pids[i] == 0)
            play(&SCENES[i]);
    }
    for (int i = 0; i < COUNT; i++)
        printf("%-42s %s\n", SCENES[i].name, outcome(pids[i]));
    check_output();
    return 0;
}
