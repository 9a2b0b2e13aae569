/* lock-order.c -- two threads and two locks: who waits for whom, for ever.
 *
 * Build: cc -o lock-order lock-order.c -levent_core -levent_pthreads -pthread
 * Run:   ./lock-order
 * Try:   gdb -p PID -ex "thread apply all bt", of a process that waits
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
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/thread.h>
#include <event2/util.h>

/* Milliseconds: how long a scene may take. None has a timer. */
enum { SOON = 5000, MOST = 3000 };

enum { UNLOCKED = BEV_OPT_DEFER_CALLBACKS | BEV_OPT_UNLOCK_CALLBACKS };

/* What the two threads of a scene share. The main thread runs BASE. */
struct stage {
    const struct scene *scene;
    struct event_base *base, *second; /* the other thread may run SECOND */
    struct event *event;              /* for an eventfd that is readable */
    struct bufferevent *bevs[2];      /* on BASE and on SECOND */
    pthread_mutex_t mutex;            /* a lock of our own */
    pthread_barrier_t both;           /* both threads have their first lock */
};

struct scene {
    const char *name;
    void (*act)(struct stage *stage); /* what the other thread does */
    int options;                      /* of the bufferevents */
};

static void usage(int status)
{
    fprintf(status ? stderr : stdout, "usage: lock-order\n");
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

static void delete_event(struct stage *stage)
{
    event_del(stage->event);
}

static void delete_noblock(struct stage *stage)
{
    event_del_noblock(stage->event);
}

static void write_to_bev(struct stage *stage)
{
    bufferevent_write(stage->bevs[0], "x", 1);
}

static void run_second(struct stage *stage)
{
    event_base_dispatch(stage->second);
}

/* The other thread locks our mutex and acts while the main thread is in a
 * callback, or it runs a loop of its own. */
static void *other_thread(void *arg)
{
    struct stage *stage = arg;
    bool takes = stage->scene->act != run_second;

    if (takes) {
        pthread_mutex_lock(&stage->mutex);
        pthread_barrier_wait(&stage->both);
    }
    stage->scene->act(stage);
    if (takes)
        pthread_mutex_unlock(&stage->mutex);
    return NULL;
}

/* In the main thread. The event cannot be deleted while this runs. */
static void event_cb(evutil_socket_t fd, short what, void *arg)
{
    struct stage *stage = arg;

    pthread_barrier_wait(&stage->both);
    pthread_mutex_lock(&stage->mutex);
    pthread_mutex_unlock(&stage->mutex);
    event_base_loopbreak(stage->base);
}

/* In the main thread, which has the lock of the bufferevent. */
static void read_cb(struct bufferevent *bev, void *arg)
{
    event_cb(-1, EV_READ, arg);
}

/* In both threads, each of which has the lock of its own bufferevent. */
static void cross_cb(struct bufferevent *bev, void *arg)
{
    struct stage *stage = arg;

    pthread_barrier_wait(&stage->both);
    bufferevent_write(stage->bevs[bev == stage->bevs[0]], "x", 1);
    event_base_loopbreak(bufferevent_get_base(bev));
}

/* A bufferevent that has something to read. */
static struct bufferevent *bev_new(
    struct stage *stage, struct event_base *base, bufferevent_data_cb cb)
{
    evutil_socket_t pair[2];

    if (evutil_socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0 ||
        evutil_make_socket_nonblocking(pair[0]) < 0 ||
        write(pair[1], "x", 1) != 1)
        err(1, "cannot make a pair of sockets");
    struct bufferevent *bev = bufferevent_socket_new(
        base, pair[0], BEV_OPT_THREADSAFE | stage->scene->options);
    if (!bev)
        errx(1, "cannot make a bufferevent");
    bufferevent_setcb(bev, cb, NULL, NULL, stage);
    if (bufferevent_enable(bev, EV_READ) < 0)
        errx(1, "cannot watch a socket");
    return bev;
}

static void prepare(struct stage *stage)
{
    void (*act)(struct stage *) = stage->scene->act;
    int bell = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);

    if (evthread_use_pthreads() < 0)
        errx(1, "cannot make locks");
    stage->base = event_base_new();
    stage->second = event_base_new();
    if (!stage->base || !stage->second || bell < 0)
        err(1, "cannot make an event loop");
    pthread_mutex_init(&stage->mutex, NULL);
    pthread_barrier_init(&stage->both, NULL, 2);
    if (act == write_to_bev || act == run_second) {
        bool cross = act == run_second;

        stage->bevs[0] =
            bev_new(stage, stage->base, cross ? cross_cb : read_cb);
        stage->bevs[1] = bev_new(stage, stage->second, cross_cb);
        return;
    }
    stage->event =
        event_new(stage->base, bell, EV_READ | EV_PERSIST, event_cb, stage);
    if (!stage->event || event_add(stage->event, NULL) < 0)
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
    {"bufferevent_write under our mutex", write_to_bev, 0},
    {"the same, callbacks unlocked", write_to_bev, UNLOCKED},
    {"event_del under our mutex", delete_event, 0},
    {"event_del_noblock under our mutex", delete_noblock, 0},
    {"each loop writes to the other's connection", run_second, 0},
    {"the same, callbacks unlocked", run_second, UNLOCKED},
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
