/* chat-server.c -- a chat for netcat: names, rooms, private messages, history.
 *
 * Build: cc -o chat-server *.c -levent_core -lunistring
 * Run:   ./chat-server [ADDRESS PORT]     (127.0.0.1 7777)
 * Try:   nc 127.0.0.1 7777
 */
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/util.h>

#include "listen.h"
#include "rooms.h"
#include "telnet.h"

static const struct timeval GRACE = {1, 0};   /* from the signal to the end */
static const struct timeval LINGER = {10, 0}; /* to take some of what waits */
static const struct timeval SECOND = {1, 0};  /* in which lines are counted */

enum {
    LINES = 10,            /* that one may send in a second */
    ENDLESS = 1024 * 1024, /* bytes after which a line has no end */
    QUEUE = 256 * 1024,    /* bytes that may wait for a slow reader */
    KERNEL = 64 * 1024     /* and as many in the kernel, which doubles it */
};

struct server {
    struct event_base *base;
    struct listeners *listeners; /* NULL once a signal has come */
    struct rooms *rooms;
    LIST_HEAD(conn_list, conn) conns;
};

struct conn {
    struct server *server;
    struct person *person;   /* NULL once this one is leaving */
    struct bufferevent *bev; /* owns the fd */
    struct evbuffer *text;   /* input, with telnet's commands taken out */
    struct event *timer;     /* the end of a second, or of our patience */
    struct telnet telnet;
    int lines;      /* taken in this second */
    bool warned;    /* of being too quick */
    bool slow;      /* more is queued than may be */
    bool failed;    /* nothing can be done for it: the timer is active */
    bool ended;     /* the peer has sent all that it will */
    size_t skipped; /* bytes of a line that was too long */
    size_t waiting; /* bytes for one who leaves, when we last looked */
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

/* Print a line on standard output, or on standard error as warnx(3) does. A
 * line that would block is dropped: a callback that waits for the reader of a
 * log stops the whole loop. What poll(2) calls writable has room for one. */
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

/* Let the kernel hold no more than this for one that does not read: left to
 * itself it takes some 4 MiB. */
static void bound_kernel(evutil_socket_t fd)
{
    int size = KERNEL;

    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)) != 0)
        print_line(stderr, "cannot bound the send buffer: %s", strerror(errno));
}

/* Leave urgent data in their place: telnet sends the second byte of a command
 * so, and without it the next byte would be taken for the command. */
static void keep_urgent(evutil_socket_t fd)
{
    int on = 1;

    if (setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on)) != 0)
        print_line(
            stderr, "cannot keep urgent data in place: %s", strerror(errno));
}

/* CONN is of no use any more: we CANNOT do something for it. It is freed as
 * soon as the loop runs, not here: our caller may be in the middle of a list of
 * people. To make an event active takes no memory. */
static void conn_fail(struct conn *conn, const char *cannot)
{
    if (conn->failed)
        return;
    print_line(stderr, "dropped a client: cannot %s", cannot);
    conn->failed = true;
    event_active(conn->timer, EV_TIMEOUT, 1);
}

/* Start the timer of CONN anew. */
static void set_timer(struct conn *conn, const struct timeval *time)
{
    if (!conn->failed && event_add(conn->timer, time) < 0)
        conn_fail(conn, "set a timer");
}

static void set_reading(struct conn *conn, bool on)
{
    if ((on ? bufferevent_enable(conn->bev, EV_READ)
            : bufferevent_disable(conn->bev, EV_READ)) < 0)
        conn_fail(conn, "watch the connection");
}

/* Half of a connection may be there. The last one who goes ends a server that
 * has been told to. */
