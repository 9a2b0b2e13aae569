/* Starter and solution in one: look once you have passed (make compare-NN). */
/* own-mutex.c -- counts lines in its loop, and ticks in a second thread.
 *
 * Build: cc -o own-mutex own-mutex.c -levent_core -levent_pthreads -pthread
 * Run:   ./own-mutex [PORT]            (8888, on 127.0.0.1)
 * Try:   yes | head -n 100 | nc 127.0.0.1 8888
 */
#include <ctype.h>
#include <err.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <time.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <event2/thread.h>

static const struct timespec TICK = {0, 20000000}; /* between two ticks */
static const struct timespec SLOW = {0, 15000000}; /* its work */

struct conn {
    struct bufferevent *bev;
    LIST_ENTRY(conn) next;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* guards the rest */
static LIST_HEAD(conn_list, conn) conns = LIST_HEAD_INITIALIZER(conns);
static unsigned long lines; /* that all clients have sent */
static bool ending;

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

/* A line has come: the answer is how many have come so far. */
static void read_cb(struct bufferevent *bev, void *arg)
{
    char *line;

    while ((line = evbuffer_readln(
                bufferevent_get_input(bev), NULL, EVBUFFER_EOL_LF))) {
        free(line);
        pthread_mutex_lock(&mutex);
        unsigned long count = ++lines;
        pthread_mutex_unlock(&mutex);
        if (evbuffer_add_printf(
                bufferevent_get_output(bev), "line %lu\n", count) < 0)
            errx(1, "cannot answer a client");
    }
}

static void event_cb(struct bufferevent *bev, short what, void *arg)
{
    struct conn *conn = arg;

    pthread_mutex_lock(&mutex);
    LIST_REMOVE(conn, next);
    pthread_mutex_unlock(&mutex);
    bufferevent_free(bev);
    free(conn);
}

/* The second thread: it tells all clients the number of each tick. */
static void *run_ticker(void *arg)
{
    for (unsigned long tick = 1;; tick++) {
        struct conn *conn;

        nanosleep(&TICK, NULL);
        pthread_mutex_lock(&mutex);
        bool end = ending;
        nanosleep(&SLOW, NULL);
        LIST_FOREACH (conn, &conns, next) {
            char text[32];
            int length = snprintf(text, sizeof(text), "tick %lu\n", tick);

            if (bufferevent_write(conn->bev, text, (size_t)length) < 0)
                errx(1, "cannot tell a client");
        }
        pthread_mutex_unlock(&mutex);
        if (end)
            return NULL;
    }
}

static void accept_cb(struct evconnlistener *listener, evutil_socket_t fd,
    struct sockaddr *address, int length, void *arg)
{
    struct conn *conn = calloc(1, sizeof(*conn));

    if (conn)
        conn->bev = bufferevent_socket_new(arg, fd,
#ifdef SOLUTION
            /* Called without its lock, read_cb may wait for our mutex. */
            BEV_OPT_CLOSE_ON_FREE | BEV_OPT_THREADSAFE |
                BEV_OPT_DEFER_CALLBACKS | BEV_OPT_UNLOCK_CALLBACKS);
#else
            BEV_OPT_CLOSE_ON_FREE | BEV_OPT_THREADSAFE);
#endif
    if (!conn || !conn->bev)
        errx(1, "cannot serve a client");
    bufferevent_setcb(conn->bev, read_cb, NULL, event_cb, conn);
    if (bufferevent_enable(conn->bev, EV_READ) < 0)
        errx(1, "cannot watch a client");
    pthread_mutex_lock(&mutex);
    LIST_INSERT_HEAD(&conns, conn, next);
    pthread_mutex_unlock(&mutex);
}

static void signal_cb(evutil_socket_t signum, short what, void *arg)
{
    event_base_loopbreak(arg);
}

/* Let the ticker end, and free the clients. */
static void stop(pthread_t ticker)
{
    pthread_mutex_lock(&mutex);
    ending = true;
    pthread_mutex_unlock(&mutex);
    pthread_join(ticker, NULL);
    while (!LIST_EMPTY(&conns)) {
        struct conn *conn = LIST_FIRST(&conns);

        LIST_REMOVE(conn, next);
        bufferevent_free(conn->bev);
        free(conn);
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
        .sin_port = htons(8888),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    pthread_t ticker;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc > 2 || (argc == 2 && parse_port(argv[1]) < 0))
        errx(2, "usage: own-mutex [PORT]");
    if (argc == 2)
        address.sin_port = htons((uint16_t)parse_port(argv[1]));
    signal(SIGPIPE, SIG_IGN);

    if (evthread_use_pthreads() < 0)
        errx(1, "cannot make locks");
    struct event_base *base = event_base_new();
    if (!base)
        errx(1, "cannot make an event base");
    struct evconnlistener *listener = evconnlistener_new_bind(base, accept_cb,
        base, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, SOMAXCONN,
        (struct sockaddr *)&address, sizeof(address));
    if (!listener)
        err(1, "cannot listen on port %d", ntohs(address.sin_port));
    struct event *terminate = evsignal_new(base, SIGTERM, signal_cb, base);
    if (!terminate || event_add(terminate, NULL) < 0)
        errx(1, "cannot watch for a signal");
    if (pthread_create(&ticker, NULL, run_ticker, NULL) != 0)
        errx(1, "cannot start a thread");

    print_ready(evconnlistener_get_fd(listener));
    event_base_dispatch(base);

    stop(ticker);
    evconnlistener_free(listener);
    event_free(terminate);
    event_base_free(base);
    libevent_global_shutdown();
    return 0;
}
