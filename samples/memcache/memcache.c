/* memcache.c -- a cache in memory that speaks memcached's text protocol.
 *
 * Build: cc -o memcache *.c -levent_core
 * Run:   ./memcache [-m MEGABYTES] [ADDRESS PORT]     (64, 127.0.0.1 11211)
 * Try:   printf 'set a 0 0 2\r\nhi\r\nget a\r\n' | nc -N 127.0.0.1 11211
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
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/util.h>

#include "server.h"

enum {
    MEGABYTES = 64,          /* of items, by default */
    MEGABYTES_MAX = 1 << 20, /* a terabyte */
    PATIENCE = 30,           /* seconds in which a client has to send more */
    HELD_LEAST = 8 << 20,    /* bytes of unfinished commands; or as of items */
};

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

static void usage(int status)
{
    fprintf(status ? stderr : stdout,
        "usage: memcache [-m MEGABYTES] [ADDRESS PORT]\n");
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

static void accept_cb(evutil_socket_t fd, const struct sockaddr *address,
    socklen_t length, void *arg)
{
    set_nodelay(fd);
    if (!conn_new(arg, fd))
        print_line(stderr, "no memory for a connection");
}

/* A cache has nothing to finish: it leaves at once. */
static void signal_cb(evutil_socket_t signum, short what, void *arg)
{
    event_base_loopbreak(arg);
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

static void server_init(struct server *server, uint64_t megabytes)
{
    LIST_INIT(&server->conns);
    TAILQ_INIT(&server->holders);
    server->held_most = megabytes << 20;
    if (server->held_most < HELD_LEAST)
        server->held_most = HELD_LEAST;
    server->patience = PATIENCE;
    server->cache.store = store_new(megabytes << 20);
    if (!server->cache.store)
        err(1, "cannot make a store");
    server->base = event_base_new();
    if (!server->base)
        errx(1, "cannot make an event base");
    server->patrol = event_new(server->base, -1, EV_PERSIST, patrol_cb, server);
    if (!server->patrol)
        errx(1, "cannot make an event");
}

static void server_end(struct server *server)
{
    while (!LIST_EMPTY(&server->conns))
        conn_free(LIST_FIRST(&server->conns));
    listeners_free(server->listeners);
    event_free(server->patrol);
    event_base_free(server->base);
    store_free(server->cache.store);
}

int main(int argc, char **argv)
{
    static struct server server; /* too large for the stack */
    uint64_t megabytes = MEGABYTES;

    open_standard_fds();
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
    signal(SIGPIPE, SIG_IGN); /* writing to a closed connection must fail */

    //> listen
    server_init(&server, megabytes);
    server.listeners =
        listeners_new(server.base, argc == 3 ? argv[1] : "127.0.0.1",
            argc == 3 ? argv[2] : "11211", accept_cb, NULL, &server);

    //> signals
    struct event *interrupt =
        evsignal_new(server.base, SIGINT, signal_cb, server.base);
    struct event *terminate =
        evsignal_new(server.base, SIGTERM, signal_cb, server.base);
    add_event(interrupt);
    add_event(terminate);

    //> run
    listeners_print(server.listeners);
    int result = event_base_dispatch(server.base);

    //> clean-up
    event_free(terminate);
    event_free(interrupt);
    server_end(&server);
    return result < 0 ? 1 : 0;
}
