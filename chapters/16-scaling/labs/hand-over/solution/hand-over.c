/* Starter and solution in one: look once you have passed (make compare-NN). */
/* hand-over.c -- spreads its clients over the loops of two threads.
 *
 * Build: cc -o hand-over hand-over.c -levent_core -pthread
 * Run:   ./hand-over [PORT]            (8888, on 127.0.0.1)
 * Try:   nc 127.0.0.1 8888
 */
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <time.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

enum { WORKERS = 2 };

struct conn {
    struct worker *worker;
    struct bufferevent *bev;
    LIST_ENTRY(conn) next;
};

/* A loop, which serves clients in a thread of its own. */
struct worker {
    int number;              /* from 1 on */
    struct event_base *base; /* on which its clients are served */
    LIST_HEAD(conn_list, conn) conns;
#ifdef SOLUTION
    pthread_t thread;
    int bell;               /* an eventfd: readable when something waits */
    struct event *event;    /* for the bell */
    pthread_mutex_t mutex;  /* guards the rest */
    evutil_socket_t *queue; /* clients that have not been taken */
    size_t waiting, room;
    bool ending;
#else
    /* yours */
#endif
};

static struct worker workers[WORKERS];

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

/* Say where FD listens: given port 0, only the kernel knows. */
static void print_ready(evutil_socket_t fd)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    char host[NI_MAXHOST], port[NI_MAXSERV];

    if (getsockname(fd, (struct sockaddr *)&address, &length) != 0)
        err(1, "getsockname");
    int error = getnameinfo((struct sockaddr *)&address, length, host,
        sizeof(host), port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
    if (error)
        errx(1, "getnameinfo: %s", gai_strerror(error));
    printf("listening on %s port %s\n", host, port);
}

static void conn_free(struct conn *conn)
{
    LIST_REMOVE(conn, next);
    bufferevent_free(conn->bev);
    free(conn);
}

/* Answer each line, behind the number of the worker. "sleep N" blocks its
 * thread for N milliseconds. */
static void read_cb(struct bufferevent *bev, void *arg)
{
    struct conn *conn = arg;
    struct evbuffer *output = bufferevent_get_output(bev);
    char *line;

    while ((line = evbuffer_readln(
                bufferevent_get_input(bev), NULL, EVBUFFER_EOL_LF))) {
        if (strncmp(line, "sleep ", 6) == 0) {
            long ms = strtol(line + 6, NULL, 10);

            nanosleep(
                &(struct timespec){ms / 1000, ms % 1000 * 1000000L}, NULL);
        }
        if (evbuffer_add_printf(output, "%d %s\n", conn->worker->number, line) <
            0)
            errx(1, "cannot answer a client");
        free(line);
    }
}

static void event_cb(struct bufferevent *bev, short what, void *arg)
{
    conn_free(arg);
}

/* Serve a client. In the thread of the worker, and in no other: a bufferevent
 * belongs to one thread. */
