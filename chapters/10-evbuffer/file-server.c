/* file-server.c -- sends every client a line with a file's length, and the
 * file.
 *
 * Build: cc -o file-server file-server.c -levent_core
 * Run:   ./file-server [ADDRESS PORT [FILE]]     (127.0.0.1 9995, itself)
 * Try:   nc -d 127.0.0.1 9995 | head -n 1
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
#include <sys/stat.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <event2/util.h>

static const struct timeval REST = {1, 0};  /* after accept has failed */
static const struct timeval IDLE = {60, 0}; /* between two checks of a client */
static const struct timeval LINGER = {2, 0}; /* the same, once all is sent */

struct server {
    struct event_base *base;
    struct evconnlistener *listener;
    struct event *rest_event; /* pending while no descriptor is left */
    const char *path;         /* of the file */
    LIST_HEAD(conn_list, conn) conns;
};

struct conn {
    struct server *server;
    struct bufferevent *bev; /* owns the fd; its output owns the file */
    struct event *check;     /* now and then: does the client still read? */
    int file;                /* valid while a part of it is in the output */
    off_t size;              /* of the file when it was opened */
    bool ended;              /* the peer has sent all that it will */
    bool sent; /* all is with the kernel, and we have half-closed */
    unsigned long long answered; /* bytes that were queued */
    unsigned long long arrived;  /* of these, at the peer at the last check */
    LIST_ENTRY(conn) next;
};

static void usage(int status)
{
    fprintf(
        status ? stderr : stdout, "usage: file-server [ADDRESS PORT [FILE]]\n");
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

/* Open PATH for reading, and look up its size. Returns the descriptor, or -1
 * with errno set. Opening a FIFO must not wait for a writer. */
static int open_file(const char *path, off_t *size)
{
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat status = {0};

    if (file < 0)
        return -1;
    if (fstat(file, &status) == 0 && S_ISREG(status.st_mode)) {
        *size = status.st_size;
        return file;
    }
    close(file);
    errno = S_ISDIR(status.st_mode) ? EISDIR : EINVAL;
    return -1;
}

/* Append the file to the output, which owns the descriptor from then on: it
 * closes it when the last byte is sent, or when it is freed itself. If this
 * fails, libevent 2.1 has closed the descriptor in some cases and not in
 * others.
 */
static int add_file(struct evbuffer *output, int file, off_t size)
{
    if (size == 0) { /* an empty part would stay in the output, and open */
        close(file);
        return 0;
    }
    if (evbuffer_add_file(output, file, 0, size) == 0)
        return 0;
    if (fcntl(file, F_GETFD) >= 0)
        close(file);
    errno = ENOMEM;
    return -1;
}

/* Queue a line with the length, and the file; or a line that says why not. The
 * file is opened for each client: the next one gets what has this name then. */
static int conn_answer(struct conn *conn)
{
    struct evbuffer *output = bufferevent_get_output(conn->bev);

    conn->file = open_file(conn->server->path, &conn->size);
    if (conn->file < 0) {
        print_line(
            stderr, "cannot open %s: %s", conn->server->path, strerror(errno));
        return evbuffer_add_printf(output, "error: cannot open the file\n");
    }
    if (evbuffer_add_printf(output, "length %lld\n", (long long)conn->size) <
        0) {
        close(conn->file);
        return -1;
    }
    return add_file(output, conn->file, conn->size);
}

/* Called at each change of a buffer: count the bytes that are added. */
static void count_added_cb(
    struct evbuffer *buffer, const struct evbuffer_cb_info *info, void *arg)
{
    unsigned long long *count = arg;

    *count += info->n_added;
}

/* Discard what a client sends. */
static void read_cb(struct bufferevent *bev, void *arg)
{
    struct evbuffer *input = bufferevent_get_input(bev);

    evbuffer_drain(input, evbuffer_get_length(input));
}

/* All is with the kernel. If we closed now and the client had sent something in
 * the meantime, the kernel would send a reset, and the end of the file could be
 * lost. So we half-close, and wait until the client closes too, or until it has
 * not received anything for a while. */
static void write_cb(struct bufferevent *bev, void *arg)
{
    struct conn *conn = arg;

    print_line(stdout, "sent %llu bytes", conn->answered);
    conn->sent = true;
    if (conn->ended)
        conn_free(conn);
    else if (event_add(conn->check, &LINGER) < 0 ||
             (shutdown(bufferevent_getfd(bev), SHUT_WR) != 0 &&
                 errno != ENOTCONN))
        conn_fail(conn, "half-close the connection of");
}

/* sendfile(2) has sent nothing, and libevent reports an end of file. This is
 * right if the file is shorter now than the length that was sent. Otherwise the
 * socket was full, and writing, which libevent has disabled, can go on. */
static void conn_resume(struct conn *conn)
{
    size_t left = evbuffer_get_length(bufferevent_get_output(conn->bev));
    struct stat status;

    if (fstat(conn->file, &status) == 0 &&
        status.st_size > conn->size - (off_t)left &&
        bufferevent_enable(conn->bev, EV_WRITE) == 0)
        return;
    print_line(stderr, "the file ends %zu bytes early", left);
    conn_free(conn);
}

static void event_cb(struct bufferevent *bev, short what, void *arg)
{
    int error = EVUTIL_SOCKET_ERROR(); /* before a call can change it */
    struct conn *conn = arg;

    if (what & BEV_EVENT_ERROR) {
        print_line(stderr, "got an error on the connection: %s",
            evutil_socket_error_to_string(error));
        conn_free(conn);
    } else if (what & BEV_EVENT_WRITING) {
        conn_resume(conn);
    } else if (conn->sent) {
        conn_free(conn);
    } else {
        conn->ended = true; /* it still reads, and write_cb ends it */
    }
}

/* A client that receives nothing is dropped; one that reads slowly is not. */
static void progress_cb(evutil_socket_t fd, short what, void *arg)
{
    struct conn *conn = arg;

    if (has_progressed(conn))
        return;
    if (!conn->sent)
        print_line(stderr, "dropped a client that was idle");
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
    set_nodelay(fd);
    bufferevent_setcb(conn->bev, read_cb, write_cb, event_cb, conn);
    conn->check = event_new(server->base, -1, EV_PERSIST, progress_cb, conn);
    if (!conn->check || event_add(conn->check, &IDLE) < 0 ||
        !evbuffer_add_cb(
            bufferevent_get_output(conn->bev), count_added_cb, &conn->answered))
        conn_fail(conn, "watch");
    else if (conn_answer(conn) < 0 ||
             bufferevent_enable(conn->bev, EV_READ | EV_WRITE) < 0)
        conn_fail(conn, "queue the file for");
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

/* A file that cannot be opened is better reported now than to each client. */
static void check_file(const char *path)
{
    off_t size;
    int file = open_file(path, &size);

    if (file < 0)
        err(1, "cannot open %s", path);
    close(file);
}

int main(int argc, char **argv)
{
    open_standard_fds();
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        usage(0);
    if (argc == 2 || argc > 4 || (argc > 2 && parse_port(argv[2]) < 0))
        usage(2);
    signal(SIGPIPE, SIG_IGN); /* writing to a closed connection must fail */

    struct server server = {.base = event_base_new(),
        .path = argc == 4 ? argv[3] : "/proc/self/exe"};
    if (!server.base)
        errx(1, "cannot make an event base");
    LIST_INIT(&server.conns);
    check_file(server.path);
    server.listener = argc > 2 ? listen_on(&server, argv[1], argv[2])
                               : listen_on(&server, "127.0.0.1", "9995");
    return serve(&server);
}
