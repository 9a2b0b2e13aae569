/* Starter and solution in one: look once you have passed (make compare-NN). */
/* chat-room.c -- a room in which everybody hears everybody.
 *
 * Build: cc -o chat-room chat-room.c -levent_core
 * Run:   ./chat-room [PORT]            (8888, on 127.0.0.1)
 * Try:   nc 127.0.0.1 8888, in several terminals
 *
 * A client's first line is its name; then a line is said to all others, or is
 * one of the commands /who, /me and /quit.
 */
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
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

static const struct timeval REST = {1, 0}; /* after accept has failed */
#ifdef SOLUTION
static const struct timeval LINGER = {5, 0}; /* until a leaving one closes */
static const struct timeval GRACE = {1, 0};  /* for all, when the room closes */
#endif

/* In bytes: of a name, of a line, and of output that may wait for a client. */
enum { MAX_NAME = 16, MAX_LINE = 500, MAX_QUEUE = 64 * 1024 };

struct room {
    struct event_base *base;
    struct evconnlistener *listener; /* NULL once the room closes */
    LIST_HEAD(conn_list, conn) conns;
};

struct conn {
    struct room *room;
    struct bufferevent *bev; /* owns the fd */
    char name[MAX_NAME + 1]; /* "" while not in the room */
#ifdef SOLUTION
    int skipping; /* the line that is coming is too long */
    int leaving;  /* it is neither read nor written any more */
    int ended;    /* the peer has sent all that it will */
    int doomed;   /* it does not read: to be freed by room_reap */
#endif
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

/* Print a line on standard output, or on standard error as warnx(3) does. A
 * line that would block is dropped: a callback that waits for the reader of a
 * log stops the whole loop. A pipe that poll(2) calls writable has room for
 * PIPE_BUF bytes, see pipe(7); a terminal has room for a short line. */
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

/* Make EVENT pending, at start-up: an event that cannot be added ends the
 * program. */
static void add_event(struct event *event)
{
    if (!event || event_add(event, NULL) < 0)
        errx(1, "cannot add an event");
}

/* While the room closes, there is nothing to wait for after the last client. */
static void conn_free(struct conn *conn)
{
    struct room *room = conn->room;

    LIST_REMOVE(conn, next);
    bufferevent_free(conn->bev);
    free(conn);
    if (!room->listener && LIST_EMPTY(&room->conns))
        event_base_loopbreak(room->base);
}

#ifdef SOLUTION
/* The length of the UTF-8 character at TEXT, of which LEFT bytes are left, or 0
 * if there is none or it is a control character. */
static size_t utf8_length(const unsigned char *text, size_t left)
{
    static const unsigned long least[] = {0, ' ', 0xa0, 0x800, 0x10000};
    size_t length = *text < 0x80 ? 1 : *text < 0xe0 ? 2 : *text < 0xf0 ? 3 : 4;
    unsigned long code = length == 1 ? *text : *text & (0x7fu >> length);

    if ((*text >= 0x80 && *text < 0xc2) || *text > 0xf4 || length > left)
        return 0;
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (text[i] & 0x3f);
    }
    if (code < least[length] || code == 0x7f || code > 0x10ffff)
        return 0;
    return code >= 0xd800 && code <= 0xdfff ? 0 : length; /* surrogates */
}

/* Replace each byte that could upset a terminal. */
static void clean(char *text, size_t length)
{
    for (size_t i = 0, step; i < length; i += step ? step : 1) {
        step = utf8_length((unsigned char *)text + i, length - i);
        if (step == 0)
            text[i] = '?';
    }
}

/* Queue a message for CONN. A client that does not read gets no more, and is
 * freed later, when no function walks the list. */
static void say(struct conn *conn, const char *format, ...)
{
    struct evbuffer *output = bufferevent_get_output(conn->bev);
    va_list arguments;

    if (conn->leaving || conn->doomed)
        return;
    va_start(arguments, format);
    if (evbuffer_add_vprintf(output, format, arguments) < 0 ||
        evbuffer_get_length(output) > MAX_QUEUE)
        conn->doomed = 1;
    va_end(arguments);
}

/* Tell all in the room but CONN. */
static void tell_others(const struct conn *conn, const char *format, ...)
{
    char message[MAX_LINE + MAX_NAME + 16];
    va_list arguments;
    struct conn *other;

    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    LIST_FOREACH (other, &conn->room->conns, next)
        if (other != conn && other->name[0])
            say(other, "%s\n", message);
}

