/* chat-server.c -- a chat for netcat: names, rooms, private messages, history.
 *
 * Build: cc -o chat-server chat-server.c rooms.c -levent
 * Run:   ./chat-server [ADDRESS PORT]     (127.0.0.1 7777)
 * Try:   nc 127.0.0.1 7777
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

#include "rooms.h"

static const struct timeval REST = {1, 0};    /* after accept has failed */
static const struct timeval GRACE = {1, 0};   /* from the signal to the end */
static const struct timeval LINGER = {10, 0}; /* to take what is queued */
static const struct timeval SECOND = {1, 0};  /* in which lines are counted */
static const struct timeval NOW = {0, 0};

enum {
    LINES = 10,            /* that one may send in a second */
    ENDLESS = 1024 * 1024, /* bytes after which a line has no end */
    QUEUE = 256 * 1024,    /* bytes that may wait for a slow reader */
    KERNEL = 64 * 1024     /* and as many in the kernel, which doubles it */
};

struct server {
    struct event_base *base;
    struct evconnlistener *listener; /* NULL once a signal has come */
    struct rooms *rooms;
    LIST_HEAD(conn_list, conn) conns;
};

struct conn {
    struct server *server;
    struct person *person;   /* NULL once this one is leaving */
    struct bufferevent *bev; /* owns the fd */
    struct event *timer;     /* the end of a second, or of our patience */
    int lines;               /* taken in this second */
    int warned;              /* of being too quick */
    int slow;                /* more is queued than may be */
    int ended;               /* the peer has sent all that it will */
    size_t skipped;          /* bytes of a line that was too long */
    LIST_ENTRY(conn) next;
};

static void usage(int status)
{
    fprintf(status ? stderr : stdout, "usage: chat-server [ADDRESS PORT]\n");
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

/* Let the kernel hold no more than this for one that does not read: left to
 * itself it takes some 4 MiB. */
static void bound_kernel(evutil_socket_t fd)
{
    int size = KERNEL;

    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)) != 0)
        warn("cannot bound the send buffer");
}

/* Start the timer of CONN anew. */
static void set_timer(struct conn *conn, const struct timeval *time)
{
    if (event_add(conn->timer, time) < 0)
        errx(1, "cannot set a timer");
}

/* The last one who goes ends a server that has been told to. */
static void conn_free(struct conn *conn)
{
    struct server *server = conn->server;

    if (conn->person)
        person_free(conn->person, "has lost the connection");
    LIST_REMOVE(conn, next);
    event_free(conn->timer);
    bufferevent_free(conn->bev);
    free(conn);
    if (!server->listener && LIST_EMPTY(&server->conns))
        event_base_loopbreak(server->base);
}

/* All is sent: say so, and wait for the peer to close. If we closed first, what
 * it sends in this moment would be answered by a reset, and the last lines be
 * lost. */
static void conn_finish(struct conn *conn)
{
    if (conn->ended)
        conn_free(conn);
    else if (shutdown(bufferevent_getfd(conn->bev), SHUT_WR) != 0 &&
             errno != ENOTCONN)
        warn("cannot half-close a connection");
}

/* This one goes: no line is taken from it any more, and none comes for it. It
 * has some time for what is queued. */
static void conn_leave(struct conn *conn, const char *how)
{
    person_free(conn->person, how);
    conn->person = NULL;
    set_timer(conn, &LINGER);
    if (!conn->ended && bufferevent_enable(conn->bev, EV_READ) < 0)
        errx(1, "cannot watch a connection");
    if (evbuffer_get_length(bufferevent_get_output(conn->bev)) == 0)
        conn_finish(conn);
}

/* Send a line. While nothing waits it goes to the socket at once; what this
 * does not take is queued, and an error is met again by the bufferevent. */
static void conn_send(struct conn *conn, const char *text, size_t length)
{
    ssize_t sent = 0;

    if (evbuffer_get_length(bufferevent_get_output(conn->bev)) == 0)
        sent = send(bufferevent_getfd(conn->bev), text, length, 0);
    if (sent < 0)
        sent = 0;
    if (bufferevent_write(conn->bev, text + sent, length - (size_t)sent) < 0)
        errx(1, "cannot queue a line");
}

