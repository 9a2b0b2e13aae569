/* Starter and solution in one: look once you have passed (make compare-NN). */
/* deaf-child.c -- counts letters, and shows a client how things stood.
 *
 * Build: cc -o deaf-child deaf-child.c -levent_core
 * Run:   ./deaf-child [PORT]              (8888, on 127.0.0.1)
 * Try:   nc 127.0.0.1 8888, in two terminals at once; type aab, A, !, A
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

static const struct timeval REST = {1, 0}; /* after accept has failed */

struct server {
    struct event_base *base;
    struct event *accept_event; /* NULL in a child: it serves one client */
    struct event *rest_event;
    long counts[26]; /* of a to z */
    LIST_HEAD(conn_list, conn) conns;
};

struct conn {
    struct server *server;
    struct event *event; /* pending while the connection is open */
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

/* Make EVENT pending, at start-up: an event that cannot be added ends the
 * program. */
static void add_event(struct event *event)
{
    if (!event || event_add(event, NULL) < 0)
        errx(1, "cannot add an event");
}

/* A child, which serves only one client, ends with it. */
static void conn_free(struct conn *conn)
{
    struct server *server = conn->server;
    evutil_socket_t fd = event_get_fd(conn->event);

    LIST_REMOVE(conn, next);
    event_free(conn->event);
    close(fd);
    free(conn);
    if (!server->accept_event && LIST_EMPTY(&server->conns))
        event_base_loopbreak(server->base);
}

static void listener_free(struct server *server)
{
    evutil_socket_t fd = event_get_fd(server->accept_event);

    event_free(server->rest_event);
    event_free(server->accept_event);
    server->accept_event = NULL;
    close(fd);
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

/* In a child: serve CONN alone. The parent keeps the other clients. */
static void keep_only(struct conn *conn)
{
    struct server *server = conn->server;

#ifdef SOLUTION
    if (event_reinit(server->base) < 0) {
        warnx("cannot make the base the child's own");
        _exit(1); /* the child alone, and its client with it */
    }
#endif
    LIST_REMOVE(conn, next);
    while (!LIST_EMPTY(&server->conns))
        conn_free(LIST_FIRST(&server->conns));
    LIST_INSERT_HEAD(&server->conns, conn, next);
    if (server->accept_event)
        listener_free(server);
}

/* Hand CONN to a child, whose counts stay as they are now. Returns whether CONN
 * is still there, which is true in the child only. */
static int conn_freeze(struct conn *conn)
{
    pid_t pid = fork();

    if (pid < 0)
        warn("cannot fork");
    if (pid != 0) {
        conn_free(conn);
        return 0;
    }
    keep_only(conn);
    return conn_answer(conn, "frozen\n");
}

/* Do what one byte says. Returns whether CONN is still there. */
static int conn_obey(struct conn *conn, char byte)
{
    struct server *server = conn->server;
    char line[32];

    if (byte >= 'a' && byte <= 'z')
        server->counts[byte - 'a']++;
    if (byte >= 'A' && byte <= 'Z') {
        snprintf(line, sizeof(line), "%c %ld\n", byte - 'A' + 'a',
            server->counts[byte - 'A']);
        return conn_answer(conn, line);
    }
    return byte == '!' ? conn_freeze(conn) : 1;
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
    LIST_INSERT_HEAD(&server->conns, conn, next);
}

static void accept_cb(evutil_socket_t listener, short what, void *arg)
{
    struct server *server = arg;
    evutil_socket_t fd = accept(listener, NULL, NULL);

    if (fd >= 0) {
        conn_new(server, fd);
    } else if (errno != EAGAIN && errno != ECONNABORTED) {
        warn("cannot accept, trying again in a second");
        if (event_add(server->rest_event, &REST) == 0)
            event_del(server->accept_event);
    }
}

/* With no descriptor left, the listener stays ready: so accepting pauses. */
static void rest_cb(evutil_socket_t fd, short what, void *arg)
{
    struct server *server = arg;

    if (event_add(server->accept_event, NULL) < 0)
        warnx("cannot accept again");
}

static void signal_cb(evutil_socket_t signum, short what, void *arg)
{
    event_base_loopbreak(arg);
}

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
    struct server server = {.conns = LIST_HEAD_INITIALIZER(server.conns)};

    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_IGN); /* children are not waited for */
    if (argc > 2 || port < 0) {
        fprintf(stderr, "usage: deaf-child [PORT]\n");
        return 2;
    }

    server.base = event_base_new();
    if (!server.base)
        errx(1, "cannot make an event base");
    evutil_socket_t fd = listen_on(port);
    server.rest_event = evtimer_new(server.base, rest_cb, &server);
    server.accept_event =
        event_new(server.base, fd, EV_READ | EV_PERSIST, accept_cb, &server);
    struct event *terminate =
        evsignal_new(server.base, SIGTERM, signal_cb, server.base);
    if (!server.rest_event)
        errx(1, "cannot make a timer");
    add_event(server.accept_event);
    add_event(terminate);

    print_ready(fd);
    int result = event_base_dispatch(server.base);

    while (!LIST_EMPTY(&server.conns))
        conn_free(LIST_FIRST(&server.conns));
    if (server.accept_event)
        listener_free(&server);
    event_free(terminate);
    event_base_free(server.base);
    return result < 0 ? 1 : 0;
}
