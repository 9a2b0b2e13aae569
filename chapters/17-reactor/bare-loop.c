/* bare-loop.c -- an echo server: a loop around epoll_wait, and nothing else.
 *
 * Build: cc -o bare-loop bare-loop.c
 * Run:   ./bare-loop [ADDRESS PORT]     (127.0.0.1 8888)
 * Try:   nc 127.0.0.1 8888, in three terminals: one has to leave
 */
#define _GNU_SOURCE /* accept4 */
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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

/* Places for clients: few, so that you can fill them by hand. */
enum { PLACES = 2, READY = 64, REST = 100 /* milliseconds */ };

/* A descriptor that the loop watches: epoll keeps a pointer to this. */
struct event {
    int fd;
    void (*callback)(int fd, void *arg); /* NULL: deleted */
    void *arg;
};

struct conn {
    struct event event;
    char bytes[65536];
    size_t length, sent; /* of them: what was read, and has been sent back */
    TAILQ_ENTRY(conn) next;
};

TAILQ_HEAD(conn_list, conn);

static int epoll, conn_count;
static struct conn_list conns = TAILQ_HEAD_INITIALIZER(conns);
static struct conn_list deleted = TAILQ_HEAD_INITIALIZER(deleted);

static void usage(int status)
{
    fprintf(status ? stderr : stdout, "usage: bare-loop [ADDRESS PORT]\n");
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

/* A descriptor has one event: OPERATION is EPOLL_CTL_ADD once, and from then on
 * EPOLL_CTL_MOD. */
static int watch_event(struct event *ev, int operation, uint32_t events,
    void (*callback)(int fd, void *arg))
{
    struct epoll_event epev = {.events = events, .data.ptr = ev};

    ev->callback = callback;
    return epoll_ctl(epoll, operation, ev->fd, &epev);
}

/* Closing takes the descriptor out of epoll. But the event may be further on in
 * this batch: its memory stays until the batch is done. */
static void conn_free(struct conn *conn)
{
    close(conn->event.fd);
    conn->event.callback = NULL;
    conn_count--;
    TAILQ_REMOVE(&conns, conn, next);
    TAILQ_INSERT_TAIL(&deleted, conn, next);
}

/* A failure for one client must not end the server. */
static void fail_conn(struct conn *conn, const char *what)
{
    print_line(stderr, "cannot %s a client: %s", what, strerror(errno));
    conn_free(conn);
}

static void read_cb(int fd, void *arg);

/* Send what was read. A descriptor has one callback: nothing is read until all
 * is sent, which bounds our memory. */
static void write_cb(int fd, void *arg)
{
    struct conn *conn = arg;
    ssize_t sent =
        send(fd, conn->bytes + conn->sent, conn->length - conn->sent, 0);
    int is_reading = conn->event.callback == read_cb, is_sent;

    if (sent < 0 && errno != EAGAIN) {
        fail_conn(conn, "write to");
        return;
    }
    conn->sent += sent > 0 ? (size_t)sent : 0;
    is_sent = conn->sent == conn->length;
    if (is_sent != is_reading &&
        watch_event(&conn->event, EPOLL_CTL_MOD, is_sent ? EPOLLIN : EPOLLOUT,
            is_sent ? read_cb : write_cb) < 0)
        fail_conn(conn, "watch");
}

static void read_cb(int fd, void *arg)
{
    struct conn *conn = arg;
    ssize_t length = recv(fd, conn->bytes, sizeof(conn->bytes), 0);

    if (length > 0) {
        conn->length = (size_t)length;
        conn->sent = 0;
        write_cb(fd, conn);
    } else if (length == 0) {
        conn_free(conn);
    } else if (errno != EAGAIN) {
        fail_conn(conn, "read from");
    }
}

static void conn_new(int fd)
{
    struct conn *conn = calloc(1, sizeof(*conn));
    int on = 1;

    if (!conn) {
        print_line(stderr, "cannot serve a client: %s", strerror(errno));
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* or slower */
    conn->event.fd = fd;
    conn->event.arg = conn;
    conn_count++;
    TAILQ_INSERT_TAIL(&conns, conn, next);
    if (watch_event(&conn->event, EPOLL_CTL_ADD, EPOLLIN, read_cb) < 0)
        fail_conn(conn, "serve");
}

/* A new client takes the place of the oldest one. So it is without a
 * descriptor: the listener would stay ready, and the loop spin. If there is no
 * client, nobody minds that we sleep. */
static void accept_cb(int listener, void *arg)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0 && (errno == EAGAIN || errno == ECONNABORTED))
        return;
    if (fd < 0)
        print_line(stderr, "cannot accept: %s", strerror(errno));
    if (conn_count == PLACES || (fd < 0 && conn_count > 0)) {
        print_line(stdout, "the oldest client gives up its place");
        conn_free(TAILQ_FIRST(&conns));
    } else if (fd < 0) {
        poll(NULL, 0, REST);
    }
    if (fd >= 0)
        conn_new(fd);
}

/* Wait once, and call what is ready. */
static void run_batch(void)
{
    struct epoll_event ready[READY];
    struct conn *conn;
    int count = epoll_wait(epoll, ready, READY, -1);

    if (count < 0 && errno != EINTR)
        err(1, "epoll_wait");
    for (int i = 0; i < count; i++) {
        struct event *ev = ready[i].data.ptr;

        if (ev->callback) /* no callback of this batch has deleted it */
            ev->callback(ev->fd, ev->arg);
    }
    while ((conn = TAILQ_FIRST(&deleted))) {
        TAILQ_REMOVE(&deleted, conn, next);
        free(conn);
    }
}

/* A socket that listens and never blocks; says where, since given port 0, only
 * the kernel knows. */
static int listen_at_address(const char *host, const char *port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
    struct sockaddr_storage name;
    socklen_t length = sizeof(name);
    char numbers[2][NI_MAXHOST];
    int error = getaddrinfo(host, port, &hints, &list), on = 1, fd;

    if (error)
        errx(1, "cannot resolve %s: %s", host, gai_strerror(error));
    fd = socket(list->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
        err(1, "cannot make a socket");
    if (bind(fd, list->ai_addr, list->ai_addrlen) < 0 ||
        listen(fd, SOMAXCONN) < 0 ||
        getsockname(fd, (struct sockaddr *)&name, &length) < 0)
        err(1, "cannot listen on %s port %s", host, port);
    freeaddrinfo(list);
    if (getnameinfo((struct sockaddr *)&name, length, numbers[0], NI_MAXHOST,
            numbers[1], NI_MAXHOST, NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        errx(1, "cannot read the listening address");
    print_line(stdout, "listening on %s port %s", numbers[0], numbers[1]);
    return fd;
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

    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0)
        err(1, "cannot open epoll");
    struct event listener = {
        .fd = argc == 3 ? listen_at_address(argv[1], argv[2])
                        : listen_at_address("127.0.0.1", "8888")};
    if (watch_event(&listener, EPOLL_CTL_ADD, EPOLLIN, accept_cb) < 0)
        err(1, "cannot watch the listener");
    for (;;) /* until a signal kills it: see signal-pipe.c */
        run_batch();
}