static void conn_free(struct conn *conn)
{
    struct server *server = conn->server;

    if (conn->person)
        person_free(conn->person, "has lost the connection");
    LIST_REMOVE(conn, next);
    if (conn->timer)
        event_free(conn->timer);
    if (conn->text)
        evbuffer_free(conn->text);
    if (conn->bev)
        bufferevent_free(conn->bev);
    free(conn);
    if (server->listeners)
        listeners_resume(server->listeners);
    else if (LIST_EMPTY(&server->conns))
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
        print_line(
            stderr, "cannot half-close a connection: %s", strerror(errno));
}

/* The bytes that the peer has not taken yet, in the output and in the kernel.
 */
static size_t bytes_waiting(struct conn *conn)
{
    int in_kernel;

    if (ioctl(bufferevent_getfd(conn->bev), TIOCOUTQ, &in_kernel) != 0)
        in_kernel = 0;
    return evbuffer_get_length(bufferevent_get_output(conn->bev)) +
           (size_t)in_kernel;
}

/* This one goes: no line is taken from it any more, and none comes for it. It
 * has some time for what is queued. */
static void conn_leave(struct conn *conn, const char *how)
{
    person_free(conn->person, how);
    conn->person = NULL;
    conn->waiting = bytes_waiting(conn);
    set_timer(conn, &LINGER);
    if (!conn->ended)
        set_reading(conn, true);
    if (evbuffer_get_length(bufferevent_get_output(conn->bev)) == 0)
        conn_finish(conn);
}

/* Queue a line. To enable EV_WRITE, which is on, tells us if the socket cannot
 * be watched; bufferevent_write does not. */
static void conn_send(struct conn *conn, const char *text, size_t length)
{
    if (bufferevent_write(conn->bev, text, length) < 0 ||
        bufferevent_enable(conn->bev, EV_WRITE) < 0)
        conn_fail(conn, "queue a line");
}

/* A line for the person behind ARG. One that does not read is dropped, but not
 * here: our caller is in the middle of a list of people. */
static void show_cb(void *arg, const char *text, size_t length)
{
    struct conn *conn = arg;

    if (conn->slow || conn->failed)
        return;
    conn_send(conn, text, length);
    if (evbuffer_get_length(bufferevent_get_output(conn->bev)) > QUEUE) {
        conn->slow = true;
        event_active(conn->timer, EV_TIMEOUT, 1);
    }
}

/* Tell the peer and the operator WHY it is dropped, and the room HOW. */
static void conn_drop(struct conn *conn, const char *why, const char *how)
{
    char text[128];
    int length = snprintf(text, sizeof(text), "* goodbye: %s\n", why);

    print_line(stderr, "dropped a client: %s", why);
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
    evbuffer_drain(conn->text, length);
    conn->skipped += length;
    if (conn->skipped > ENDLESS)
        conn_drop(conn, "a line went on without end", "was dropped");
}

/* Count a line, or a question of telnet, which is answered like one. */
static void count_line(struct conn *conn)
{
    if (conn->lines++ == 0)
        set_timer(conn, &SECOND);
}

/* Hand a line of LENGTH bytes, and NEWLINE more, to the rooms. */
static void take_line(struct conn *conn, size_t length, size_t newline)
{
    char text[LINE];

    count_line(conn);
    if (conn->skipped > 0 || length > LINE) {
        skip(conn, length + newline);
        conn->skipped = 0;
        return;
    }
    evbuffer_remove(conn->text, text, length);
    evbuffer_drain(conn->text, newline);
    if (!person_line(conn->person, text, length))
        conn_leave(conn, "has left");
}

/* Take a line, or a part of one that is too long, and return true; or false if
 * too little has come to tell. */
static bool take_from_text(struct conn *conn)
{
    size_t newline;
    struct evbuffer_ptr end =
        evbuffer_search_eol(conn->text, NULL, &newline, EVBUFFER_EOL_CRLF);
    size_t length = evbuffer_get_length(conn->text);

    if (end.pos >= 0)
        take_line(conn, (size_t)end.pos, newline);
    else if (length > LINE + 1 || (length > 0 && conn->skipped > 0))
        skip(conn, length);
    else
        return false;
    return true;
}

