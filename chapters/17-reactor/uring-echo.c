/* uring-echo.c -- an echo server on io_uring: it asks the kernel for work, and
 * is told when the work is done.
 *
 * Build: cc -o uring-echo uring-echo.c -luring -levent_core
 * Run:   ./uring-echo [ADDRESS PORT]     (127.0.0.1 8888)
 * Try:   nc 127.0.0.1 8888
 *
 * For Linux 6.1 or later. From libevent it has only the helpers for addresses
 * and sockets. Exit status 3: io_uring is forbidden or missing.
 */
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
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
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/util.h>

enum { ENTRIES = 1024, CHUNK = 65536, REST = 1, FORBIDDEN = 3 };

/* Something that the kernel was asked to do. RESULT is what the system call
 * would have returned, or a negative errno. */
struct request {
    void (*done_cb)(struct request *request, int result);
};

/* One request of it is under way at any time: to send, if a part of the chunk
 * is not sent yet, or to receive. */
struct conn {
    struct request request; /* first: its address is the conn's */
    int fd;                 /* ours: conn_free closes it */
    int length, sent;       /* of the chunk */
    char chunk[CHUNK];      /* the kernel's while a request is under way */
};

struct server {
    struct io_uring ring;
    int listener, signals;
    struct request accept, rest, signal;
    bool accepting, resting; /* the request is under way */
    bool told;               /* that accepting fails */
    bool ending;             /* ask for nothing more */
    unsigned under_way;      /* requests */
};

static struct server server;

static void usage(int status)
{
    fprintf(status ? stderr : stdout, "usage: uring-echo [ADDRESS PORT]\n");
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

/* A socket that never blocks, on HOST and PORT. Connections accepted on it ask
 * now and then whether a silent peer still exists: SO_KEEPALIVE is inherited.
 */
static evutil_socket_t bind_socket(const char *host, const char *port)
{
    struct evutil_addrinfo *address = resolve(host, port);
    evutil_socket_t fd = socket(address->ai_family, SOCK_STREAM, 0);
    int on = 1;

    if (fd < 0 || evutil_make_socket_nonblocking(fd) < 0 ||
        evutil_make_socket_closeonexec(fd) < 0 ||
        evutil_make_listen_socket_reuseable(fd) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)) != 0)
        err(1, "cannot make a socket");
    if (bind(fd, address->ai_addr, (socklen_t)address->ai_addrlen) != 0)
        err(1, "cannot listen on %s port %s", host, port);
    evutil_freeaddrinfo(address);
    return fd;
}

/* An entry of the submission queue, to be filled in. There is one: see main.
 * The kernel sees it at the next system call, together with others. */
static struct io_uring_sqe *new_entry(struct request *request)
{
    struct io_uring_sqe *entry = io_uring_get_sqe(&server.ring);

    if (!entry)
        errx(1, "the submission queue is full");
    io_uring_sqe_set_data(entry, request);
    server.under_way++;
    return entry;
}

static void accept_next(void)
{
    if (server.accepting || server.ending)
        return;
    server.accepting = true;
    io_uring_prep_accept(
        new_entry(&server.accept), server.listener, NULL, NULL, SOCK_CLOEXEC);
}

/* Nothing is received until all is sent: a peer that does not read fills its
 * own buffers and waits, which bounds our memory. */
static void conn_continue(struct conn *conn)
{
    struct io_uring_sqe *entry = new_entry(&conn->request);

    if (conn->sent < conn->length)
        io_uring_prep_send(entry, conn->fd, conn->chunk + conn->sent,
            (size_t)(conn->length - conn->sent), MSG_NOSIGNAL);
    else
        io_uring_prep_recv(entry, conn->fd, conn->chunk, CHUNK, 0);
}

/* Once its request is done, and not before: the kernel would write into freed
 * memory. Then a descriptor is free, and a client may be waiting for it. */
static void conn_free(struct conn *conn)
{
    close(conn->fd);
    free(conn);
    accept_next();
}

/* A failure costs this client only. As send(2), a request to send can end with
 * less than it was asked for. */