static void serve(struct worker *worker, evutil_socket_t fd)
{
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

#ifdef SOLUTION
static void ring(struct worker *worker)
{
    uint64_t one = 1;

    if (write(worker->bell, &one, sizeof(one)) < 0 && errno != EAGAIN)
        err(1, "cannot write to an eventfd");
}

/* In the thread of the worker. The bell is silenced before the queue is
 * emptied: a client that comes in between rings again. */
static void bell_cb(evutil_socket_t fd, short what, void *arg)
{
    struct worker *worker = arg;
    uint64_t rings;

    if (read(fd, &rings, sizeof(rings)) < 0 && errno != EAGAIN)
        err(1, "cannot read an eventfd");
    pthread_mutex_lock(&worker->mutex);
    evutil_socket_t *queue = worker->queue;
    size_t waiting = worker->waiting;
    worker->queue = NULL;
    worker->waiting = worker->room = 0;
    bool ending = worker->ending;
    pthread_mutex_unlock(&worker->mutex);
    for (size_t i = 0; i < waiting; i++)
        serve(worker, queue[i]);
    free(queue);
    if (ending)
        event_base_loopbreak(worker->base);
}

static void *run(void *arg)
{
    struct worker *worker = arg;

    if (event_base_dispatch(worker->base) < 0)
        errx(1, "an event loop failed");
    while (!LIST_EMPTY(&worker->conns))
        conn_free(LIST_FIRST(&worker->conns));
    return NULL;
}

static void worker_start(struct worker *worker, struct event_base *main_base)
{
    worker->base = event_base_new();
    worker->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (!worker->base || worker->bell < 0)
        err(1, "cannot make an event loop");
    pthread_mutex_init(&worker->mutex, NULL);
    worker->event = event_new(
        worker->base, worker->bell, EV_READ | EV_PERSIST, bell_cb, worker);
    if (!worker->event || event_add(worker->event, NULL) < 0)
        errx(1, "cannot add an event");
    if (pthread_create(&worker->thread, NULL, run, worker) != 0)
        errx(1, "cannot start a thread");
}

static void hand_over(struct worker *worker, evutil_socket_t fd)
{
    pthread_mutex_lock(&worker->mutex);
    if (worker->waiting == worker->room) {
        worker->room = 2 * worker->room + 8;
        worker->queue =
            realloc(worker->queue, worker->room * sizeof(*worker->queue));
        if (!worker->queue)
            errx(1, "cannot queue a client");
    }
    worker->queue[worker->waiting++] = fd;
    pthread_mutex_unlock(&worker->mutex);
    ring(worker);
}

static void worker_stop(struct worker *worker)
{
    pthread_mutex_lock(&worker->mutex);
    worker->ending = true;
    pthread_mutex_unlock(&worker->mutex);
    ring(worker);
    pthread_join(worker->thread, NULL);
    event_free(worker->event);
    event_base_free(worker->base);
    close(worker->bell);
    pthread_mutex_destroy(&worker->mutex);
}
#else
/* Make the worker's loop, and start its thread. For now all workers use the
 * loop of the main thread. */
static void worker_start(struct worker *worker, struct event_base *main_base)
{
    worker->base = main_base;
}

/* In the main thread: give a client to the worker. */
static void hand_over(struct worker *worker, evutil_socket_t fd)
{
    serve(worker, fd);
}

/* In the main thread, at the end: let the worker end its loop and free its
 * clients, wait for its thread, and free the rest. */
static void worker_stop(struct worker *worker)
{
    while (!LIST_EMPTY(&worker->conns))
        conn_free(LIST_FIRST(&worker->conns));
}
#endif

/* In the main thread: the workers get new clients in turn. */
static void accept_cb(struct evconnlistener *listener, evutil_socket_t fd,
    struct sockaddr *address, int length, void *arg)
{
    static int next;

    hand_over(&workers[next], fd);
    next = (next + 1) % WORKERS;
}

static void signal_cb(evutil_socket_t signum, short what, void *arg)
{
    event_base_loopbreak(arg);
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
        .sin_port = htons(8888),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc > 2 || (argc == 2 && parse_port(argv[1]) < 0))
        errx(2, "usage: hand-over [PORT]");
    if (argc == 2)
        address.sin_port = htons((uint16_t)parse_port(argv[1]));
    signal(SIGPIPE, SIG_IGN);

    struct event_base *base = event_base_new();
    if (!base)
        errx(1, "cannot make an event base");
    struct evconnlistener *listener = evconnlistener_new_bind(base, accept_cb,
        NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, SOMAXCONN,
        (struct sockaddr *)&address, sizeof(address));
    if (!listener)
        err(1, "cannot listen on port %d", ntohs(address.sin_port));
    struct event *terminate = evsignal_new(base, SIGTERM, signal_cb, base);
    if (!terminate || event_add(terminate, NULL) < 0)
        errx(1, "cannot watch for a signal");
    for (int i = 0; i < WORKERS; i++) {
        workers[i].number = i + 1;
        LIST_INIT(&workers[i].conns);
        worker_start(&workers[i], base);
    }

    print_ready(evconnlistener_get_fd(listener));
    event_base_dispatch(base);

    for (int i = 0; i < WORKERS; i++)
        worker_stop(&workers[i]);
    evconnlistener_free(listener);
    event_free(terminate);
    event_base_free(base);
    return 0;
}
