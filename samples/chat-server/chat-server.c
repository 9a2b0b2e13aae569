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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/util.h>

#include "conn.h"

static const struct timeval GRACE = {1, 0}; /* from the signal to the end */

enum { KERNEL = 64 * 1024 }; /* bytes for one client in the kernel, doubled */

static void usage(int status)
{
    fprintf(status ? stderr : stdout, "usage: chat-server [ADDRESS PORT]\n");
    exit(status);
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

/* Make EVENT pending, at start-up: an event that cannot be added ends the
 * program. */
static void add_event(struct event *event)
{
    if (!event || event_add(event, NULL) < 0)
        errx(1, "cannot add an event");
}

/* Send small answers at once: with Nagle's algorithm on, the end of a long
 * answer would wait up to 40 ms for the peer's delayed acknowledgement. */
static void set_nodelay(evutil_socket_t fd)
{
    int on = 1;

    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)
        print_line(stderr, "cannot set TCP_NODELAY: %s", strerror(errno));
}

/* The kernel may hold no more than this for a client that does not read: by
 * default it would buffer some 4 MiB. */
static void bound_kernel(evutil_socket_t fd)
{
    int size = KERNEL;

    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)) != 0)
        print_line(stderr, "cannot bound the send buffer: %s", strerror(errno));
}

/* Keep urgent data in the stream: telnet sends the second byte of a command as
 * such, and without it the next byte would be taken for the command. */
static void keep_urgent(evutil_socket_t fd)
{
    int on = 1;

    if (setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on)) != 0)
        print_line(
            stderr, "cannot keep urgent data in place: %s", strerror(errno));
}

static void accept_cb(evutil_socket_t fd, const struct sockaddr *address,
    socklen_t length, void *arg)
{
    set_nodelay(fd);
    bound_kernel(fd);
    keep_urgent(fd);
    conn_new(arg, fd);
}

/* Tell all, and give them a moment to read it. End at once at a second signal,
 * or if the timer cannot be set. */
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
