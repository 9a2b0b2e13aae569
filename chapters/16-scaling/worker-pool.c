/* worker-pool.c -- an uppercase server with a loop in each of several threads.
 *
 * Build: cc -o worker-pool worker-pool.c client-loop.c job-pool.c mailbox.c \
 *           -levent_core -pthread
 * Run:   ./worker-pool [-n THREADS] [ADDRESS PORT]     (2, 127.0.0.1 9995)
 * Try:   printf 'hello\nwork 100\n' | nc -N 127.0.0.1 9995
 */
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/listener.h>

#include "client-loop.h"

static const struct timeval REST = {1, 0}; /* after accept has failed */

enum { MOST_THREADS = 64 };

/* A thread that serves clients. */
struct worker {
    struct server *server;
    pthread_t thread;
    struct client_loop loop;
    struct message ended; /* from it, at its end */
};

/* The main thread: it accepts, and gets the signals. */
struct server {
    struct event_base *base;
    struct mailbox mailbox;
    struct job_pool pool;
    struct worker workers[MOST_THREADS];
    int count;                       /* of the workers */
    int running;                     /* of these, have not ended */
    int next;                        /* gets the next client */
    int signals;                     /* have come so far */
    struct evconnlistener *listener; /* NULL after the first signal */
    struct event *rest_event;        /* pending while no descriptor is left */
    atomic_bool resting;             /* the main thread waits for a free one */
};

/* A client on its way to its worker. */
struct arrival {
    struct message message;
    evutil_socket_t fd;
};

static void usage(int status)
{
    fprintf(status ? stderr : stdout,
        "usage: worker-pool [-n THREADS] [ADDRESS PORT]\n");
    exit(status);
}

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

/* Open what is missing of standard input, output and error: the numbers would
 * otherwise go to libevent's own descriptors, and what we print with them.
 * Opened for reading alone, so that printing fails as it did. */
static void open_standard_fds(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            open("/dev/null", O_RDONLY); /* gets the lowest number, FD */
}

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

/* The number of threads that TEXT names, 1 to MOST_THREADS, or 0. */
static int parse_threads(const char *text)
{
    char *end;
    long count = strtol(text, &end, 10);

    if (!isdigit((unsigned char)text[0]) || *end != '\0' ||
        count > MOST_THREADS)
        return 0;
    return (int)count;
}

/* The addresses of HOST and PORT for a stream socket, to be freed with
 * evutil_freeaddrinfo. A name that has none ends the program. */
static struct evutil_addrinfo *resolve(const char *host, const char *port)
{
    struct evutil_addrinfo *list;
    struct evutil_addrinfo hints = {
        .ai_socktype = SOCK_STREAM, .ai_flags = EVUTIL_AI_NUMERICSERV};
    int error = evutil_getaddrinfo(host, port, &hints, &list);

    if (error)
        errx(1, "cannot resolve %s: %s", host, evutil_gai_strerror(error));
    return list;
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

/* In the worker's thread: from now on the client belongs to its loop. */
static void receive_client(struct message *message, void *owner)
{
    client_loop_serve(owner, ((struct arrival *)message)->fd);
    free(message);
}

/* In the main thread. After the last worker there is nothing to wait for. */
static void receive_end(struct message *message, void *owner)
{
    struct server *server = owner;

    if (--server->running == 0)
        event_base_loopbreak(server->base);
}

/* In the main thread: a worker has closed a descriptor. */
static void receive_descriptor(struct message *message, void *owner)
{
    struct server *server = owner;

    free(message);
    if (server->listener)
        evconnlistener_enable(server->listener);
}

/* In a worker's thread. Without memory for the message, accepting goes on when
 * the pause is over. */
static void descriptor_free(void *arg)
{
    struct server *server = arg;
    struct message *message = NULL;

    if (atomic_load(&server->resting))
        message = calloc(1, sizeof(*message));
    if (!message)
        return;
    message->receive = receive_descriptor;
    mailbox_post(&server->mailbox, message);
}

/* A worker's thread, until its loop is told to stop. */
static void *work(void *arg)
{
    struct worker *worker = arg;

    client_loop_run(&worker->loop);
    mailbox_post(&worker->server->mailbox, &worker->ended);
    return NULL;
}

/* Hand the client to the workers in turn. No more can be on their way than
 * there are descriptors. */
static void accept_cb(struct evconnlistener *listener, evutil_socket_t fd,
    struct sockaddr *address, int length, void *arg)
{
    struct server *server = arg;
    struct arrival *arrival = calloc(1, sizeof(*arrival));

