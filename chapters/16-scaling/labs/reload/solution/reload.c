/* Starter and solution in one: look once you have passed (make compare-NN). */
/* reload.c -- a server whose worker process is replaced at SIGHUP.
 *
 * Build: cc -o reload reload.c -levent_core
 * Run:   ./reload FILE [PORT]            (8888, on 127.0.0.1)
 * Try:   nc 127.0.0.1 8888; kill -HUP to the first process
 */
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

enum { SIGNALS = 3, MOST = 16 };

struct conn {
    struct worker *worker;
    struct bufferevent *bev;
    LIST_ENTRY(conn) next;
};

/* What a worker has, in its own process. */
struct worker {
    struct event_base *base;
    struct evconnlistener *listener; /* NULL once it is to leave */
    char word[80];                   /* the first line of FILE */
    LIST_HEAD(conn_list, conn) conns;
};

/* What the first process has. */
struct supervisor {
    struct event_base *base;
    struct event *signals[SIGNALS];
    const char *file;
    struct sockaddr_in address;
    int status; /* its exit status */
#ifdef SOLUTION
    int socket;          /* listens; all workers inherit it */
    pid_t workers[MOST]; /* all that have not been waited for */
    int count;
    pid_t serving;       /* accepts clients; 0: none */
    pid_t starting;      /* not ready yet; 0: none */
    struct event *ready; /* the pipe that the starting one writes to */
    bool ending;
#else
    pid_t worker;
#endif
};

/* The port that TEXT names, 0 to 65535, or -1 if it names none. The resolver
 * would not report it: getaddrinfo(3) reads 70000 as 4464. */
static int parse_port(const char *text)
{
    char *end;
    long port = strtol(text, &end, 10);

    if (!isdigit((unsigned char)text[0]) || *end != '\0' || port > 65535)
        return -1;
    return (int)port;
}

/* --- the worker --- */

static void conn_free(struct conn *conn)
{
    struct worker *worker = conn->worker;

    LIST_REMOVE(conn, next);
    bufferevent_free(conn->bev);
    free(conn);
    if (!worker->listener && LIST_EMPTY(&worker->conns))
        event_base_loopbreak(worker->base);
}

/* Answer each line, behind the worker's word. */
static void read_cb(struct bufferevent *bev, void *arg)
{
    struct conn *conn = arg;
    char *line;

    while ((line = evbuffer_readln(
                bufferevent_get_input(bev), NULL, EVBUFFER_EOL_LF))) {
        if (evbuffer_add_printf(bufferevent_get_output(bev), "%s %s\n",
                conn->worker->word, line) < 0)
            errx(1, "cannot answer a client");
        free(line);
    }
}

static void event_cb(struct bufferevent *bev, short what, void *arg)
{
    conn_free(arg);
}

static void accept_cb(struct evconnlistener *listener, evutil_socket_t fd,
    struct sockaddr *address, int length, void *arg)
{
    struct worker *worker = arg;
    struct conn *conn = calloc(1, sizeof(*conn));

