/* signal-shutdown.c -- an echo server that finishes its work before it leaves.
 *
 * Build: cc -o signal-shutdown signal-shutdown.c -levent
 * Run:   ./signal-shutdown [ADDRESS PORT]     (127.0.0.1 9995)
 * Try:   kill -USR1 $(pidof signal-shutdown), then Ctrl-C with a client open
 */
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
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
static const struct timeval GRACE = {2, 0}; /* from the signal to the end */
static const struct timeval QUIET = {0, 200000}; /* then a peer has finished */

/* Bytes of output that may wait for a slow client: reading stops above HIGH
 * and goes on below LOW. */
enum { HIGH = 256 * 1024, LOW = 64 * 1024 };

struct server {
    struct event_base *base;
    struct evconnlistener *listener; /* NULL once it is time to leave */
    unsigned long clients;           /* accepted so far */
    unsigned long open;              /* of these, still connected */
    unsigned long long bytes;        /* echoed so far */
    LIST_HEAD(conn_list, conn) conns;
};

struct conn {
    struct server *server;
    struct bufferevent *bev; /* owns the fd */
    int ended;               /* the peer has sent all that it will */
    int finished;            /* and we, who are leaving, have too */
    LIST_ENTRY(conn) next;
};

static void usage(int status)
{
    fprintf(
        status ? stderr : stdout, "usage: signal-shutdown [ADDRESS PORT]\n");
    exit(status);
}

/* The port that TEXT names, 0 to 65535, or -1 if it names none. The resolver
 * would not say: getaddrinfo(3) takes 70000 for 4464. */
static int parse_port(const char *text)
{
    char *end;
    long port = strtol(text, &end, 10);

    if (!isdigit((unsigned char)text[0]) || *end != '\0' || port > 65535)
        return -1;
    return (int)port;
}

/* The addresses of HOST and PORT for a stream socket, to be freed with
 * evutil_freeaddrinfo. A name that has none ends the program. */
static struct evutil_addrinfo *resolve(const char *host, const char *port)
{
    struct evutil_addrinfo *list;
    struct evutil_addrinfo hints = {
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = EVUTIL_AI_NUMERICSERV,
    };
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

    if (getsockname(fd, (struct sockaddr *)&address, &length) != 0)
        err(1, "getsockname");
    int error = getnameinfo((struct sockaddr *)&address, length, host,
        sizeof(host), port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
    if (error)
        errx(1, "getnameinfo: %s", gai_strerror(error));
    printf("listening on %s port %s\n", host, port);
}

/* Send small answers at once: with Nagle's algorithm on, the end of a long
 * answer would wait up to 40 ms for the peer's delayed acknowledgement. */
static void set_nodelay(evutil_socket_t fd)
{
    int on = 1;

    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)
        warn("cannot set TCP_NODELAY");
}

/* Make EVENT pending; what cannot be watched ends the program. */
static void add_event(struct event *event)
{
    if (!event || event_add(event, NULL) < 0)
        errx(1, "cannot add an event");
}

/* With the last client gone there is nothing to wait for any more. */
static void conn_free(struct conn *conn)
{
    struct server *server = conn->server;

    LIST_REMOVE(conn, next);
    bufferevent_free(conn->bev);
    free(conn);
    server->open--;
    if (!server->listener && server->open == 0)
        event_base_loopbreak(server->base);
}

/* Say that no more answers will come. The peer closes in turn, and event_cb
 * frees the connection. To close now would be rude: what the peer sends in this
 * moment would be answered by a reset, which can overtake our last answer. */
static void conn_finish(struct conn *conn)
{
    conn->finished = 1;
    bufferevent_set_timeouts(conn->bev, NULL, NULL);
    if (bufferevent_enable(conn->bev, EV_READ) < 0)
        errx(1, "cannot watch a connection");
    if (shutdown(bufferevent_getfd(conn->bev), SHUT_WR) != 0 &&
        errno != ENOTCONN)
        warn("cannot half-close a connection");
}

static void read_cb(struct bufferevent *bev, void *arg)
{
    struct conn *conn = arg;
    struct evbuffer *input = bufferevent_get_input(bev);
    size_t length = evbuffer_get_length(input);
    unsigned char *bytes = evbuffer_pullup(input, -1);

    if (conn->finished) { /* it came after our goodbye: read and forgotten */
        evbuffer_drain(input, length);
        return;
    }
    conn->server->bytes += length;
    /* Copied: bufferevent_write_buffer would keep 4096 bytes for one. */
    if (!bytes || bufferevent_write(bev, bytes, length) < 0)
        errx(1, "cannot queue an answer");
    evbuffer_drain(input, length);
    if (evbuffer_get_length(bufferevent_get_output(bev)) > HIGH)
        bufferevent_disable(bev, EV_READ);
}

/* The output has drained to LOW or below: read on, or end. */
static void write_cb(struct bufferevent *bev, void *arg)
{
    struct conn *conn = arg;

    if (!conn->ended && bufferevent_enable(bev, EV_READ) < 0)
        errx(1, "cannot watch a connection");
    if (conn->ended && evbuffer_get_length(bufferevent_get_output(bev)) == 0)
        conn_free(conn);
}

