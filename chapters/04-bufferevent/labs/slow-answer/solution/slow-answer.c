/* Starter and solution in one: look once you have passed (make compare-NN). */
/* slow-answer.c -- a server that sends as many letters as you ask for.
 *
 * Build: cc -o slow-answer slow-answer.c -levent_core
 * Run:   ./slow-answer [PORT]            (8888, on 127.0.0.1)
 * Try:   echo 100 | nc -N 127.0.0.1 8888
 */
#include <ctype.h>
#include <err.h>
#include <netdb.h>
#include <netinet/in.h>
#ifdef SOLUTION
#include <netinet/tcp.h>
#endif
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

static const struct timeval REST = {1, 0};  /* after accept has failed */
static const struct timeval IDLE = {60, 0}; /* a silent client is dropped */

enum {
    MOST = 100000000, /* letters in an answer */
    BLOCK = 4096,     /* letters that are made at a time */
    LINE = 80         /* bytes in a request */
};

struct conn {
    struct bufferevent *bev; /* owns the fd; reads while no answer is made */
    size_t made, size;       /* letters of the answer: so far, in all */
    LIST_ENTRY(conn) next;
};

static LIST_HEAD(conn_list, conn) conns = LIST_HEAD_INITIALIZER(conns);

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

#ifdef SOLUTION
/* Send small answers at once: with Nagle's algorithm on, the end of a long
 * answer would wait up to 40 ms for the peer's delayed acknowledgement. */
static void set_nodelay(evutil_socket_t fd)
{
    int on = 1;

    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)
        warn("cannot set TCP_NODELAY");
}

#endif
/* Make EVENT pending, at start-up: an event that cannot be added ends the
 * program. */
static void add_event(struct event *event)
{
    if (!event || event_add(event, NULL) < 0)
        errx(1, "cannot add an event");
}

static void conn_free(struct conn *conn)
{
    LIST_REMOVE(conn, next);
    bufferevent_free(conn->bev);
    free(conn);
}

/* A failure on one connection ends that connection, not the server. */
static void conn_fail(struct conn *conn, const char *why)
{
    warnx("lost a client: %s", why);
    conn_free(conn);
}

/* The number that TEXT is, 0 to MOST, or -1 if it is none. */
static long parse_size(const char *text)
{
    char *end;
    long size = strtol(text, &end, 10);

    if (!isdigit((unsigned char)text[0]) || *end != '\0' || size > MOST)
        return -1;
    return size;
}

/* Begin to answer the next request: its head goes into the output, and when
 * that has gone, write_cb adds the letters. Returns 0 if no request is there,
 * -1 if the answer cannot be queued, else 1. */
static int conn_begin(struct conn *conn)
{
    struct evbuffer *output = bufferevent_get_output(conn->bev);
    char *line = evbuffer_readln(
        bufferevent_get_input(conn->bev), NULL, EVBUFFER_EOL_CRLF);

    if (!line)
        return 0;
    long size = parse_size(line);
    free(line);
    conn->made = 0;
    conn->size = size < 0 ? 0 : (size_t)size;
    int added = size < 0 ? evbuffer_add_printf(
                               output, "not a number from 0 to %d\n", MOST)
                         : evbuffer_add_printf(output, "%ld letters\n", size);
    return added < 0 ? -1 : 1;
}

/* Add the next block of the answer to the output. There is never more than one
 * in memory, however large the answer. Returns -1 if that fails. */
static int conn_add_block(struct conn *conn)
{
    char block[BLOCK];
    size_t count = conn->size - conn->made;

    if (count > BLOCK)
        count = BLOCK;
    for (size_t i = 0; i < count; i++)
        block[i] = (char)('a' + (conn->made + i) % 26);
    conn->made += count;
    return bufferevent_write(conn->bev, block, count);
}

/* Further requests wait while one is answered. */
static void read_cb(struct bufferevent *bev, void *arg)
{
    struct conn *conn = arg;
    int begun = conn_begin(conn);

    if (begun < 0)
        conn_fail(conn, "cannot queue an answer");
    else if (begun)
        bufferevent_disable(bev, EV_READ);
    else if (evbuffer_get_length(bufferevent_get_input(bev)) > LINE)
        conn_fail(conn, "its line is too long");
}

