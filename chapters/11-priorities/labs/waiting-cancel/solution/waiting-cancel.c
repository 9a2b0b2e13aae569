/* Starter and solution in one: look once you have passed (make compare-NN). */
/* waiting-cancel.c -- makes long reports, and takes commands meanwhile.
 *
 * Build: cc -o waiting-cancel waiting-cancel.c -levent_core
 * Run:   ./waiting-cancel [PORT]            (8888, on 127.0.0.1)
 * Try:   nc 127.0.0.1 8888; type report 5000, status, cancel
 */
#include <ctype.h>
#include <err.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
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

#ifdef SOLUTION
/* Priorities, the most urgent first. The middle one is what a bufferevent and a
 * listener get by themselves. */
enum { SIGNALS, COMMANDS, REPORTS, PRIORITIES };
#else
/* Priorities, the most urgent last. The middle one is what a bufferevent and a
 * listener get by themselves. */
enum { REPORTS, COMMANDS, SIGNALS, PRIORITIES };
#endif

enum { LONGEST = 100 };   /* bytes of a line */
enum { STEPS = 1200000 }; /* of the work for a page: about 2 milliseconds */

struct server {
    struct event_base *base;
    unsigned long clients; /* reports so far */
    unsigned long pages;   /* of all reports */
    LIST_HEAD(conn_list, conn) conns;
};

struct conn {
    struct server *server;
    struct bufferevent *bev;
    unsigned long number;
    struct event *report; /* makes the next page; NULL: there is no report */
    unsigned long size;   /* pages that the report will have */
    unsigned long pages;  /* that it has */
    LIST_ENTRY(conn) next;
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

/* The work for a page. */
static void make_page(struct conn *conn)
{
    volatile unsigned long long sum = 0xcbf29ce484222325;

    for (int step = 0; step < STEPS; step++)
        sum = (sum ^ sum >> 32) * 0x100000001b3;
    conn->pages++;
    conn->server->pages++;
    printf("client %lu: page %lu\n", conn->number, conn->pages);
}

/* The report is done, or given up. */
static void report_end(struct conn *conn)
{
    if (conn->report)
        event_free(conn->report);
    conn->report = NULL;
}

#ifdef SOLUTION
/* Make the next page in a later round: until then the loop looks again. */
static void go_on(struct conn *conn)
{
    static const struct timeval soon = {0, 0};

    if (event_add(conn->report, &soon) < 0)
        errx(1, "cannot go on with a report");
}
#endif

static void page_cb(evutil_socket_t fd, short what, void *arg)
{
    struct conn *conn = arg;

    make_page(conn);
    if (conn->pages < conn->size) {
#ifdef SOLUTION
        go_on(conn);
#else
        event_active(conn->report, EV_TIMEOUT, 0);
#endif
        return;
    }
    report_end(conn);
    evbuffer_add_printf(
        bufferevent_get_output(conn->bev), "done, %lu pages\n", conn->pages);
}

static void report_begin(struct conn *conn, unsigned long size)
{
    conn->report = evtimer_new(conn->server->base, page_cb, conn);
    if (!conn->report)
        errx(1, "cannot make an event");
    conn->size = size;
    conn->pages = 0;
#ifdef SOLUTION
    if (event_priority_set(conn->report, REPORTS) < 0)
        errx(1, "cannot set a priority");
    go_on(conn);
#else
    event_active(conn->report, EV_TIMEOUT, 0);
    event_priority_set(conn->report, REPORTS);
#endif
}

/* Each line gets one answer at once. */
static void conn_obey(struct conn *conn, const char *line)
{
    struct evbuffer *output = bufferevent_get_output(conn->bev);
    unsigned long size;

    if (strcmp(line, "status") == 0) {
        evbuffer_add_printf(output, "%lu pages\n", conn->server->pages);
    } else if (strcmp(line, "cancel") == 0 && conn->report) {
        report_end(conn);
        evbuffer_add_printf(output, "canceled, %lu pages\n", conn->pages);
    } else if (strcmp(line, "cancel") == 0) {
        evbuffer_add_printf(output, "no report\n");
    } else if (sscanf(line, "report %lu", &size) != 1 || size == 0) {
        evbuffer_add_printf(output, "what?\n");
    } else if (conn->report) {
        evbuffer_add_printf(output, "busy\n");
    } else {
        report_begin(conn, size);
        evbuffer_add_printf(output, "started\n");
    }
}

static void conn_free(struct conn *conn)
{
    report_end(conn);
    LIST_REMOVE(conn, next);
    bufferevent_free(conn->bev);
    free(conn);
}

/* Answer one line: no callback takes longer than that. The next one is answered
 * when this answer is sent, by write_cb, in a later round: until then it waits
 * in the input, and we do not read. */
static void conn_serve(struct conn *conn)
{
    struct evbuffer *input = bufferevent_get_input(conn->bev);

    if (evbuffer_get_length(bufferevent_get_output(conn->bev)) == 0) {
        char *line = evbuffer_readln(input, NULL, EVBUFFER_EOL_CRLF);
        if (line)
            conn_obey(conn, line);
        free(line);
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
    conn->number = ++server->clients;
    conn->bev = bufferevent_socket_new(server->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (!conn->bev)
        errx(1, "cannot serve a client");
    LIST_INSERT_HEAD(&server->conns, conn, next);
    bufferevent_setcb(conn->bev, read_cb, write_cb, event_cb, conn);
    if (bufferevent_priority_set(conn->bev, COMMANDS) < 0 ||
        bufferevent_enable(conn->bev, EV_READ) < 0)
        errx(1, "cannot watch a connection");
}

static void signal_cb(evutil_socket_t signum, short what, void *arg)
{
    event_base_loopbreak(arg);
}

#ifdef SOLUTION
/* With many reports under way, the loop looks for commands after each page. */
static struct event_base *make_base(void)
{
    struct event_config *config = event_config_new();

    if (!config ||
        event_config_set_max_dispatch_interval(config, NULL, 1, REPORTS) < 0)
        errx(1, "cannot configure an event base");
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}
#endif

static void listen_and_serve(struct server *server, int port)
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
    struct event *terminate =
        evsignal_new(server->base, SIGTERM, signal_cb, server->base);
    if (!terminate || event_priority_set(terminate, SIGNALS) < 0 ||
        event_add(terminate, NULL) < 0)
        errx(1, "cannot add an event");

    print_ready(evconnlistener_get_fd(listener));
    if (event_base_dispatch(server->base) < 0)
        errx(1, "cannot run the event loop");

    while (!LIST_EMPTY(&server->conns))
        conn_free(LIST_FIRST(&server->conns));
    event_free(terminate);
    evconnlistener_free(listener);
}

int main(int argc, char **argv)
{
    int port = argc == 2 ? parse_port(argv[1]) : 8888;
    struct server server = {.base = NULL};

    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    if (argc > 2 || port < 0) {
        fprintf(stderr, "usage: waiting-cancel [PORT]\n");
        return 2;
    }
    LIST_INIT(&server.conns);
#ifdef SOLUTION
    server.base = make_base();
#else
    server.base = event_base_new();
#endif
    if (!server.base || event_base_priority_init(server.base, PRIORITIES) < 0)
        errx(1, "cannot make an event base");
    listen_and_serve(&server, port);
    event_base_free(server.base);
    return 0;
}
