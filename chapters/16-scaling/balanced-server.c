/* balanced-server.c -- answers in capitals behind a balancer, and knows for
 * whom.
 *
 * Build: cc -o balanced-server balanced-server.c proxy-header.c -levent_core
 * Run:   ./balanced-server [-p] [ADDRESS PORT]     (127.0.0.1 9995)
 * Try:   haproxy -f haproxy.cfg, see MACHINES.md
 *
 * With -p each connection begins with a header of the PROXY protocol, version
 * 2. Without it none may: a server that guesses believes any client that says
 * to be another.
 */
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <event2/util.h>

#include "proxy-header.h"

static const struct timeval REST = {1, 0};  /* after accept has failed */
static const struct timeval WAIT = {3, 0};  /* for the header of a client */
static const struct timeval GRACE = {2, 0}; /* from the signal to the end */

/* Bytes of output that may wait for a slow client: reading stops above HIGH
 * and goes on below LOW. */
enum { HIGH = 256 * 1024, LOW = 64 * 1024 };

struct server {
    struct event_base *base;
    struct evconnlistener *listener; /* NULL once it is time to leave */
    struct event *rest_event;        /* pending while no descriptor is left */
    bool headers;                    /* each connection begins with one */
    unsigned long clients;           /* so far, without the checks */
    unsigned long checks;            /* by the balancer, of our health */
    unsigned long open;              /* connections */
    unsigned long long bytes;        /* answered so far */
    LIST_HEAD(conn_list, conn) conns;
};

struct conn {
    struct server *server;
    struct bufferevent *bev; /* owns the fd */
    struct event *wait;      /* until the header has arrived; else NULL */
    bool local;              /* a health check */
    bool ended;              /* the peer has sent all that it will */
    LIST_ENTRY(conn) next;
};

static void usage(int status)
{
    fprintf(status ? stderr : stdout,
        "usage: balanced-server [-p] [ADDRESS PORT]\n");
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

/* Send small answers at once: with Nagle's algorithm on, the end of a long
 * answer would wait up to 40 ms for the peer's delayed acknowledgement. */
static void set_nodelay(evutil_socket_t fd)
{
    int on = 1;

    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)
        print_line(stderr, "cannot set TCP_NODELAY: %s", strerror(errno));
}

/* Afterwards a descriptor is free, and a client may be waiting for it. After
 * the last client, a server that stops has nothing to wait for. */
static void conn_free(struct conn *conn)
{
    struct server *server = conn->server;

    LIST_REMOVE(conn, next);
    if (conn->wait)
        event_free(conn->wait);
    bufferevent_free(conn->bev);
    free(conn);
    server->open--;
    if (event_pending(server->rest_event, EV_TIMEOUT, NULL))
        evconnlistener_enable(server->listener);
    if (!server->listener && server->open == 0)
        event_base_loopbreak(server->base);
}

/* A failure for one client must not end the server. */
static void conn_fail(struct conn *conn, const char *what)
{
    print_line(stderr, "cannot %s a client: %s", what, strerror(errno));
    conn_free(conn);
}

/* ASCII alone: toupper(3) would follow the locale and damage UTF-8. */
static void make_upper(unsigned char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = bytes[i];

        bytes[i] = c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c;
    }
}

/* A client is there: say who it is. */
static void conn_begin(struct conn *conn, const struct sockaddr *client)
{
    char text[CLIENT_TEXT];

    proxy_client_text(client, text);
    print_line(stdout, "client %s", text);
    conn->server->clients++;
}

/* Returns false while there is nothing to answer yet, or no longer. */
static bool take_header(struct conn *conn)
{
    struct proxy_header header;
    enum proxy_state state =
        proxy_header_take(bufferevent_get_input(conn->bev), &header);

    if (state == PROXY_MORE)
        return false;
    if (state == PROXY_BAD) {
        print_line(stderr, "dropped a connection without a PROXY v2 header");
        conn_free(conn);
        return false;
    }
    event_free(conn->wait);
    conn->wait = NULL;
    conn->local = header.local;
    if (header.local)
        conn->server->checks++;
    else /* without an address its family is AF_UNSPEC: "unknown" */
        conn_begin(conn, (struct sockaddr *)&header.client);
    return true;
}

/* The header has not arrived in time, however much of it has. */
static void wait_cb(evutil_socket_t fd, short what, void *arg)
{
    print_line(stderr, "dropped a connection that sent no header in time");
    conn_free(arg);
}

static void read_cb(struct bufferevent *bev, void *arg)
{
    struct conn *conn = arg;
    struct evbuffer *input = bufferevent_get_input(bev);

    if (conn->wait && !take_header(conn))
        return;
    size_t length = evbuffer_get_length(input);
    if (length == 0) /* a header alone */
        return;
    /* Copied: bufferevent_write_buffer would keep 1024 bytes for one. Enabling
     * EV_WRITE, which is on anyway, fails if the socket cannot be watched. */
    unsigned char *bytes = evbuffer_pullup(input, -1);
    if (bytes)
        make_upper(bytes, length);
    if (!bytes || bufferevent_write(bev, bytes, length) < 0 ||
        bufferevent_enable(bev, EV_WRITE) < 0) {
        conn_fail(conn, "queue an answer for");
        return;
    }
    conn->server->bytes += length;
    evbuffer_drain(input, length);
    if (evbuffer_get_length(bufferevent_get_output(bev)) > HIGH)
        bufferevent_disable(bev, EV_READ);
}