/* Do what the last command of telnet wishes; returns false if it wishes
 * nothing. */
static bool take_wish(struct conn *conn)
{
    static const char here[] = "* yes, the server is here\n";
    struct telnet *telnet = &conn->telnet;
    enum telnet_wish wish = telnet->wish;

    telnet->wish = TELNET_NONE;
    if (wish == TELNET_NONE)
        return false;
    if (wish == TELNET_ENDLESS) {
        conn_drop(conn, "a telnet command went on without end", "was dropped");
        return true;
    }
    count_line(conn);
    if (wish == TELNET_REPLY)
        show_cb(conn, (char *)telnet->reply, sizeof(telnet->reply));
    else
        show_cb(conn, here, sizeof(here) - 1);
    return true;
}

/* Move some input to the text; returns false if there is none. */
static bool take_input(struct conn *conn)
{
    struct evbuffer *input = bufferevent_get_input(conn->bev);
    unsigned char bytes[1024], text[sizeof(bytes) + 1];
    ssize_t length = evbuffer_copyout(input, bytes, sizeof(bytes));
    size_t taken, count;

    if (length <= 0)
        return false;
    taken = telnet_take(&conn->telnet, bytes, (size_t)length, text, &count);
    evbuffer_drain(input, taken);
    if (count > 0 && evbuffer_add(conn->text, text, count) < 0)
        conn_fail(conn, "keep a line");
    return true;
}

/* Take all that has come, in its order, but no more lines than may be. */
static void take_lines(struct conn *conn)
{
    while (conn->person && !conn->slow && !conn->failed && conn->lines < LINES)
        if (!take_from_text(conn) && !take_wish(conn) && !take_input(conn))
            return;
}

/* Whether there is more to be taken. */
static bool has_more(struct conn *conn)
{
    return evbuffer_get_length(conn->text) > 0 ||
           conn->telnet.wish != TELNET_NONE ||
           evbuffer_get_length(bufferevent_get_input(conn->bev)) > 0;
}

/* Lines that come too fast wait for the next second, in the socket, where they
 * slow their sender down and nobody else. */
static void take_some_lines(struct conn *conn)
{
    static const char text[] = "* not so fast: the rest of your lines waits\n";

    take_lines(conn);
    if (!conn->person || conn->lines < LINES)
        return;
    set_reading(conn, false);
    if (conn->warned || !has_more(conn))
        return;
    show_cb(conn, text, sizeof(text) - 1);
    conn->warned = true;
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
        conn->ended = true;
        if (conn->person)
            conn_leave(conn, "has left");
        else if (evbuffer_get_length(bufferevent_get_output(bev)) == 0)
            conn_free(conn);
        return; /* else the peer still reads, and write_cb ends it */
    }
    print_line(
        stderr, "lost a client: %s", evutil_socket_error_to_string(error));
    conn_free(conn);
}

/* One who leaves has had its time. While it takes what waits for it, it has as
 * much again. */
static void leaving_cb(struct conn *conn)
{
    size_t waiting = bytes_waiting(conn);

    if (waiting == conn->waiting) {
        conn_free(conn);
        return;
    }
    conn->waiting = waiting;
    set_timer(conn, &LINGER);
}

/* One timer does for four things, since they exclude each other: a second is
 * over, too much is queued, one who leaves has had its time, or we can do
 * nothing more for it. */
static void timer_cb(evutil_socket_t fd, short what, void *arg)
{
    struct conn *conn = arg;

    if (conn->failed) {
        conn_free(conn);
    } else if (!conn->person) {
        leaving_cb(conn);
    } else if (conn->slow) {
        conn_drop(conn, "you read too slowly", "was dropped: a slow reader");
    } else {
        conn->warned = conn->lines == LINES;
        conn->lines = 0;
        set_reading(conn, true);
        take_some_lines(conn);
    }
}