    atomic_store(&server->resting, false);
    if (!arrival) {
        print_line(stderr, "cannot serve a client: %s", strerror(errno));
        evutil_closesocket(fd);
        return;
    }
    arrival->message.receive = receive_client;
    arrival->fd = fd;
    mailbox_post(
        &server->workers[server->next].loop.mailbox, &arrival->message);
    server->next = (server->next + 1) % server->count;
}

/* The pause is over: accept again. The event is persistent, so that another
 * second passes if the listener cannot be enabled. */
static void rest_cb(evutil_socket_t fd, short what, void *arg)
{
    struct server *server = arg;

    if (evconnlistener_enable(server->listener) == 0)
        event_del(server->rest_event);
}

/* With no descriptor left, accepting would fail again and again. So it pauses
 * until a worker has closed a descriptor, or for a second. The worker that had
 * closed one before RESTING was set has sent no message: so accept once more.
 */
static void accept_error_cb(struct evconnlistener *listener, void *arg)
{
    int error = EVUTIL_SOCKET_ERROR(); /* before a call can change it */
    struct server *server = arg;

    if (!atomic_exchange(&server->resting, true))
        return;
    if (!event_pending(server->rest_event, EV_TIMEOUT, NULL)) {
        print_line(stderr, "cannot accept, trying again in a second: %s",
            evutil_socket_error_to_string(error));
        if (event_add(server->rest_event, &REST) < 0)
            return; /* without a clock, accepting must not stop */
    }
    evconnlistener_disable(listener);
}

/* SIGINT or SIGTERM: the first one stops accepting, and each worker ends when
 * its clients have finished. A second one means "now". */
static void stop_cb(evutil_socket_t signum, short what, void *arg)
{
    struct server *server = arg;

    if (server->signals == 2)
        return;
    if (server->signals == 0) {
        print_line(stdout,
            "Caught an interrupt signal; exiting cleanly in two seconds.");
        event_del(server->rest_event);
        evconnlistener_free(server->listener);
        server->listener = NULL;
    }
    for (int i = 0; i < server->count; i++)
        client_loop_stop(&server->workers[i].loop, server->signals > 0);
    server->signals++;
}

static struct evconnlistener *listen_on(
    struct server *server, const char *host, const char *port)
{
    struct evutil_addrinfo *address = resolve(host, port);
    struct evconnlistener *listener =
        evconnlistener_new_bind(server->base, accept_cb, server,
            LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE,
            SOMAXCONN, address->ai_addr, (int)address->ai_addrlen);

    if (!listener)
        err(1, "cannot listen on %s port %s", host, port);
    if (evconnlistener_enable(listener) < 0) /* new_bind does not report it */
        errx(1, "cannot watch the listening socket");
    evconnlistener_set_error_cb(listener, accept_error_cb);
    evutil_freeaddrinfo(address);
    return listener;
}

/* All that a worker needs but its thread. */
static void worker_open(struct worker *worker, struct server *server)
{
    worker->server = server;
    worker->ended.receive = receive_end;
    worker->loop.pool = &server->pool;
    worker->loop.descriptor_free = descriptor_free;
    worker->loop.arg = server;
    if (!client_loop_open(&worker->loop))
        err(1, "cannot make an event loop");
}

/* The threads inherit the signal mask: signals go to the main thread alone. */
static void start_threads(struct server *server, const sigset_t *all)
{
    sigset_t before;

    pthread_sigmask(SIG_SETMASK, all, &before);
    if (!job_pool_start(&server->pool))
        err(1, "cannot start a thread");
    for (; server->running < server->count; server->running++) {
        struct worker *worker = &server->workers[server->running];

        errno = pthread_create(&worker->thread, NULL, work, worker);
        if (errno)
            err(1, "cannot start a thread");
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* Accept until all workers have ended. Then a late signal changes nothing. The
 * pool ends after its last users, and before the mailboxes that it posts to. */
static int run(struct server *server)
{
    sigset_t all;

    sigfillset(&all);
    start_threads(server, &all);
    print_ready(evconnlistener_get_fd(server->listener));
    int result = event_base_dispatch(server->base);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    for (int i = 0; i < server->count; i++)
        pthread_join(server->workers[i].thread, NULL);
    job_pool_stop(&server->pool);
    for (int i = 0; i < server->count; i++) {
        print_line(stdout, "worker %d served %lu clients", i + 1,
            server->workers[i].loop.clients);
        client_loop_close(&server->workers[i].loop);
    }
    return result;
}

int main(int argc, char **argv)
{
    struct server server = {.count = 2};

    open_standard_fds();
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        usage(0);
    opterr = 0; /* usage says it */
    for (int c; (c = getopt(argc, argv, "n:")) != -1;)
        if (c != 'n' || (server.count = parse_threads(optarg)) == 0)
            usage(2);
    argv += optind;
    argc -= optind;
    if ((argc != 0 && argc != 2) || (argc == 2 && parse_port(argv[1]) < 0))
        usage(2);
    signal(SIGPIPE, SIG_IGN); /* writing to a closed connection must fail */

    //> loops
    server.base = event_base_new();
    if (!server.base || !mailbox_open(&server.mailbox, server.base, &server))
        err(1, "cannot make an event loop");
    for (int i = 0; i < server.count; i++)
        worker_open(&server.workers[i], &server);

    //> listen
    server.listener = argc == 2 ? listen_on(&server, argv[0], argv[1])
                                : listen_on(&server, "127.0.0.1", "9995");

    //> events
    server.rest_event =
        event_new(server.base, -1, EV_PERSIST, rest_cb, &server);
    struct event *interrupt =
        evsignal_new(server.base, SIGINT, stop_cb, &server);
    struct event *terminate =
        evsignal_new(server.base, SIGTERM, stop_cb, &server);
    if (!server.rest_event || !interrupt || !terminate ||
        event_add(interrupt, NULL) < 0 || event_add(terminate, NULL) < 0)
        errx(1, "cannot add an event");

    int result = run(&server);

    //> clean-up
    mailbox_close(&server.mailbox);
    if (server.listener)
        evconnlistener_free(server.listener);
    event_free(terminate);
    event_free(interrupt);
    event_free(server.rest_event);
    event_base_free(server.base);
    print_line(stdout, "done");
    return result < 0 ? 1 : 0;
}