/* Take CONN out of the room; it is still connected. */
static void conn_leave(struct conn *conn)
{
    if (conn->name[0])
        tell_others(conn, "* %s has left", conn->name);
    conn->name[0] = '\0';
}

/* All queued bytes are sent. If they were the last for CONN, half-close only:
 * to close with bytes unread would send a reset, which can overtake our last
 * words. */
static void write_cb(struct bufferevent *bev, void *arg)
{
    struct conn *conn = arg;

    if (!conn->leaving)
        return;
    if (conn->ended)
        conn_free(conn);
    else if (shutdown(bufferevent_getfd(bev), SHUT_WR) != 0 &&
             errno != ENOTCONN)
        print_line(
            stderr, "cannot half-close a connection: %s", strerror(errno));
}

/* End CONN: send what is queued, and wait for the client to close. */
static void conn_finish(struct conn *conn)
{
    conn->leaving = 1;
    bufferevent_set_timeouts(conn->bev, &LINGER, &LINGER);
    if (evbuffer_get_length(bufferevent_get_output(conn->bev)) == 0)
        write_cb(conn->bev, conn);
}

/* Free the clients that do not read. The others are told, which may be too much
 * for one more of them: so go through the list again. */
static void room_reap(struct room *room)
{
    struct conn *conn;

    LIST_FOREACH (conn, &room->conns, next)
        if (conn->doomed) {
            conn_leave(conn);
            conn_free(conn);
            room_reap(room);
            return;
        }
}

static void tell_who(struct conn *conn)
{
    struct conn *other;

    say(conn, "* here:");
    LIST_FOREACH (other, &conn->room->conns, next)
        if (other->name[0])
            say(conn, " %s", other->name);
    say(conn, "\n");
}

/* Let CONN in under NAME, as the first in the list, or tell it why not. */
static void join(struct conn *conn, const char *name)
{
    struct conn *other;
    size_t length = 0;

    while (isalnum((unsigned char)name[length]))
        length++;
    if (length == 0 || length > MAX_NAME || name[length]) {
        say(conn, "bad name\nname?\n");
        return;
    }
    LIST_FOREACH (other, &conn->room->conns, next)
        if (strcmp(other->name, name) == 0) {
            say(conn, "name taken\nname?\n");
            return;
        }
    memcpy(conn->name, name, length + 1);
    LIST_REMOVE(conn, next);
    LIST_INSERT_HEAD(&conn->room->conns, conn, next);
    tell_who(conn);
    tell_others(conn, "* %s is here", conn->name);
}

static void hear_line(struct conn *conn, const char *line)
{
    if (!conn->name[0]) {
        join(conn, line);
    } else if (strcmp(line, "/who") == 0) {
        tell_who(conn);
    } else if (strcmp(line, "/quit") == 0) {
        say(conn, "* bye\n");
        conn_leave(conn);
        conn_finish(conn);
    } else if (strncmp(line, "/me ", 4) == 0 && line[4]) {
        tell_others(conn, "* %s %s", conn->name, line + 4);
    } else if (line[0] == '/') {
        say(conn, "unknown command\n");
    } else if (line[0]) {
        tell_others(conn, "<%s> %s", conn->name, line);
    }
}

/* Handle the lines of the input. A line that is too long is discarded, however
 * long it becomes. */
static void conn_hear(struct conn *conn)
{
    struct evbuffer *input = bufferevent_get_input(conn->bev);
    size_t length;
    char *line;

    while (!conn->leaving && !conn->doomed &&
           (line = evbuffer_readln(input, &length, EVBUFFER_EOL_CRLF))) {
        clean(line, length);
        if (!conn->skipping && length <= MAX_LINE)
            hear_line(conn, line);
        else
            say(conn, "line too long\n%s", conn->name[0] ? "" : "name?\n");
        conn->skipping = 0;
        free(line);
    }
    length = evbuffer_get_length(input);
    if (conn->leaving || length > MAX_LINE + 1) { /* there may be a \r */
        conn->skipping = 1;
        evbuffer_drain(input, length);
    }
}

static void read_cb(struct bufferevent *bev, void *arg)
{
    struct conn *conn = arg;
    struct room *room = conn->room;

    conn_hear(conn);
    room_reap(room);
}

