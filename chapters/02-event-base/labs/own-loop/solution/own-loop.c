/* Starter and solution in one: look once you have passed (make compare-NN). */
/* own-loop.c -- counts primes for its clients, a slice at a time.
 *
 * Build: cc -o own-loop own-loop.c -levent_core
 * Run:   ./own-loop [PORT]                (8888, on 127.0.0.1)
 * Try:   nc 127.0.0.1 8888, in two terminals at once; type 100, or ?
 */
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/util.h>

#define MAX_LIMIT 999999999L
#ifdef SOLUTION
#define SLICE 1000 /* numbers: about a millisecond */
#endif

static const struct timeval REST = {1, 0}; /* after accept has failed */

struct server {
    struct event_base *base;
    struct event *accept_event;
    LIST_HEAD(conn_list, conn) conns;
    TAILQ_HEAD(job_list, conn) jobs; /* the conns whose jobs are not done */
    int job_count;
};

struct conn {
    struct server *server;
    struct event *event; /* pending while the connection is open */
    long typed;          /* the number that is being typed, or -1 */
    int working;         /* it has a job, and is in the list of jobs */
    long limit;          /* the job: count the primes up to this number */
    long next;           /* the number to look at next */
    long primes;         /* below next */
    LIST_ENTRY(conn) next_conn;
    TAILQ_ENTRY(conn) next_job;
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

/* Make EVENT pending, at start-up: an event that cannot be added ends the
 * program. */
static void add_event(struct event *event)
{
    if (!event || event_add(event, NULL) < 0)
        errx(1, "cannot add an event");
}

/* Give CONN a job, which waits behind all others. */
static void job_new(struct conn *conn, long limit)
{
    conn->working = 1;
    conn->limit = limit;
    conn->next = 2;
    conn->primes = 0;
    TAILQ_INSERT_TAIL(&conn->server->jobs, conn, next_job);
    conn->server->job_count++;
}

/* CONN's job is done, or given up. */
static void job_end(struct conn *conn)
{
    conn->working = 0;
    TAILQ_REMOVE(&conn->server->jobs, conn, next_job);
    conn->server->job_count--;
}

static void conn_free(struct conn *conn)
{
    evutil_socket_t fd = event_get_fd(conn->event);

    if (conn->working)
        job_end(conn);
    LIST_REMOVE(conn, next_conn);
    event_free(conn->event);
    close(fd);
    free(conn);
}

/* Send TEXT. Returns whether CONN is still there: a full socket is a
 * failure. */
static int conn_answer(struct conn *conn, const char *text)
{
    size_t length = strlen(text);

    if (send(event_get_fd(conn->event), text, length, 0) == (ssize_t)length)
        return 1;
    conn_free(conn);
    return 0;
}

/* Do what one byte says. Returns whether CONN is still there. */
static int conn_obey(struct conn *conn, char byte)
{
    long number = conn->typed;
    char line[32];

    if (byte == '?') {
        snprintf(line, sizeof(line), "jobs %d\n", conn->server->job_count);
        return conn_answer(conn, line);
    }
    if (byte >= '0' && byte <= '9') {
        number = (number < 0 ? 0 : number) * 10 + (byte - '0');
        conn->typed = number < MAX_LIMIT ? number : MAX_LIMIT;
        return 1;
    }
    conn->typed = -1;
    if (byte != '\n' || number < 0)
        return 1;
    if (conn->working)
        return conn_answer(conn, "busy\n");
    job_new(conn, number);
    return 1;
}

static void read_cb(evutil_socket_t fd, short what, void *arg)
{
    struct conn *conn = arg;
    char chunk[4096];
    ssize_t length = recv(fd, chunk, sizeof(chunk), 0);

    if (length == 0 || (length < 0 && errno != EAGAIN))
        conn_free(conn);
    for (ssize_t i = 0; i < length && conn_obey(conn, chunk[i]); i++)
        ;
}

/* Take over FD, a connection that was just accepted. A failure ends this
 * connection, not the server. */
static void conn_new(struct server *server, evutil_socket_t fd)
{
    struct conn *conn = calloc(1, sizeof(*conn));

    if (conn)
        conn->event =
            event_new(server->base, fd, EV_READ | EV_PERSIST, read_cb, conn);
    if (!conn || !conn->event || evutil_make_socket_nonblocking(fd) < 0 ||
        event_add(conn->event, NULL) < 0) {
        warnx("cannot serve a connection");
        if (conn && conn->event)
            event_free(conn->event);
        free(conn);
        close(fd);
        return;
    }
    conn->server = server;
    conn->typed = -1;
    LIST_INSERT_HEAD(&server->conns, conn, next_conn);
}

static void rest_cb(evutil_socket_t fd, short what, void *arg)
{
    if (event_add(arg, NULL) < 0)
        warnx("cannot accept again");
}

/* With no descriptor left, the listener stays ready: so accepting pauses. */
static void accept_cb(evutil_socket_t listener, short what, void *arg)
{
    struct server *server = arg;
    evutil_socket_t fd = accept(listener, NULL, NULL);

    if (fd >= 0) {
        conn_new(server, fd);
    } else if (errno != EAGAIN && errno != ECONNABORTED) {
        warn("cannot accept, trying again in a second");
        if (event_base_once(server->base, -1, EV_TIMEOUT, rest_cb,
                server->accept_event, &REST) == 0)
            event_del(server->accept_event);
    }
}

static void signal_cb(evutil_socket_t signum, short what, void *arg)
{
    event_base_loopbreak(arg);
}

#ifdef SOLUTION
static int is_prime(long number)
{
    for (long divisor = 2; divisor * divisor <= number; divisor++)
        if (number % divisor == 0)
            return 0;
    return 1;
}

/* Do a slice of the first job, which then waits behind all others. */
static void work(struct server *server)
{
    struct conn *conn = TAILQ_FIRST(&server->jobs);
    char line[64];

    for (int i = 0; i < SLICE && conn->next <= conn->limit; i++) {
        conn->primes += is_prime(conn->next);
        conn->next++;
    }
    if (conn->next <= conn->limit) {
        TAILQ_REMOVE(&server->jobs, conn, next_job);
        TAILQ_INSERT_TAIL(&server->jobs, conn, next_job);
        return;
    }
    job_end(conn);
    snprintf(line, sizeof(line), "%ld: %ld\n", conn->limit, conn->primes);
    conn_answer(conn, line);
}

/* Between two slices, poll the base once, without waiting: a client that never
 * stops sending must not keep the work waiting. */
static int run(struct server *server)
{
    int result;

    do {
        int flags = EVLOOP_ONCE;
        if (!TAILQ_EMPTY(&server->jobs)) {
            work(server);
            flags |= EVLOOP_NONBLOCK;
        }
        result = event_base_loop(server->base, flags);
    } while (result == 0 && !event_base_got_break(server->base));
    return result;
}
#else
/* Do a slice of the first job. */
static void work(struct server *server)
{
    /* yours: look at the next numbers of the first job, as many as take about
     * a millisecond. When the job is done, job_end and the answer; until then
     * it goes to the end of the queue, so that all jobs have their turns. */
}

/* Work while there are jobs, answer clients, rest when there is nothing to do.
 * Returns when the loop was broken, with what the loop returned. */
static int run(struct server *server)
{
    /* yours: a loop of your own around work and event_base_loop, with the
     * flags that let the base wait, or not wait. */
    if (!TAILQ_EMPTY(&server->jobs))
        work(server);
    return event_base_dispatch(server->base);
}
#endif

/* A listening socket on 127.0.0.1 and PORT that never blocks. */
static evutil_socket_t listen_on(int port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons((in_port_t)port),
    };
    evutil_socket_t fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || evutil_make_socket_nonblocking(fd) < 0 ||
        evutil_make_listen_socket_reuseable(fd) < 0)
        err(1, "cannot make a socket");
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(fd, SOMAXCONN) != 0)
        err(1, "cannot listen on port %d", port);
    return fd;
}

int main(int argc, char **argv)
{
    int port = argc == 2 ? parse_port(argv[1]) : 8888;
    struct server server = {.base = NULL};

    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    if (argc > 2 || port < 0) {
        fprintf(stderr, "usage: own-loop [PORT]\n");
        return 2;
    }

    LIST_INIT(&server.conns);
    TAILQ_INIT(&server.jobs);
    server.base = event_base_new();
    if (!server.base)
        errx(1, "cannot make an event base");
    evutil_socket_t fd = listen_on(port);
    server.accept_event =
        event_new(server.base, fd, EV_READ | EV_PERSIST, accept_cb, &server);
    struct event *terminate =
        evsignal_new(server.base, SIGTERM, signal_cb, server.base);
    add_event(server.accept_event);
    add_event(terminate);

    print_ready(fd);
    int result = run(&server);

    while (!LIST_EMPTY(&server.conns))
        conn_free(LIST_FIRST(&server.conns));
    event_free(terminate);
    event_free(server.accept_event);
    close(fd);
    event_base_free(server.base);
    return result < 0 ? 1 : 0;
}