/* The output has drained to LOW or below: read on, or end. */
static void write_cb(struct bufferevent *bev, void *arg)
{
    struct conn *conn = arg;

    if (!conn->ended && bufferevent_enable(bev, EV_READ) < 0)
        conn_fail(conn, "watch");
    else if (conn->ended &&
             evbuffer_get_length(bufferevent_get_output(bev)) == 0)
        conn_free(conn);
}

static void event_cb(struct bufferevent *bev, short what, void *arg)
{
    int error = EVUTIL_SOCKET_ERROR(); /* before a call can change it */
    struct conn *conn = arg;

    if (what & BEV_EVENT_EOF) {
        conn->ended = true;
        if (evbuffer_get_length(bufferevent_get_output(bev)) == 0)
            conn_free(conn);
        return; /* else the peer still reads, and write_cb ends it */
    }
    if (!conn->local) /* a balancer ends its checks by a reset */
        print_line(stderr, "got an error on the connection: %s",
            evutil_socket_error_to_string(error));
    conn_free(conn);
}

static void accept_cb(struct evconnlistener *listener, evutil_socket_t fd,
    struct sockaddr *address, int length, void *arg)
{
    struct server *server = arg;
    struct conn *conn = calloc(1, sizeof(*conn));

    if (conn)
        conn->bev =
            bufferevent_socket_new(server->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (!conn || !conn->bev) {
        print_line(stderr, "cannot serve a client: %s", strerror(errno));
        evutil_closesocket(fd);
        free(conn);
        return;
    }
    conn->server = server;
    LIST_INSERT_HEAD(&server->conns, conn, next);
    server->open++;
    set_nodelay(fd);
    bufferevent_setcb(conn->bev, read_cb, write_cb, event_cb, conn);
    bufferevent_setwatermark(conn->bev, EV_WRITE, LOW, 0);
    if (server->headers)
        conn->wait = evtimer_new(server->base, wait_cb, conn);
    else
        conn_begin(conn, address);
    if ((server->headers &&
            (!conn->wait || event_add(conn->wait, &WAIT) < 0)) ||
        bufferevent_enable(conn->bev, EV_READ) < 0)
        conn_fail(conn, "watch");
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
 * until conn_free has closed a descriptor, or for a second. */
static void accept_error_cb(struct evconnlistener *listener, void *arg)
{
    int error = EVUTIL_SOCKET_ERROR(); /* before a call can change it */
    struct server *server = arg;

    if (!event_pending(server->rest_event, EV_TIMEOUT, NULL)) {
        print_line(stderr, "cannot accept, trying again in a second: %s",
            evutil_socket_error_to_string(error));
        if (event_add(server->rest_event, &REST) < 0)
            return; /* without a clock, accepting must not stop */
    }
    evconnlistener_disable(listener);
}

static void counts_cb(evutil_socket_t signum, short what, void *arg)
{
    struct server *server = arg;

    print_line(stdout, "clients %lu, checks %lu, open %lu, bytes %llu",
        server->clients, server->checks, server->open, server->bytes);
}

/* Clients have two seconds to end. A second signal means "now". */
static void stop_cb(evutil_socket_t signum, short what, void *arg)
{
    struct server *server = arg;

    if (!server->listener || LIST_EMPTY(&server->conns)) {
        print_line(stdout, "Caught an interrupt signal; exiting at once.");
        event_base_loopbreak(server->base);
        return;
    }
    print_line(
        stdout, "Caught an interrupt signal; exiting cleanly in two seconds.");
    event_del(server->rest_event);
    evconnlistener_free(server->listener);
    server->listener = NULL;
    if (event_base_loopexit(server->base, &GRACE) < 0)
        event_base_loopbreak(server->base);
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

int main(int argc, char **argv)
{
    open_standard_fds();
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        usage(0);
    int first = argc > 1 && strcmp(argv[1], "-p") == 0 ? 2 : 1;
    if ((argc != first && argc != first + 2) ||
        (argc > first && parse_port(argv[first + 1]) < 0))
        usage(2);
    signal(SIGPIPE, SIG_IGN); /* writing to a closed connection must fail */

    struct server server = {.base = event_base_new(), .headers = first == 2};
    if (!server.base)
        errx(1, "cannot make an event base");
    LIST_INIT(&server.conns);

    //> listen
    server.listener = argc > first
                          ? listen_on(&server, argv[first], argv[first + 1])
                          : listen_on(&server, "127.0.0.1", "9995");

    //> signals
    struct event *signals[] = {
        evsignal_new(server.base, SIGINT, stop_cb, &server),
        evsignal_new(server.base, SIGTERM, stop_cb, &server),
        evsignal_new(server.base, SIGUSR1, counts_cb, &server),
    };
    size_t count = sizeof(signals) / sizeof(signals[0]);
    for (size_t i = 0; i < count; i++)
        if (!signals[i] || event_add(signals[i], NULL) < 0)
            errx(1, "cannot watch for a signal");

    server.rest_event =
        event_new(server.base, -1, EV_PERSIST, rest_cb, &server);
    if (!server.rest_event)
        errx(1, "cannot make an event");

    //> run
    print_ready(evconnlistener_get_fd(server.listener));
    int result = event_base_dispatch(server.base);
    counts_cb(0, 0, &server);

    //> clean-up
    while (!LIST_EMPTY(&server.conns))
        conn_free(LIST_FIRST(&server.conns));
    if (server.listener)
        evconnlistener_free(server.listener);
    for (size_t i = 0; i < count; i++)
        event_free(signals[i]);
    event_free(server.rest_event);
    event_base_free(server.base);
    print_line(stdout, "done");
    return result < 0 ? 1 : 0;
}