/* The output is empty: the answer goes on, or the next one begins. */
static void write_cb(struct bufferevent *bev, void *arg)
{
    struct conn *conn = arg;
    int result;

    if (conn->made < conn->size)
        result = conn_add_block(conn);
    else if ((result = conn_begin(conn)) == 0)
        result = bufferevent_enable(bev, EV_READ);
    if (result < 0)
        conn_fail(conn, "cannot answer it");
}

/* The end of file is seen only while reading, and then all is answered. */
static void event_cb(struct bufferevent *bev, short what, void *arg)
{
    int error = EVUTIL_SOCKET_ERROR(); /* before a call can change it */

    if (what & BEV_EVENT_TIMEOUT)
        warnx("dropped a client that was idle");
    else if (what & BEV_EVENT_ERROR)
        warnx("got an error on the connection: %s",
            evutil_socket_error_to_string(error));
    conn_free(arg);
}

static void accept_cb(struct evconnlistener *listener, evutil_socket_t fd,
    struct sockaddr *address, int length, void *arg)
{
    struct conn *conn = calloc(1, sizeof(*conn));

    if (conn)
        conn->bev = bufferevent_socket_new(arg, fd, BEV_OPT_CLOSE_ON_FREE);
    if (!conn || !conn->bev) {
        warnx("cannot take a connection");
        free(conn);
        evutil_closesocket(fd);
        return;
    }
#ifdef SOLUTION
    set_nodelay(fd);
#endif
    LIST_INSERT_HEAD(&conns, conn, next);
    bufferevent_setcb(conn->bev, read_cb, write_cb, event_cb, conn);
    if (bufferevent_set_timeouts(conn->bev, &IDLE, &IDLE) < 0 ||
        bufferevent_enable(conn->bev, EV_READ) < 0)
        conn_fail(conn, "cannot watch it");
}

static void rest_cb(evutil_socket_t fd, short what, void *arg)
{
    if (evconnlistener_enable(arg) < 0)
        warnx("cannot accept again");
}

/* With no descriptor left, accepting would fail again and again: it pauses. */
static void accept_error_cb(struct evconnlistener *listener, void *arg)
{
    struct event_base *base = evconnlistener_get_base(listener);

    warn("cannot accept, trying again in a second");
    if (event_base_once(base, -1, EV_TIMEOUT, rest_cb, listener, &REST) == 0)
        evconnlistener_disable(listener);
}

static void signal_cb(evutil_socket_t signum, short what, void *arg)
{
    event_base_loopbreak(arg);
}

/* A listener on 127.0.0.1 and PORT, which calls accept_cb. */
static struct evconnlistener *listen_on(struct event_base *base, int port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons((in_port_t)port),
    };
    struct evconnlistener *listener = evconnlistener_new_bind(base, accept_cb,
        base, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE,
        SOMAXCONN, (struct sockaddr *)&address, sizeof(address));

    if (!listener)
        err(1, "cannot listen on port %d", port);
    evconnlistener_set_error_cb(listener, accept_error_cb);
    return listener;
}

int main(int argc, char **argv)
{
    int port = argc == 2 ? parse_port(argv[1]) : 8888;

    setvbuf(stdout, NULL, _IOLBF, 0);
    /* Writing to a closed connection must fail, not kill us. */
    signal(SIGPIPE, SIG_IGN);
    if (argc > 2 || port < 0) {
        fprintf(stderr, "usage: slow-answer [PORT]\n");
        return 2;
    }

    struct event_base *base = event_base_new();
    if (!base)
        errx(1, "cannot make an event base");
    struct evconnlistener *listener = listen_on(base, port);
    struct event *terminate = evsignal_new(base, SIGTERM, signal_cb, base);
    add_event(terminate);

    print_ready(evconnlistener_get_fd(listener));
    int result = event_base_dispatch(base);

    while (!LIST_EMPTY(&conns))
        conn_free(LIST_FIRST(&conns));
    event_free(terminate);
    evconnlistener_free(listener);
    event_base_free(base);
    return result < 0 ? 1 : 0;
}
