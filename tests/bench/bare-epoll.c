/* bare-epoll.c -- the same work as the echo server's and the uppercase
 * server's, with epoll(7) alone: what scripts/bench holds them against.
 *
 * Build: cc -o bare-epoll bare-epoll.c
 * Run:   ./bare-epoll echo|edge|upper ADDRESS PORT
 * Try:   echo hello | nc -N 127.0.0.1 PORT
 *
 * It does no less than they do: nonblocking sockets, TCP_NODELAY, and an answer
 * that the socket does not take is kept while its client waits. "edge" echoes
 * edge triggered, as backend-echo -e.
 */
#define _GNU_SOURCE /* accept4 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 1024, CHUNK = 65536 };

struct conn {
    int fd;
    char *rest; /* of an answer that the socket did not take, or NULL */
    size_t length, sent;
};

static int epoll, upper, edges;

static void watch(struct conn *conn, int operation, unsigned events)
{
    struct epoll_event event = {.events = events, .data.ptr = conn};

    if (epoll_ctl(epoll, operation, conn->fd, &event) != 0)
        err(1, "epoll_ctl");
}

/* Closing takes it out of the epoll set, too. */
static void conn_free(struct conn *conn)
{
    close(conn->fd);
    free(conn->rest);
    free(conn);
}

static void make_upper(unsigned char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = bytes[i];

        bytes[i] = c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c;
    }
}

/* Returns whether there may be more to read. */
static int conn_read(struct conn *conn)
{
    static char chunk[CHUNK];
    ssize_t length = recv(conn->fd, chunk, sizeof(chunk), 0), sent;

    if (length < 0 && errno == EAGAIN)
        return 0;
    if (length <= 0) {
        conn_free(conn);
        return 0;
    }
    if (upper)
        make_upper((unsigned char *)chunk, (size_t)length);
    sent = send(conn->fd, chunk, (size_t)length, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) {
        conn_free(conn);
        return 0;
    }
    if (sent < 0)
        sent = 0;
    if (sent == length)
        return 1;
    conn->length = (size_t)(length - sent);
    conn->sent = 0;
    conn->rest = malloc(conn->length);
    if (!conn->rest)
        err(1, "malloc");
    memcpy(conn->rest, chunk + sent, conn->length);
    if (!edges)
        watch(conn, EPOLL_CTL_MOD, EPOLLOUT);
    return 0;
}

/* Returns whether all is sent. */
static int conn_write(struct conn *conn)
{
    ssize_t sent = send(conn->fd, conn->rest + conn->sent,
        conn->length - conn->sent, MSG_NOSIGNAL);

    if (sent < 0 && errno != EAGAIN) {
        conn_free(conn);
        return 0;
    }
    if (sent > 0)
        conn->sent += (size_t)sent;
    if (conn->sent < conn->length)
        return 0;
    free(conn->rest);
    conn->rest = NULL;
    if (!edges)
        watch(conn, EPOLL_CTL_MOD, EPOLLIN);
    return 1;
}

/* Read and write until neither is possible. The rest has its turn when all is
 * done: nothing here limits how long that is. */
static void conn_edge(struct conn *conn)
{
    if (conn->rest && !conn_write(conn))
        return;
    while (conn_read(conn))
        ;
}

static void conn_accept(int listener)
{
    int on = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    struct conn *conn;

    if (fd < 0)
        return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    conn = calloc(1, sizeof(*conn));
    if (!conn)
        err(1, "calloc");
    conn->fd = fd;
    watch(conn, EPOLL_CTL_ADD, edges ? EPOLLIN | EPOLLOUT | EPOLLET : EPOLLIN);
}

static int listen_on(const char *address, const char *port)
{
    struct sockaddr_in name = {
        .sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(port))};
    socklen_t length = sizeof(name);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    if (inet_pton(AF_INET, address, &name.sin_addr) != 1)
        errx(1, "no address: %s", address);
    if (fd < 0 || bind(fd, (struct sockaddr *)&name, sizeof(name)) != 0 ||
        listen(fd, 1024) != 0 ||
        getsockname(fd, (struct sockaddr *)&name, &length) != 0)
        err(1, "cannot listen on %s port %s", address, port);
    printf("listening on %s port %d\n", address, ntohs(name.sin_port));
    fflush(stdout);
    return fd;
}

int main(int argc, char **argv)
{
    static struct epoll_event events[EVENTS];
    struct conn listener = {0};

    if (argc != 4) {
        fprintf(stderr, "usage: bare-epoll echo|edge|upper ADDRESS PORT\n");
        exit(2);
    }
    upper = strcmp(argv[1], "upper") == 0;
    edges = strcmp(argv[1], "edge") == 0;
    epoll = epoll_create1(0);
    if (epoll < 0)
        err(1, "epoll_create1");
    listener.fd = listen_on(argv[2], argv[3]);
    watch(&listener, EPOLL_CTL_ADD, EPOLLIN);
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS, -1);

        for (int i = 0; i < count; i++) {
            struct conn *conn = events[i].data.ptr;

            if (conn == &listener)
                conn_accept(listener.fd);
            else if (edges)
                conn_edge(conn);
            else if (conn->rest)
                conn_write(conn);
            else
                conn_read(conn);
        }
    }
}
