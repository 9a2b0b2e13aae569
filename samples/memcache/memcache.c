/* memcache.c -- a cache in memory that speaks memcached's text protocol.
 *
 * Build: cc -o memcache memcache.c protocol.c store.c -levent
 * Run:   ./memcache [-m MEGABYTES] [ADDRESS PORT]     (64, 127.0.0.1 11211)
 * Try:   printf 'set a 0 0 2\r\nhi\r\nget a\r\n' | nc -N 127.0.0.1 11211
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
#include <unistd.h>

#include <event2/event.h>
#include <event2/listener.h>
#include <event2/util.h>

#include "protocol.h"

static const struct timeval REST = {1, 0}; /* after accept has failed */

enum {
    READ_SIZE = 64 * 1024,   /* bytes that one read takes at the most */
    MEGABYTES = 64,          /* of items, unless told otherwise */
    MEGABYTES_MAX = 1 << 20, /* a terabyte */
};

/* The connections take turns, so one input is enough for all of them. */
struct server {
    struct event_base *base;
    struct evconnlistener *listener;
    struct cache cache;
    LIST_HEAD(conn_list, conn) conns;
    char input[GET_SIZE + READ_SIZE];
};

/* Either it waits for commands, or it has answers that the peer does not take
 * and hears nothing. While it waits it has no buffer, but for a command that
 * has come in part. */
struct conn {
    struct server *server;
    evutil_socket_t fd;
    struct event *reading;
    struct event *writing;
    struct client client;
    char *rest; /* of the input, to be answered later */
    size_t rest_size;
    char *unsent; /* answers that the socket did not take */
    size_t unsent_size;
    LIST_ENTRY(conn) next;
};