    if (conn)
        conn->bev =
            bufferevent_socket_new(worker->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (!conn || !conn->bev)
        errx(1, "cannot serve a client");
    conn->worker = worker;
    LIST_INSERT_HEAD(&worker->conns, conn, next);
    bufferevent_setcb(conn->bev, read_cb, NULL, event_cb, conn);
    if (bufferevent_enable(conn->bev, EV_READ) < 0)
        errx(1, "cannot watch a client");
}

/* SIGTERM: accept no more, and end when the last client has left. SIGINT: end
 * at once. */
static void stop_cb(evutil_socket_t signum, short what, void *arg)
{
    struct worker *worker = arg;

    if (worker->listener)
        evconnlistener_free(worker->listener);
    worker->listener = NULL;
    if (signum == SIGINT || LIST_EMPTY(&worker->conns))
        event_base_loopbreak(worker->base);
}

static void read_word(struct worker *worker, const char *name)
{
    FILE *file = fopen(name, "r");

    if (!file || !fgets(worker->word, sizeof(worker->word), file))
        err(1, "cannot read %s", name);
    worker->word[strcspn(worker->word, "\n")] = '\0';
    fclose(file);
}

/* The whole life of a worker, which accepts clients from FD. When it is ready,
 * it writes a byte to READY, unless that is -1. Returns its exit status. */
static int work(int fd, int ready, const char *file)
{
    struct worker worker = {.base = event_base_new()};

    LIST_INIT(&worker.conns);
    read_word(&worker, file);
    if (worker.base)
        worker.listener = evconnlistener_new(
            worker.base, accept_cb, &worker, LEV_OPT_CLOSE_ON_FREE, 0, fd);
    if (!worker.listener)
        err(1, "cannot accept clients");
    struct event *leave = evsignal_new(worker.base, SIGTERM, stop_cb, &worker);
    struct event *end = evsignal_new(worker.base, SIGINT, stop_cb, &worker);
    if (!leave || !end || event_add(leave, NULL) < 0 ||
        event_add(end, NULL) < 0)
        errx(1, "cannot watch for a signal");
    if (ready >= 0) {
        if (write(ready, "r", 1) != 1)
            err(1, "cannot tell the supervisor");
        close(ready);
    }
    event_base_dispatch(worker.base);

    while (!LIST_EMPTY(&worker.conns))
        conn_free(LIST_FIRST(&worker.conns));
    if (worker.listener)
        evconnlistener_free(worker.listener);
    event_free(leave);
    event_free(end);
    event_base_free(worker.base);
    return 0;
}

/* --- the supervisor --- */

/* A socket that listens on the supervisor's address. The first time, the kernel
 * may choose the port. */
static int open_listening(struct supervisor *supervisor)
{
    struct sockaddr *address = (struct sockaddr *)&supervisor->address;
    socklen_t length = sizeof(supervisor->address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0 || evutil_make_listen_socket_reuseable(fd) < 0 ||
        bind(fd, address, length) != 0 || listen(fd, SOMAXCONN) != 0 ||
        getsockname(fd, address, &length) != 0)
        err(1, "cannot listen on port %d", ntohs(supervisor->address.sin_port));
    return fd;
}

/* Free what the supervisor has: at its end, and in each worker. */
static void supervisor_clear(struct supervisor *supervisor)
{
    for (int i = 0; i < SIGNALS; i++)
        event_free(supervisor->signals[i]);
#ifdef SOLUTION
    if (supervisor->ready) {
        close(event_get_fd(supervisor->ready));
        event_free(supervisor->ready);
    }
#endif
    event_base_free(supervisor->base);
}

/* Fork a worker. In it signals are blocked until it has none of the
 * supervisor's handlers any more. */
static pid_t fork_worker(struct supervisor *supervisor, int fd, int ready)
{
    sigset_t all, before;
    const char *file = supervisor->file;

    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before);
    pid_t pid = fork();
    if (pid < 0)
        err(1, "cannot fork");
    if (pid == 0) {
        if (event_reinit(supervisor->base) < 0)
            errx(1, "cannot renew the event base");
        supervisor_clear(supervisor);
        sigprocmask(SIG_SETMASK, &before, NULL);
        _exit(work(fd, ready, file));
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    return pid;
}

#ifdef SOLUTION
/* The new worker is ready, or it has ended before. */
static void ready_cb(evutil_socket_t fd, short what, void *arg)
{
    struct supervisor *supervisor = arg;
    char byte;
    bool well = read(fd, &byte, 1) == 1;

    event_free(supervisor->ready);
    supervisor->ready = NULL;
    close(fd);
    if (well) {
        if (supervisor->serving)
            kill(supervisor->serving, SIGTERM);
        supervisor->serving = supervisor->starting;
        printf("a new worker serves\n");
    } else {
        printf("the new worker failed\n");
    }
    supervisor->starting = 0;
}

static void start_worker(struct supervisor *supervisor)
{
    int ends[2];

    if (pipe(ends) != 0)
        err(1, "cannot make a pipe");
    supervisor->ready =
        event_new(supervisor->base, ends[0], EV_READ, ready_cb, supervisor);
    if (!supervisor->ready || event_add(supervisor->ready, NULL) < 0)
        errx(1, "cannot add an event");
    supervisor->starting = fork_worker(supervisor, supervisor->socket, ends[1]);
    supervisor->workers[supervisor->count++] = supervisor->starting;
    close(ends[1]);
}

/* SIGHUP: the old worker serves until the new one is ready. */
static void renew_cb(evutil_socket_t signum, short what, void *arg)
{
    struct supervisor *supervisor = arg;

    if (!supervisor->starting && !supervisor->ending &&
        supervisor->count < MOST)
        start_worker(supervisor);
}

static void forget(struct supervisor *supervisor, pid_t pid)
{
    int i = 0;

    while (i < supervisor->count && supervisor->workers[i] != pid)
        i++;
    if (i < supervisor->count)
        supervisor->workers[i] = supervisor->workers[--supervisor->count];
    if (pid == supervisor->serving)
        supervisor->serving = 0;
}

/* SIGCHLD: one signal may stand for several workers. */
static void child_cb(evutil_socket_t signum, short what, void *arg)
{
    struct supervisor *supervisor = arg;
    pid_t pid;

    while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
        forget(supervisor, pid);
    if (supervisor->count == 0) {
        supervisor->status = !supervisor->ending;
        event_base_loopbreak(supervisor->base);
    }
}

/* SIGTERM: all workers end at once, and then the supervisor. */
static void end_cb(evutil_socket_t signum, short what, void *arg)
{
    struct supervisor *supervisor = arg;

    supervisor->ending = true;
    for (int i = 0; i < supervisor->count; i++)
        kill(supervisor->workers[i], SIGINT);
    if (supervisor->count == 0)
        event_base_loopbreak(supervisor->base);
}

/* Listen, and start the first worker. */
static void begin(struct supervisor *supervisor)
{
    supervisor->socket = open_listening(supervisor);
    start_worker(supervisor);
}
#else
static void start_worker(struct supervisor *supervisor)
{
    int fd = open_listening(supervisor);

    supervisor->worker = fork_worker(supervisor, fd, -1);
    close(fd); /* the worker has it */
    printf("a new worker serves\n");
}

/* SIGHUP: a new worker reads FILE again. */
static void renew_cb(evutil_socket_t signum, short what, void *arg)
{
    struct supervisor *supervisor = arg;

    kill(supervisor->worker, SIGKILL);
    waitpid(supervisor->worker, NULL, 0);
    start_worker(supervisor);
}

/* SIGCHLD */
static void child_cb(evutil_socket_t signum, short what, void *arg)
{
}

/* SIGTERM: the worker ends at once, and then the supervisor. */
static void end_cb(evutil_socket_t signum, short what, void *arg)
{
    struct supervisor *supervisor = arg;

    kill(supervisor->worker, SIGINT);
    waitpid(supervisor->worker, NULL, 0);
    event_base_loopbreak(supervisor->base);
}

/* Listen, and start the first worker. */
static void begin(struct supervisor *supervisor)
{
    start_worker(supervisor);
}
#endif

int main(int argc, char **argv)
{
    struct supervisor supervisor = {
        .address = {.sin_family = AF_INET,
            .sin_port = htons(8888),
            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}};

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc < 2 || argc > 3 || (argc == 3 && parse_port(argv[2]) < 0))
        errx(2, "usage: reload FILE [PORT]");
    if (argc == 3)
        supervisor.address.sin_port = htons((uint16_t)parse_port(argv[2]));
    signal(SIGPIPE, SIG_IGN);

    supervisor.file = argv[1];
    supervisor.base = event_base_new();
    if (!supervisor.base)
        errx(1, "cannot make an event base");
    supervisor.signals[0] =
        evsignal_new(supervisor.base, SIGHUP, renew_cb, &supervisor);
    supervisor.signals[1] =
        evsignal_new(supervisor.base, SIGCHLD, child_cb, &supervisor);
    supervisor.signals[2] =
        evsignal_new(supervisor.base, SIGTERM, end_cb, &supervisor);
    for (int i = 0; i < SIGNALS; i++)
        if (!supervisor.signals[i] ||
            event_add(supervisor.signals[i], NULL) < 0)
            errx(1, "cannot watch for a signal");
    begin(&supervisor);
    printf(
        "listening on 127.0.0.1 port %d\n", ntohs(supervisor.address.sin_port));
    event_base_dispatch(supervisor.base);

    supervisor_clear(&supervisor);
#ifdef SOLUTION
    close(supervisor.socket);
#endif
    return supervisor.status;
}