static void conn_cb(struct request *request, int result)
{
    struct conn *conn = (struct conn *)request;
    bool sends = conn->sent < conn->length;

    if (result == 0)
        print_line(stdout, "client closed");
    else if (result < 0 && !server.ending)
        print_line(stderr, "cannot %s a client: %s",
            sends ? "write to" : "read from", strerror(-result));
    if (result <= 0 || server.ending) {
        conn_free(conn);
        return;
    }
    conn->sent = sends ? conn->sent + result : 0;
    conn->length = sends ? conn->length : result;
    conn_continue(conn);
}

static void pause_over_cb(struct request *request, int result)
{
    server.resting = false;
    accept_next();
}

/* With no descriptor left, accepting would fail again and again, even if no
 * client is waiting. So it pauses until conn_free has closed a descriptor, or
 * for a second. */
static void pause_accept(int error)
{
    static struct __kernel_timespec rest = {REST, 0};

    if (!server.told)
        print_line(stderr, "cannot accept, trying again in a second: %s",
            strerror(error));
    server.told = true;
    if (!server.resting)
        io_uring_prep_timeout(new_entry(&server.rest), &rest, 0, 0);
    server.resting = true;
}

static void accept_cb(struct request *request, int fd)
{
    struct conn *conn =
        fd >= 0 && !server.ending ? malloc(sizeof(*conn)) : NULL;

    server.accepting = false;
    if (conn) {
        conn->request.done_cb = conn_cb;
        conn->fd = fd;
        conn->length = conn->sent = 0;
        conn_continue(conn);
        server.told = false;
    } else if (fd >= 0) {
        if (!server.ending)
            print_line(stderr, "cannot serve a client: %s", strerror(errno));
        close(fd);
    } else if (!server.ending) {
        pause_accept(-fd);
        return;
    }
    accept_next();
}

/* The first time it is a signal: cancel all that is under way. Each connection
 * is freed when its request is done. The second time the cancelling is done. */
static void signal_cb(struct request *request, int result)
{
    if (!server.ending)
        io_uring_prep_cancel64(new_entry(request), 0,
            IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL);
    server.ending = true;
}

static void watch_signals(void)
{
    static struct signalfd_siginfo info; /* the kernel writes into it later */
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    server.signals = signalfd(-1, &set, SFD_CLOEXEC);
    if (server.signals < 0)
        err(1, "cannot watch signals");
    io_uring_prep_read(
        new_entry(&server.signal), server.signals, &info, sizeof(info), 0);
}

static void open_ring(void)
{
    int error = -io_uring_queue_init(ENTRIES, &server.ring,
        IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);

    if (error == EPERM || error == EACCES || error == ENOSYS)
        errx(FORBIDDEN, "cannot use io_uring here: %s", strerror(error));
    if (error)
        errx(1, "cannot make a ring: %s", strerror(error));
    server.accept.done_cb = accept_cb;
    server.rest.done_cb = pause_over_cb;
    server.signal.done_cb = signal_cb;
}

int main(int argc, char **argv)
{
    open_standard_fds();
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        usage(0);
    if ((argc != 1 && argc != 3) || (argc == 3 && parse_port(argv[2]) < 0))
        usage(2);
    open_ring();
    server.listener = argc == 3 ? bind_socket(argv[1], argv[2])
                                : bind_socket("127.0.0.1", "8888");
    set_nodelay(server.listener); /* what is accepted inherits it */
    /* On a nonblocking socket, some kernels say EAGAIN rather than wait. */
    if (fcntl(server.listener, F_SETFL, 0) != 0 ||
        listen(server.listener, SOMAXCONN) != 0)
        err(1, "cannot listen");
    watch_signals();
    accept_next();
    print_ready(server.listener);

    /* A callback takes two entries at most. */
    while (server.under_way > 0) {
        int result = io_uring_submit_and_wait(&server.ring, 1);
        struct io_uring_cqe *completion;

        if (result < 0 && result != -EINTR && result != -EAGAIN &&
            result != -EBUSY)
            errx(1, "cannot wait for completions: %s", strerror(-result));
        while (io_uring_sq_space_left(&server.ring) >= 2 &&
               io_uring_peek_cqe(&server.ring, &completion) == 0) {
            struct request *request = io_uring_cqe_get_data(completion);
            result = completion->res;
            io_uring_cqe_seen(&server.ring, completion);
            server.under_way--;
            request->done_cb(request, result);
        }
    }
    io_uring_queue_exit(&server.ring);
    close(server.signals);
    close(server.listener);
    return 0;
}