/* Make what CONN needs; returns false if that cannot be. The timer, whose first
 * end means nothing, has its place in the loop from now on: to set it again
 * takes no memory. */
static bool conn_start(struct conn *conn, evutil_socket_t fd)
{
    struct server *server = conn->server;

    conn->bev = bufferevent_socket_new(server->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (!conn->bev) {
        evutil_closesocket(fd);
        return false;
    }
    conn->text = evbuffer_new();
    conn->timer = evtimer_new(server->base, timer_cb, conn);
    if (!conn->text || !conn->timer || event_add(conn->timer, &SECOND) < 0)
        return false;
    bufferevent_setcb(conn->bev, read_cb, write_cb, event_cb, conn);
    if (bufferevent_enable(conn->bev, EV_READ) < 0)
        return false;
    conn->person = person_new(server->rooms, show_cb, conn);
    return conn->person != NULL;
}

static void accept_cb(evutil_socket_t fd, const struct sockaddr *address,
    socklen_t length, void *arg)
{
    struct server *server = arg;
    struct conn *conn = calloc(1, sizeof(*conn));

    if (!conn) {
        print_line(stderr, "dropped a client: cannot make a connection");
        evutil_closesocket(fd);
        return;
    }
    set_nodelay(fd);
    bound_kernel(fd);
    keep_urgent(fd);
    conn->server = server;
    LIST_INSERT_HEAD(&server->conns, conn, next);
    if (!conn_start(conn, fd)) {
        print_line(stderr, "dropped a client: cannot make a connection");
        conn_free(conn);
    }
}

/* Tell all, and give them a moment to take it. A second signal does not want to
 * wait, and without a timer nobody can. */
static void stop_cb(evutil_socket_t signum, short what, void *arg)
{
    struct server *server = arg;
    struct conn *conn;

    if (!server->listeners || LIST_EMPTY(&server->conns)) {
        print_line(stdout, "Caught an interrupt signal; exiting at once.");
        event_base_loopbreak(server->base);
        return;
    }
    print_line(stdout, "Caught an interrupt signal; telling all, and exiting.");
    listeners_free(server->listeners);
    server->listeners = NULL;
    if (event_base_loopexit(server->base, &GRACE) < 0)
        event_base_loopbreak(server->base);
    rooms_tell(server->rooms, "the server is ending; goodbye");
    LIST_FOREACH (conn, &server->conns, next) {
        if (conn->person)
            conn_leave(conn, NULL);
    }
}

int main(int argc, char **argv)
{
    open_standard_fds();
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        usage(0);
    if ((argc != 1 && argc != 3) || (argc == 3 && parse_port(argv[2]) < 0))
        usage(2);
    signal(SIGPIPE, SIG_IGN); /* writing to a closed connection must fail */

    //> base
    struct server server = {.base = event_base_new(), .rooms = rooms_new()};
    if (!server.base)
        errx(1, "cannot make an event base");
    LIST_INIT(&server.conns);

    //> listen
    server.listeners =
        listeners_new(server.base, argc == 3 ? argv[1] : "127.0.0.1",
            argc == 3 ? argv[2] : "7777", accept_cb, NULL, &server);

    //> signals
    struct event *interrupt =
        evsignal_new(server.base, SIGINT, stop_cb, &server);
    struct event *terminate =
        evsignal_new(server.base, SIGTERM, stop_cb, &server);
    add_event(interrupt);
    add_event(terminate);

    //> run
    listeners_print(server.listeners);
    int result = event_base_dispatch(server.base);

    //> clean-up
    while (!LIST_EMPTY(&server.conns))
        conn_free(LIST_FIRST(&server.conns));
    if (server.listeners)
        listeners_free(server.listeners);
    event_free(terminate);
    event_free(interrupt);
    event_base_free(server.base);
    rooms_free(server.rooms);
    print_line(stdout, "done");
    return result < 0 ? 1 : 0;
}
