/* line-reader.c -- answers each line of its clients with its length and itself.
 *
 * Build: cc -o line-reader line-reader.c -levent_core
 * Run:   ./line-reader [ADDRESS PORT]     (127.0.0.1 9995)
 * Try:   printf 'hello\r\nlibevent\n' | nc -N 127.0.0.1 9995
 *
 * The line "eol STYLE" chooses what ends the lines after it: any, crlf,
 * crlf-strict, lf or nul, each as EVBUFFER_EOL_... does; crlf at the start.
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
#include <sys/ioctl.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <event2/util.h>

static const struct timeval REST = {1, 0};  /* after accept has failed */
static const struct timeval IDLE = {60, 0}; /* between two checks of a client */
static const struct timeval LINGER = {2, 0}; /* for the peer of a closed one */

enum {
    LIMIT = 1000, /* bytes of a line, without its end */
    /* Bytes of output that may wait for a slow client: reading stops above HIGH
     * and goes on below LOW. */
    HIGH = 256 * 1024,
    LOW = 64 * 1024
};

static const struct style {
    const char *name;
    enum evbuffer_eol_style eol;
} STYLES[] = {{"any", EVBUFFER_EOL_ANY}, {"crlf", EVBUFFER_EOL_CRLF},
    {"crlf-strict", EVBUFFER_EOL_CRLF_STRICT}, {"lf", EVBUFFER_EOL_LF},
    {"nul", EVBUFFER_EOL_NUL}};

struct server {
    struct event_base *base;
    struct evconnlistener *listener;
    struct event *rest_event; /* pending while no descriptor is left */
    LIST_HEAD(conn_list, conn) conns;
};

struct conn {
    struct server *server;
    struct bufferevent *bev;     /* owns the fd */
    struct event *check;         /* now and then: is the client still there? */
    enum evbuffer_eol_style eol; /* what ends a line */
    bool ended;                  /* the peer has sent all that it will */
    bool refused; /* a line was too long: the rest of the input is discarded */
    bool waiting; /* reading stopped at HIGH, the output is not yet empty */
    unsigned long lines;
    unsigned long long received; /* bytes */
    unsigned long long answered; /* bytes, queued as answers */
    unsigned long long arrived;  /* of these, at the peer at the last check */
    LIST_ENTRY(conn) next;
};