/* A line for the person behind ARG. One that does not read is dropped, but not
 * here: who calls is in the middle of a list of people. */
static void show_cb(void *arg, const char *text, size_t length)
{
    struct conn *conn = arg;

    if (conn->slow)
        return;
    conn_send(conn, text, length);
    if (evbuffer_get_length(bufferevent_get_output(conn->bev)) > QUEUE) {
        conn->slow = 1;
        set_timer(conn, &NOW);
    }
}

/* Tell the peer and the operator WHY it is dropped, and the room HOW. */
static void conn_drop(struct conn *conn, const char *why, const char *how)
{
    char text[128];
    int length = snprintf(text, sizeof(text), "* goodbye: %s\n", why);

    warnx("dropped a client: %s", why);
    conn_send(conn, text, (size_t)length);
    conn_leave(conn, how);
}

/* Forget LENGTH bytes of a line that is too long, and say so once. */
static void skip(struct conn *conn, size_t length)
{
    if (conn->skipped == 0) {
        static const char text[] = "* that line was refused: it is too long\n";
        show_cb(conn, text, sizeof(text) - 1);
    }
    evbuffer_drain(bufferevent_get_input(conn->bev), length);
    conn->skipped += length;
    if (conn->skipped > ENDLESS)
        conn_drop(conn, "a line went on without end", "was dropped");
}

/* Hand a line of LENGTH bytes in the input, and NEWLINE more, to the rooms. */
static void take_line(struct conn *conn, size_t length, size_t newline)
{
    struct evbuffer *input = bufferevent_get_input(conn->bev);
    char text[LINE];

    if (conn->lines++ == 0)
        set_timer(conn, &SECOND);
    if (conn->skipped > 0 || length > LINE) {
        skip(conn, length + newline);
        conn->skipped = 0;
        return;
    }
    evbuffer_remove(input, text, length);
    evbuffer_drain(input, newline);
    if (!person_line(conn->person, text, length))
        conn_leave(conn, "has left");
}

/* Take the lines that have come; the last may not be whole yet. */
static void take_lines(struct conn *conn)
{
    struct evbuffer *input = bufferevent_get_input(conn->bev);

    while (conn->person && !conn->slow && conn->lines < LINES) {
        size_t newline;
        struct evbuffer_ptr end =
            evbuffer_search_eol(input, NULL, &newline, EVBUFFER_EOL_CRLF);
        size_t length = evbuffer_get_length(input);

        if (end.pos >= 0)
            take_line(conn, (size_t)end.pos, newline);
        else if (length > LINE + 1 || (length > 0 && conn->skipped > 0))
            skip(conn, length);
        else
            return;
    }
}

/* Lines that come too fast wait for the next second, in the socket, where they
 * slow their sender down and nobody else. */
static void take_some_lines(struct conn *conn)
{
    static const char text[] = "* not so fast: the rest of your lines waits\n";

    take_lines(conn);
    if (!conn->person || conn->lines < LINES)
        return;
    bufferevent_disable(conn->bev, EV_READ);
    if (conn->warned ||
        evbuffer_get_length(bufferevent_get_input(conn->bev)) == 0)
        return;
    show_cb(conn, text, sizeof(text) - 1);
    conn->warned = 1;
}

static void read_cb(struct bufferevent *bev, void *arg)
{
    struct conn *conn = arg;
    struct evbuffer *input = bufferevent_get_input(bev);

    if (conn->person)
        take_some_lines(conn);
    if (!conn->person) /* read and forgotten, so that no reset comes of it */
        evbuffer_drain(input, evbuffer_get_length(input));
}

/* All that was queued is sent. */
static void write_cb(struct bufferevent *bev, void *arg)
{
    struct conn *conn = arg;

    if (!conn->person)
        conn_finish(conn);
}

