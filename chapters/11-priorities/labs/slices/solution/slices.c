/* Starter and solution in one: look once you have passed (make compare-NN). */
/* slices.c -- does long jobs in slices; questions go first, but not for ever.
 *
 * Build: cc -o slices slices.c -levent_core
 * Run:   ./slices [PORT]                  (8888, on 127.0.0.1)
 * Try:   nc 127.0.0.1 8888, in two terminals; type work 1000000, or ask
 */
#include <ctype.h>
#include <err.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <event2/util.h>

enum { LONGEST = 100 };      /* bytes of a line */
enum { SLICE = 1000 };       /* numbers: about a millisecond */
enum { MOST_ANSWERS = 100 }; /* in a row, while a job waits */
enum { MAX_LIMIT = 999999999 };

#ifdef SOLUTION
/* Priorities, the most urgent first. */
enum { QUESTIONS, MIDDLE, SLICES, PRIORITIES };
#endif

struct server {
    struct event_base *base;
    TAILQ_HEAD(job_list, conn) jobs; /* the conns whose jobs are not done */
    unsigned long job_count;
    unsigned long slices;      /* done so far, of all jobs */
    struct event *slice_event; /* its callback does the next slice */
#ifdef SOLUTION
    int answers; /* since the last slice */
#endif
    LIST_HEAD(conn_list, conn) conns;
};

struct conn {
    struct server *server;
    struct bufferevent *bev;
    bool working;        /* it has a job, and is in the list of jobs */
    unsigned long limit; /* the job: which number up to this one ... */
    unsigned long best;  /* ... takes the most steps */
    unsigned long steps; /* that BEST takes */
    unsigned long next;  /* the number to look at next */
    TAILQ_ENTRY(conn) next_job;
    LIST_ENTRY(conn) next_conn;
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

/* Halve it if it is even, else take three times as much and one: how many of
 * these steps lead from NUMBER to 1? */
static unsigned long count_steps(unsigned long long number)
{
    unsigned long steps = 0;

    for (; number > 1; steps++)
        number = number % 2 == 0 ? number / 2 : 3 * number + 1;
    return steps;
}

/* Do one slice of CONN's job. Returns whether the job is done. */
static bool job_slice(struct conn *conn)
{
    for (int i = 0; i < SLICE && conn->next <= conn->limit; i++) {
        unsigned long steps = count_steps(conn->next);
        if (steps > conn->steps || conn->best == 0) {
            conn->best = conn->next;
            conn->steps = steps;
        }
        conn->next++;
    }
    conn->server->slices++;
    return conn->next > conn->limit;
}

/* Tell CONN the result of its job. */
static void job_answer(struct conn *conn)
{
    evbuffer_add_printf(bufferevent_get_output(conn->bev), "%lu: %lu\n",
        conn->limit, conn->best);
}

#ifdef SOLUTION
/* A slice is due when no event is left that is more urgent. */
static void slice_wait(struct server *server, int priority)
{
    static const struct timeval soon = {0, 0};

    if (event_priority_set(server->slice_event, priority) < 0 ||
        event_add(server->slice_event, &soon) < 0)
        errx(1, "cannot wait for the next slice");
}

static void job_begin(struct conn *conn)
{
    struct server *server = conn->server;

    if (server->job_count == 1) {
        server->answers = 0;
        slice_wait(server, SLICES);
    }
}

static void job_end(struct conn *conn)
{
    if (conn->server->job_count == 0)
        event_del(conn->server->slice_event);
}

/* Do a slice of the first job, which then waits behind all others. */
static void slice_cb(evutil_socket_t fd, short what, void *arg)
{
    struct server *server = arg;
    struct conn *conn = TAILQ_FIRST(&server->jobs);
    bool done = job_slice(conn);

    server->answers = 0;
    TAILQ_REMOVE(&server->jobs, conn, next_job);
    if (done) {
        conn->working = false;
        server->job_count--;
        job_answer(conn);
    } else {
        TAILQ_INSERT_TAIL(&server->jobs, conn, next_job);
    }
    if (server->job_count > 0)
        slice_wait(server, SLICES);
}

/* After that many answers in a row the slice is as urgent as the questions,
 * once. Its event may be active, and an active event keeps its priority: so it
 * is deleted. */
static void answered(struct server *server)
{
    if (server->job_count == 0 || ++server->answers != MOST_ANSWERS)
        return;
    event_del(server->slice_event);
    slice_wait(server, QUESTIONS);
}

static struct event_base *base_new(void)
{
    struct event_base *base = event_base_new();