static void usage(int status)
{
    fprintf(status ? stderr : stdout, "usage: line-reader [ADDRESS PORT]\n");
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

/* Afterwards a descriptor is free, and a client may be waiting for it. */
static void conn_free(struct conn *conn)
{
    struct server *server = conn->server;

    LIST_REMOVE(conn, next);
    if (conn->check)
        event_free(conn->check);
    bufferevent_free(conn->bev);
    free(conn);
    if (event_pending(server->rest_event, EV_TIMEOUT, NULL))
        evconnlistener_enable(server->listener);
}

static void conn_close(struct conn *conn)
{
    print_line(stdout, "client closed: %lu lines, %llu bytes", conn->lines,
        conn->received);
    conn_free(conn);
}

/* A failure for one client must not end the server. */
static void conn_fail(struct conn *conn, const char *what)
{
    print_line(stderr, "cannot %s a client: %s", what, strerror(errno));
    conn_free(conn);
}

/* Whether the peer has received more of its answers since the last check: a
 * client that reads slowly is not idle. Data that it has not received waits in
 * the output buffer or in the kernel, which counts it for us: see tcp(7). */
static bool has_progressed(struct conn *conn)
{
    size_t queued = evbuffer_get_length(bufferevent_get_output(conn->bev));
    unsigned long long before = conn->arrived;
    int unsent = 0;

    if (ioctl(bufferevent_getfd(conn->bev), TIOCOUTQ, &unsent) != 0)
        return false;
    conn->arrived = conn->answered - queued - (unsigned)unsent;
    return conn->arrived > before;
}

/* Bytes of answers that have not been sent to the kernel yet. */
static size_t waiting_output(struct conn *conn)
{
    return evbuffer_get_length(bufferevent_get_output(conn->bev));
}

/* Queue LENGTH and LINE as an answer. The line can hold every byte but its end,
 * a NUL as well, so it is not a string. Returns -1 if there is no memory. */
static int add_answer(struct evbuffer *output, const char *line, size_t length)
{
    if (evbuffer_add_printf(output, "%zu ", length) < 0 ||
        evbuffer_add(output, line, length) < 0)
        return -1;
    return evbuffer_add(output, "\n", 1);
}

/* "eol STYLE" changes what ends the lines after it. */
static void choose_style(struct conn *conn, const char *line)
{
    for (size_t i = 0; i < sizeof(STYLES) / sizeof(STYLES[0]); i++)
        if (strncmp(line, "eol ", 4) == 0 &&
            strcmp(line + 4, STYLES[i].name) == 0)
            conn->eol = STYLES[i].eol;
}

/* Answer the first line of the input. Returns 1 if there was one, 0 if its end
 * has not arrived yet, -1 if there is no memory. */
static int answer_line(struct conn *conn)
{
    struct evbuffer *input = bufferevent_get_input(conn->bev);
    struct evbuffer *output = bufferevent_get_output(conn->bev);
    struct evbuffer_ptr end = evbuffer_search_eol(input, NULL, NULL, conn->eol);
    size_t length = evbuffer_get_length(input);
    char *line;
    int result;

    /* Without its end, one byte more can be the CR of a CRLF in two packets. */
    if (end.pos > LIMIT || (end.pos < 0 && length > LIMIT + 1)) {
        conn->refused = true;
        return evbuffer_add_printf(
            output, "error: a line has more than %d bytes\n", LIMIT);
    }
    if (end.pos < 0)
        return 0;
    line = evbuffer_readln(input, &length, conn->eol);
    if (!line)
        return -1;
    result = add_answer(output, line, length);
    choose_style(conn, line);
    free(line);
    conn->lines++;
    return result < 0 ? -1 : 1;
}

/* Called at each change of a buffer: count the bytes that are added. */
static void count_added_cb(
    struct evbuffer *buffer, const struct evbuffer_cb_info *info, void *arg)
{
    unsigned long long *count = arg;

    *count += info->n_added;
}

/* Answer all whole lines: a read can bring several, or a part of one. What is
 * left stays in the input until more arrives, and is never longer than LIMIT.
 * EV_WRITE is on anyway; enabling it again fails if the socket cannot be
 * watched, which evbuffer_add does not report. */
static void read_cb(struct bufferevent *bev, void *arg)
{
    struct conn *conn = arg;
    struct evbuffer *input = bufferevent_get_input(bev);
    int result = 1;

    while (result > 0 && !conn->refused)
        result = answer_line(conn);
    if (result < 0 ||
        (waiting_output(conn) > 0 && bufferevent_enable(bev, EV_WRITE) < 0)) {
        conn_fail(conn, "queue an answer for");
        return;
    }
    if (conn->refused)
        evbuffer_drain(input, evbuffer_get_length(input));
    if (waiting_output(conn) > HIGH) {
        bufferevent_disable(bev, EV_READ);
        conn->waiting = true;
    }
}

/* The output has drained to LOW or below: read on, or end. If we closed the
 * connection of a refused client while more of its bytes arrive, the kernel
 * would send a reset, and our last line could be lost. So we half-close, and
 * discard bytes until the client closes too, or for a while. */
static void write_cb(struct bufferevent *bev, void *arg)
{
    struct conn *conn = arg;

    if (conn->waiting && !conn->ended && bufferevent_enable(bev, EV_READ) < 0) {
        conn_fail(conn, "watch");
        return;
    }
    if (waiting_output(conn) > 0)
        return;
    conn->waiting = false;
    if (conn->ended)
        conn_close(conn);
    else if (conn->refused &&
             (event_add(conn->check, &LINGER) < 0 ||
                 (shutdown(bufferevent_getfd(bev), SHUT_WR) != 0 &&
                     errno != ENOTCONN)))
        conn_fail(conn, "half-close the connection of");
}

static void event_cb(struct bufferevent *bev, short what, void *arg)
{
    int error = EVUTIL_SOCKET_ERROR(); /* before a call can change it */
    struct conn *conn = arg;
    size_t left = evbuffer_get_length(bufferevent_get_input(bev));

    if (!(what & BEV_EVENT_EOF)) {
        print_line(stderr, "got an error on the connection: %s",
            evutil_socket_error_to_string(error));
        conn_free(conn);
        return;
    }
    conn->ended = true;
    if (left > 0 &&
        (evbuffer_add_printf(bufferevent_get_output(bev),
             "error: %zu bytes without an end of line\n", left) < 0 ||
            bufferevent_enable(bev, EV_WRITE) < 0))
        conn_fail(conn, "queue an answer for");
    else if (waiting_output(conn) == 0)
        conn_close(conn);
    /* else the peer still reads, and write_cb ends it */
}

/* A client is not idle as long as it receives answers: one that reads slowly
 * may stay, one that never ends its line may not. */
static void check_cb(evutil_socket_t fd, short what, void *arg)
{
    struct conn *conn = arg;

    if (has_progressed(conn))
        return;
    if (!conn->refused)
        print_line(stderr, "dropped a client that was idle");
    conn_close(conn);
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
    conn->eol = EVBUFFER_EOL_CRLF;
    LIST_INSERT_HEAD(&server->conns, conn, next);
    set_nodelay(fd);
    bufferevent_setcb(conn->bev, read_cb, write_cb, event_cb, conn);
    bufferevent_setwatermark(conn->bev, EV_WRITE, LOW, 0);
    conn->check = event_new(server->base, -1, EV_PERSIST, check_cb, conn);
    if (!conn->check || event_add(conn->check, &IDLE) < 0 ||
        !evbuffer_add_cb(bufferevent_get_input(conn->bev), count_added_cb,
            &conn->received) ||
        !evbuffer_add_cb(bufferevent_get_output(conn->bev), count_added_cb,
            &conn->answered) ||
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
            SOMAXCONN, address->ai_addr, (int)address->ai_addrlen);

    if (!listener)
        err(1, "cannot listen on %s port %s", host, port);
    if (evconnlistener_enable(listener) < 0) /* new_bind does not report it */
        errx(1, "cannot watch the listening socket");
    evconnlistener_set_error_cb(listener, accept_error_cb);
    evutil_freeaddrinfo(address);
    return listener;
}

/* Serve clients until SIGINT or SIGTERM, and free everything. Returns the exit
 * status. */
static int serve(struct server *server)
{
    struct event *interrupt =
        evsignal_new(server->base, SIGINT, signal_cb, server->base);
    struct event *terminate =
        evsignal_new(server->base, SIGTERM, signal_cb, server->base);
    int result;

    server->rest_event =
        event_new(server->base, -1, EV_PERSIST, rest_cb, server);
    if (!server->rest_event || !interrupt || !terminate ||
        event_add(interrupt, NULL) < 0 || event_add(terminate, NULL) < 0)
        errx(1, "cannot add an event");
    print_ready(evconnlistener_get_fd(server->listener));
    result = event_base_dispatch(server->base);

    while (!LIST_EMPTY(&server->conns))
        conn_free(LIST_FIRST(&server->conns));
    evconnlistener_free(server->listener);
    event_free(terminate);
    event_free(interrupt);
    event_free(server->rest_event);
    event_base_free(server->base);
    return result < 0 ? 1 : 0;
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

    struct server server = {.base = event_base_new()};
    if (!server.base)
        errx(1, "cannot make an event base");
    LIST_INIT(&server.conns);
    server.listener = argc == 3 ? listen_on(&server, argv[1], argv[2])
                                : listen_on(&server, "127.0.0.1", "9995");
    return serve(&server);
}