static void event_cb(struct bufferevent *bev, short what, void *arg)
{
    struct conn *conn = arg;
    struct room *room = conn->room;

    conn_leave(conn);
    conn->ended = 1;
    if (what & BEV_EVENT_EOF)
        conn_finish(conn);
    else /* an error, or it has lingered too long */
        conn_free(conn);
    room_reap(room);
}
#else
static void read_cb(struct bufferevent *bev, void *arg)
{
    /* yours: read the lines of the input, and do what they say */
}

static void write_cb(struct bufferevent *bev, void *arg)
{
    /* yours: all queued bytes are sent; was that the end? */
}

static void event_cb(struct bufferevent *bev, short what, void *arg)
{
    /* yours: the peer has ended its input, or the connection is broken */
}
#endif

static void accept_cb(struct evconnlistener *listener, evutil_socket_t fd,
    struct sockaddr *address, int length, void *arg)
{
    struct room *room = arg;
    struct conn *conn = calloc(1, sizeof(*conn));

    if (conn)
        conn->bev =
            bufferevent_socket_new(room->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (!conn || !conn->bev) {
        print_line(stderr, "cannot take a connection");
        free(conn);
        evutil_closesocket(fd);
        return;
    }
    set_nodelay(fd);
    conn->room = room;
    LIST_INSERT_HEAD(&room->conns, conn, next);
    bufferevent_setcb(conn->bev, read_cb, write_cb, event_cb, conn);
    if (bufferevent_enable(conn->bev, EV_READ) < 0) {
        print_line(stderr, "cannot read from a client");
        conn_free(conn);
        return;
    }
#ifdef SOLUTION
    say(conn, "name?\n");
#else
    /* yours: ask for the name */
#endif
}

static void rest_cb(evutil_socket_t fd, short what, void *arg)
{
    struct room *room = arg;

    if (room->listener && evconnlistener_enable(room->listener) < 0)
        print_line(stderr, "cannot accept again");
}

/* With no descriptor left, accepting would fail again and again: it pauses. */
static void accept_error_cb(struct evconnlistener *listener, void *arg)
{
    struct room *room = arg;

    print_line(
        stderr, "cannot accept, trying again in a second: %s", strerror(errno));
    if (event_base_once(room->base, -1, EV_TIMEOUT, rest_cb, room, &REST) == 0)
        evconnlistener_disable(listener);
}

#ifdef SOLUTION
/* SIGINT or SIGTERM: the room closes. A second one means "now". */
static void stop_cb(evutil_socket_t signum, short what, void *arg)
{
    struct room *room = arg;
    struct conn *conn;

    if (!room->listener || LIST_EMPTY(&room->conns)) {
        event_base_loopbreak(room->base);
        return;
    }
    evconnlistener_free(room->listener);
    room->listener = NULL;
    if (event_base_loopexit(room->base, &GRACE) < 0)
        event_base_loopbreak(room->base); /* now, or it might never end */
    LIST_FOREACH (conn, &room->conns, next) {
        say(conn, "* the room closes\n");
        conn_finish(conn);
    }
}
#else
static void stop_cb(evutil_socket_t signum, short what, void *arg)
{
    struct room *room = arg;

    /* yours: close the room. Now all clients lose messages that are queued. */
    event_base_loopbreak(room->base);
}
#endif

static struct evconnlistener *listen_on(struct room *room, int port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons((in_port_t)port),
    };
    struct evconnlistener *listener =
        evconnlistener_new_bind(room->base, accept_cb, room,
            LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE,
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
    signal(SIGPIPE, SIG_IGN);
    if (argc > 2 || port < 0) {
        fprintf(stderr, "usage: chat-room [PORT]\n");
        return 2;
    }

    struct room room = {.base = event_base_new()};
    if (!room.base)
        errx(1, "cannot make an event base");
    LIST_INIT(&room.conns);
    struct event *interrupt = evsignal_new(room.base, SIGINT, stop_cb, &room);
    struct event *terminate = evsignal_new(room.base, SIGTERM, stop_cb, &room);
    add_event(interrupt);
    add_event(terminate);

    room.listener = listen_on(&room, port);
    print_ready(evconnlistener_get_fd(room.listener));
    int result = event_base_dispatch(room.base);

    while (!LIST_EMPTY(&room.conns))
        conn_free(LIST_FIRST(&room.conns));
    if (room.listener)
        evconnlistener_free(room.listener);
    event_free(terminate);
    event_free(interrupt);
    event_base_free(room.base);
    return result < 0 ? 1 : 0;
}