    if (base && event_base_priority_init(base, PRIORITIES) < 0)
        errx(1, "cannot set the number of priorities");
    return base;
}

/* EVENT, that of SIGTERM, waits for nothing but the callback that runs. */
static void make_urgent(struct event *event)
{
    if (event_priority_set(event, QUESTIONS) < 0)
        errx(1, "cannot set a priority");
}
#else
/* CONN is the last one in the list of jobs now. It may be the only one. */
static void job_begin(struct conn *conn)
{
    /* yours */
}

/* CONN, which had a job, is not in the list of jobs any more: it has left. */
static void job_end(struct conn *conn)
{
    /* yours */
}

static void slice_cb(evutil_socket_t fd, short what, void *arg)
{
    struct server *server = arg;
    struct conn *conn = TAILQ_FIRST(&server->jobs);

    /* yours: which job is next, a job that is done, and the next slice */
    if (job_slice(conn))
        job_answer(conn);
}

/* An answer was sent. */
static void answered(struct server *server)
{
    /* yours */
}

static struct event_base *base_new(void)
{
    return event_base_new(); /* yours: the priorities */
}

/* EVENT, that of SIGTERM, waits for nothing but the callback that runs. */
static void make_urgent(struct event *event)
{
    /* yours */
}
#endif

static void job_new(struct conn *conn, unsigned long limit)
{
    conn->working = true;
    conn->limit = limit;
    conn->best = conn->steps = 0;
    conn->next = 1;
    TAILQ_INSERT_TAIL(&conn->server->jobs, conn, next_job);
    conn->server->job_count++;
    job_begin(conn);
}

static void conn_free(struct conn *conn)
{
    if (conn->working) {
        TAILQ_REMOVE(&conn->server->jobs, conn, next_job);
        conn->server->job_count--;
        job_end(conn);
    }
    LIST_REMOVE(conn, next_conn);
    bufferevent_free(conn->bev);
    free(conn);
}

static void conn_obey(struct conn *conn, const char *line)
{
    struct evbuffer *output = bufferevent_get_output(conn->bev);
    struct server *server = conn->server;
    unsigned long limit;

    if (strcmp(line, "ask") == 0)
        evbuffer_add_printf(output, "%lu slices, %lu jobs\n", server->slices,
            server->job_count);
    else if (sscanf(line, "work %lu", &limit) != 1 || limit == 0 ||
             limit > MAX_LIMIT)
        evbuffer_add_printf(output, "what?\n");
    else if (conn->working)
        evbuffer_add_printf(output, "busy\n");
    else
        job_new(conn, limit);
}

/* Obey one line: no callback takes longer than that. The next one is obeyed
 * when this answer is sent, by write_cb, in a later round: until then it waits
 * in the input, and we do not read. */
static void conn_serve(struct conn *conn)
{
    struct evbuffer *input = bufferevent_get_input(conn->bev);
    struct evbuffer *output = bufferevent_get_output(conn->bev);
    char *line;

    while (evbuffer_get_length(output) == 0 &&
           (line = evbuffer_readln(input, NULL, EVBUFFER_EOL_CRLF))) {
        conn_obey(conn, line);
        free(line);
        if (evbuffer_get_length(output) > 0)
            answered(conn->server);
    }
    if (evbuffer_search_eol(input, NULL, NULL, EVBUFFER_EOL_CRLF).pos >= 0)
        bufferevent_disable(conn->bev, EV_READ);
    else if (evbuffer_get_length(input) > LONGEST ||
             bufferevent_enable(conn->bev, EV_READ) < 0)
        conn_free(conn);
}

static void read_cb(struct bufferevent *bev, void *arg)
{
    conn_serve(arg);
}

static void write_cb(struct bufferevent *bev, void *arg)
{
    conn_serve(arg);
}

static void event_cb(struct bufferevent *bev, short what, void *arg)
{
    conn_free(arg);
}

static void accept_cb(struct evconnlistener *listener, evutil_socket_t fd,
    struct sockaddr *address, int length, void *arg)
{
    struct server *server = arg;
    struct conn *conn = calloc(1, sizeof(*conn));

    if (!conn)
        err(1, "cannot take a connection");
    conn->server = server;
    conn->bev = bufferevent_socket_new(server->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (!conn->bev)
        errx(1, "cannot serve a client");
    LIST_INSERT_HEAD(&server->conns, conn, next_conn);
    bufferevent_setcb(conn->bev, read_cb, write_cb, event_cb, conn);
#ifdef SOLUTION
    if (bufferevent_priority_set(conn->bev, QUESTIONS) < 0)
        errx(1, "cannot set a priority");
#else
    /* yours: its priority */
#endif
    if (bufferevent_enable(conn->bev, EV_READ) < 0)
        errx(1, "cannot watch a connection");
}

static void signal_cb(evutil_socket_t signum, short what, void *arg)
{
    event_base_loopbreak(arg);
}

static struct evconnlistener *listen_on(struct server *server, int port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons((in_port_t)port),
    };
    struct evconnlistener *listener = evconnlistener_new_bind(server->base,
        accept_cb, server, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, SOMAXCONN,
        (struct sockaddr *)&address, sizeof(address));

    if (!listener)
        err(1, "cannot listen on port %d", port);
    return listener;
}

int main(int argc, char **argv)
{
    int port = argc == 2 ? parse_port(argv[1]) : 8888;
    struct server server = {.base = NULL};

    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    if (argc > 2 || port < 0) {
        fprintf(stderr, "usage: slices [PORT]\n");
        return 2;
    }
    LIST_INIT(&server.conns);
    TAILQ_INIT(&server.jobs);
    server.base = base_new();
    if (!server.base)
        errx(1, "cannot make an event base");
    struct evconnlistener *listener = listen_on(&server, port);
    struct event *terminate =
        evsignal_new(server.base, SIGTERM, signal_cb, server.base);
    server.slice_event = evtimer_new(server.base, slice_cb, &server);
    if (!terminate || !server.slice_event)
        errx(1, "cannot make an event");
    make_urgent(terminate);
    if (event_add(terminate, NULL) < 0)
        errx(1, "cannot add an event");

    print_ready(evconnlistener_get_fd(listener));
    int result = event_base_dispatch(server.base);

    while (!LIST_EMPTY(&server.conns))
        conn_free(LIST_FIRST(&server.conns));
    event_free(server.slice_event);
    event_free(terminate);
    evconnlistener_free(listener);
    event_base_free(server.base);
    return result < 0 ? 1 : 0;
}