static void event_cb(struct bufferevent *bev, short what, void *arg)
{
    int error = EVUTIL_SOCKET_ERROR(); /* before a call can change it */
    struct conn *conn = arg;
    int answered = evbuffer_get_length(bufferevent_get_output(bev)) == 0;

    if (what & BEV_EVENT_EOF) {
        conn->ended = 1;
        if (answered)
            conn_free(conn);
        return; /* else the peer still reads, and write_cb ends it */
    }
    if (what & BEV_EVENT_TIMEOUT) { /* we are leaving, and the peer is quiet */
        if (answered)
            conn_finish(conn);
        return; /* else write_cb reads on, and there will be a next time */
    }
    warnx("got an error on the connection: %s",
        evutil_socket_error_to_string(error));
    conn_free(conn);
}

static void accept_cb(struct evconnlistener *listener, evutil_socket_t fd,
    struct sockaddr *address, int length, void *arg)
{
    struct server *server = arg;
    struct conn *conn = calloc(1, sizeof(*conn));

    if (!conn)
        err(1, "cannot take a connection");
    set_nodelay(fd);
    conn->server = server;
    conn->bev = bufferevent_socket_new(server->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (!conn->bev)
        errx(1, "cannot make a bufferevent");
    LIST_INSERT_HEAD(&server->conns, conn, next);
    server->clients++;
    server->open++;
    bufferevent_setcb(conn->bev, read_cb, write_cb, event_cb, conn);
    bufferevent_setwatermark(conn->bev, EV_WRITE, LOW, 0);
    if (bufferevent_enable(conn->bev, EV_READ) < 0)
        errx(1, "cannot watch a connection");
}

static void rest_cb(evutil_socket_t fd, short what, void *arg)
{
    struct server *server = arg;

    if (server->listener && evconnlistener_enable(server->listener) < 0)
        errx(1, "cannot accept again");
}

/* With no descriptor left, accepting would fail without end: it rests. */
static void accept_error_cb(struct evconnlistener *listener, void *arg)
{
    struct server *server = arg;

    warn("cannot accept, trying again in a second");
    evconnlistener_disable(listener);
    if (event_base_once(server->base, -1, EV_TIMEOUT, rest_cb, server, &REST) <
        0)
        errx(1, "cannot rest");
}

static void print_statistics(const struct server *server)
{
    printf("clients %lu, open %lu, bytes %llu\n", server->clients, server->open,
        server->bytes);
}

static void statistics_cb(evutil_socket_t signum, short what, void *arg)
{
    print_statistics(arg);
}

/* SIGINT or SIGTERM. A second one means "now". */
static void stop_cb(evutil_socket_t signum, short what, void *arg)
{
    struct server *server = arg;
    struct conn *conn;

    if (!server->listener || LIST_EMPTY(&server->conns)) {
        printf("Caught an interrupt signal; exiting at once.\n");
        event_base_loopbreak(server->base);
        return;
    }
    printf("Caught an interrupt signal; exiting cleanly in two seconds.\n");
    evconnlistener_free(server->listener);
    server->listener = NULL;
    event_base_loopexit(server->base, &GRACE);
    LIST_FOREACH (conn, &server->conns, next)
        bufferevent_set_timeouts(conn->bev, &QUIET, NULL);
}

static struct evconnlistener *listen_on(
    struct server *server, const char *host, const char *port)
{
    struct evutil_addrinfo *address = resolve(host, port);
    struct evconnlistener *listener =
        evconnlistener_new_bind(server->base, accept_cb, server,
            LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE,
            -1, address->ai_addr, (int)address->ai_addrlen);

    if (!listener)
        err(1, "cannot listen on %s port %s", host, port);
    evconnlistener_set_error_cb(listener, accept_error_cb);
    evutil_freeaddrinfo(address);
    return listener;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        usage(0);
    if ((argc != 1 && argc != 3) || (argc == 3 && parse_port(argv[2]) < 0))
        usage(2);
    signal(SIGPIPE, SIG_IGN); /* a lost peer is an error of send, no death */

    struct server server = {.base = event_base_new()};
    if (!server.base)
        errx(1, "cannot make an event base");
    LIST_INIT(&server.conns);

    //> signals
    struct event *signals[] = {
        evsignal_new(server.base, SIGINT, stop_cb, &server),
        evsignal_new(server.base, SIGTERM, stop_cb, &server),
        evsignal_new(server.base, SIGHUP, statistics_cb, &server),
        evsignal_new(server.base, SIGUSR1, statistics_cb, &server),
    };
    size_t count = sizeof(signals) / sizeof(signals[0]);
    for (size_t i = 0; i < count; i++)
        add_event(signals[i]);

    //> run
    server.listener = argc == 3 ? listen_on(&server, argv[1], argv[2])
                                : listen_on(&server, "127.0.0.1", "9995");
    print_ready(evconnlistener_get_fd(server.listener));
    int result = event_base_dispatch(server.base);
    print_statistics(&server);

    //> clean-up
    while (!LIST_EMPTY(&server.conns))
        conn_free(LIST_FIRST(&server.conns));
    if (server.listener)
        evconnlistener_free(server.listener);
    for (size_t i = 0; i < count; i++)
        event_free(signals[i]);
    event_base_free(server.base);
    printf("done\n");
    return result < 0 ? 1 : 0;
}