static void usage(int status)
{
    fprintf(status ? stderr : stdout,
        "usage: memcache [-m MEGABYTES] [ADDRESS PORT]\n");
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

static void conn_free(struct conn *conn)
{
    LIST_REMOVE(conn, next);
    conn->server->cache.connections--;
    client_end(&conn->client);
    event_free(conn->reading);
    event_free(conn->writing);
    evutil_closesocket(conn->fd);
    free(conn->rest);
    free(conn->unsent);
    free(conn);
}

/* Keep SIZE bytes instead of those that *KEPT has. */
static void keep(char **kept, size_t *kept_size, const char *bytes, size_t size)
{
    char *copy = NULL;

    if (size > 0) {
        copy = malloc(size);
        if (!copy)
            err(1, "cannot keep bytes");
        memcpy(copy, bytes, size);
    }
    free(*kept);
    *kept = copy;
    *kept_size = size;
}

/* Send what the socket takes and keep the rest. False if the peer is gone. */
static bool conn_send(struct conn *conn, const char *bytes, size_t size)
{
    ssize_t sent = size > 0 ? send(conn->fd, bytes, size, 0) : 0;

    if (sent < 0 && errno != EAGAIN && errno != EINTR)
        return false;
    if (sent < 0)
        sent = 0;
    if (conn->unsent || (size_t)sent < size)
        keep(&conn->unsent, &conn->unsent_size, bytes + sent,
            size - (size_t)sent);
    return true;
}

/* Answer SIZE bytes of input. Whoever wants more answers than one turn gives
 * has to take these first: till then nothing is read from it. */
static void conn_turn(struct conn *conn, size_t size)
{
    struct server *server = conn->server;
    struct cache *cache = &server->cache;
    size_t taken;

    cache->answered = 0;
    taken = client_take(&conn->client, server->input, size);
    if (conn->rest || taken < size)
        keep(
            &conn->rest, &conn->rest_size, server->input + taken, size - taken);
    bool full = cache->answered >= HIGH;
    if (!conn_send(conn, cache->answers, cache->answered) ||
        (conn->client.closing && !conn->unsent)) {
        conn_free(conn);
        return;
    }
    if (full || conn->unsent) {
        event_del(conn->reading);
        add_event(conn->writing);
    } else if (!event_pending(conn->reading, EV_READ, NULL)) {
        add_event(conn->reading);
    }
}

/* One read, behind what is kept of the last one, and one write. */
static void read_cb(evutil_socket_t fd, short what, void *arg)
{
    struct conn *conn = arg;
    struct server *server = conn->server;
    ssize_t size = recv(fd, server->input + conn->rest_size, READ_SIZE, 0);

    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (size <= 0) { /* all that it asked is answered */
        conn_free(conn);
        return;
    }
    if (conn->rest)
        memcpy(server->input, conn->rest, conn->rest_size);
    store_tick(server->cache.store);
    conn_turn(conn, conn->rest_size + (size_t)size);
}

/* The peer takes answers again. When it has them all, its next commands are
 * answered; those that were read already come first. */
static void write_cb(evutil_socket_t fd, short what, void *arg)
{
    struct conn *conn = arg;
    struct server *server = conn->server;

    if (conn->unsent && !conn_send(conn, conn->unsent, conn->unsent_size)) {
        conn_free(conn);
    } else if (conn->unsent) {
        add_event(conn->writing);
    } else {
        if (conn->rest)
            memcpy(server->input, conn->rest, conn->rest_size);
        store_tick(server->cache.store);
        conn_turn(conn, conn->rest_size);
    }
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
    conn->fd = fd;
    conn->client.cache = &server->cache;
    conn->reading =
        event_new(server->base, fd, EV_READ | EV_PERSIST, read_cb, conn);
    conn->writing = event_new(server->base, fd, EV_WRITE, write_cb, conn);
    if (!conn->reading || !conn->writing)
        errx(1, "cannot make an event");
    LIST_INSERT_HEAD(&server->conns, conn, next);
    server->cache.connections++;
    server->cache.counts.connections++;
    add_event(conn->reading);
}

static void rest_cb(evutil_socket_t fd, short what, void *arg)
{
    struct server *server = arg;

    if (evconnlistener_enable(server->listener) < 0)
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

/* A cache has nothing to finish: it leaves at once. */
static void signal_cb(evutil_socket_t signum, short what, void *arg)
{
    event_base_loopbreak(arg);
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

/* The number of megabytes that TEXT names, or 0 if it names none. */
static uint64_t parse_megabytes(const char *text)
{
    uint64_t megabytes;

    if (strspn(text, "0123456789") != strlen(text) ||
        !parse_number(text, &megabytes) || megabytes > MEGABYTES_MAX)
        return 0;
    return megabytes;
}

int main(int argc, char **argv)
{
    static struct server server; /* too large for the stack */
    uint64_t megabytes = MEGABYTES;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        usage(0);
    if (argc >= 3 && strcmp(argv[1], "-m") == 0) {
        megabytes = parse_megabytes(argv[2]);
        argc -= 2;
        argv += 2;
    }
    if (megabytes == 0 || (argc != 1 && argc != 3) ||
        (argc == 3 && parse_port(argv[2]) < 0))
        usage(2);
    signal(SIGPIPE, SIG_IGN); /* a lost peer is an error of send, no death */

    //> base
    LIST_INIT(&server.conns);
    server.cache.store = store_new(megabytes << 20);
    if (!server.cache.store)
        err(1, "cannot make a store");
    server.base = event_base_new();
    if (!server.base)
        errx(1, "cannot make an event base");

    //> signals
    struct event *interrupt =
        evsignal_new(server.base, SIGINT, signal_cb, server.base);
    struct event *terminate =
        evsignal_new(server.base, SIGTERM, signal_cb, server.base);
    add_event(interrupt);
    add_event(terminate);

    //> run
    server.listener = argc == 3 ? listen_on(&server, argv[1], argv[2])
                                : listen_on(&server, "127.0.0.1", "11211");
    print_ready(evconnlistener_get_fd(server.listener));
    int result = event_base_dispatch(server.base);

    //> clean-up
    while (!LIST_EMPTY(&server.conns))
        conn_free(LIST_FIRST(&server.conns));
    evconnlistener_free(server.listener);
    event_free(terminate);
    event_free(interrupt);
    event_base_free(server.base);
    store_free(server.cache.store);
    return result < 0 ? 1 : 0;
}