static void event_cb(struct bufferevent *bev, short what, void *arg)
{
    int error = EVUTIL_SOCKET_ERROR(); /* before a call can change it */
    struct conn *conn = arg;

    if (what & BEV_EVENT_EOF) {
        conn->ended = 1;
        if (conn->person)
            conn_leave(conn, "has left");
        else if (evbuffer_get_length(bufferevent_get_output(bev)) == 0)
            conn_free(conn);
        return; /* else the peer still reads, and write_cb ends it */
    }
    warnx("lost a client: %s", evutil_socket_error_to_string(error));
    conn_free(conn);
}

/* One timer does for three things, since they exclude each other: a second is
 * over, too much is queued, or one who leaves has had its time. */
static void timer_cb(evutil_socket_t fd, short what, void *arg)
{
    struct conn *conn = arg;

    if (!conn->person) {
        conn_free(conn);
        return;
    }
    if (conn->slow) {
        conn_drop(conn, "you read too slowly", "was dropped: a slow reader");
        return;
    }
    conn->warned = conn->lines == LINES;
    conn->lines = 0;
    if (bufferevent_enable(conn->bev, EV_READ) < 0)
        errx(1, "cannot watch a connection");
    take_some_lines(conn);
}

static void accept_cb(struct evconnlistener *listener, evutil_socket_t fd,
    struct sockaddr *address, int length, void *arg)
{
    struct server *server = arg;
    struct conn *conn = calloc(1, sizeof(*conn));

    if (!conn)
        err(1, "cannot take a connection");
    set_nodelay(fd);
    bound_kernel(fd);
    conn->server = server;
    conn->bev = bufferevent_socket_new(server->base, fd, BEV_OPT_CLOSE_ON_FREE);
    conn->timer = evtimer_new(server->base, timer_cb, conn);
    if (!conn->bev || !conn->timer)
        errx(1, "cannot make a bufferevent and its timer");
    LIST_INSERT_HEAD(&server->conns, conn, next);
    bufferevent_setcb(conn->bev, read_cb, write_cb, event_cb, conn);
    if (bufferevent_enable(conn->bev, EV_READ) < 0)
        errx(1, "cannot watch a connection");
    conn->person = person_new(server->rooms, show_cb, conn);
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

/* Tell all, and give them a moment to take it. A second signal does not want to
 * wait. */
static void stop_cb(evutil_socket_t signum, short what, void *arg)
{
    struct server *server = arg;
    struct conn *conn;

    if (!server->listener || LIST_EMPTY(&server->conns)) {
        printf("Caught an interrupt signal; exiting at once.\n");
        event_base_loopbreak(server->base);
        return;
    }
    printf("Caught an interrupt signal; telling all, and exiting.\n");
    evconnlistener_free(server->listener);
    server->listener = NULL;
    event_base_loopexit(server->base, &GRACE);
    rooms_tell(server->rooms, "the server is ending; goodbye");
    LIST_FOREACH (conn, &server->conns, next) {
        if (conn->person)
            conn_leave(conn, NULL);
    }
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

    //> base
    struct server server = {.base = event_base_new(), .rooms = rooms_new()};
    if (!server.base)
        errx(1, "cannot make an event base");
    LIST_INIT(&server.conns);

    //> signals
    struct event *interrupt =
        evsignal_new(server.base, SIGINT, stop_cb, &server);
    struct event *terminate =
        evsignal_new(server.base, SIGTERM, stop_cb, &server);
    add_event(interrupt);
    add_event(terminate);

    //> run
    server.listener = argc == 3 ? listen_on(&server, argv[1], argv[2])
                                : listen_on(&server, "127.0.0.1", "7777");
    print_ready(evconnlistener_get_fd(server.listener));
    int result = event_base_dispatch(server.base);

    //> clean-up
    while (!LIST_EMPTY(&server.conns))
        conn_free(LIST_FIRST(&server.conns));
    if (server.listener)
        evconnlistener_free(server.listener);
    event_free(terminate);
    event_free(interrupt);
    event_base_free(server.base);
    rooms_free(server.rooms);
    printf("done\n");
    return result < 0 ? 1 : 0;
}
