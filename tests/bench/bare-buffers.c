/* bare-buffers.c -- the same work as line-reader's and file-server's, with
 * epoll(7) and sendfile(2) alone: what scripts/bench holds them against.
 *
 * Build: cc -o bare-buffers bare-buffers.c
 * Run:   ./bare-buffers line|FILE ADDRESS PORT
 * Try:   echo hello | nc -N 127.0.0.1 PORT
 *
 * It does as much for each line and each file; a client of lines that does not
 * read its answers is dropped.
 */
#define _GNU_SOURCE /* accept4 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EVENTS = 1024, CHUNK = 16384, LIMIT = 1000 };

struct conn {
    int fd, file;
    off_t sent, size; /* of the file */
    size_t length;    /* of the part of a line that has arrived */
    char line[CHUNK];
};

static int epoll;
static const char *path; /* NULL: lines */

static void watch(struct conn *conn, int operation, unsigned events)
{
    struct epoll_event event = {.events = events, .data.ptr = conn};

    if (epoll_ctl(epoll, operation, conn->fd, &event) != 0)
        err(1, "epoll_ctl");
}

static void conn_free(struct conn *conn)
{
    close(conn->fd);
    if (conn->file >= 0)
        close(conn->file);
    free(conn);
}

/* All answers to what one read has brought go out by one send. */
static void conn_lines(struct conn *conn)
{
    static char answers[2 * CHUNK];
    char *line = conn->line, *end, *out = answers;
    ssize_t got = recv(
        conn->fd, line + conn->length, sizeof(conn->line) - conn->length, 0);
    size_t left = conn->length + (size_t)(got > 0 ? got : 0);

    if (got < 0 && errno == EAGAIN)
        return;
    while (got > 0 && (end = memchr(line, '\n', left))) {
        size_t length = (size_t)(end - line);

        out += sprintf(out, "%zu ", length);
        memcpy(out, line, length + 1);
        out += length + 1;
        left -= length + 1;
        line = end + 1;
    }
    if (got <= 0 || left > LIMIT ||
        send(conn->fd, answers, (size_t)(out - answers), MSG_NOSIGNAL) !=
            out - answers) {
        conn_free(conn);
        return;
    }
    memmove(conn->line, line, left);
    conn->length = left;
}

static void conn_file(struct conn *conn)
{
    ssize_t sent = sendfile(
        conn->fd, conn->file, &conn->sent, (size_t)(conn->size - conn->sent));

    if ((sent < 0 && errno != EAGAIN) || sent == 0 || conn->sent == conn->size)
        conn_free(conn);
}

static void conn_start(struct conn *conn)
{
    struct stat status;
    char header[64];
    int length;

    conn->file = open(path, O_RDONLY);
    if (conn->file < 0 || fstat(conn->file, &status) != 0)
        err(1, "%s", path);
    conn->size = status.st_size;
    length = snprintf(
        header, sizeof(header), "length %lld\n", (long long)conn->size);
    if (send(conn->fd, header, (size_t)length, MSG_NOSIGNAL) != length)
        err(1, "send");
    watch(conn, EPOLL_CTL_ADD, EPOLLOUT);
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
    conn->file = -1;
    if (path)
        conn_start(conn);
    else
        watch(conn, EPOLL_CTL_ADD, EPOLLIN);
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
    static struct conn listener;

    if (argc != 4) {
        fprintf(stderr, "usage: bare-buffers line|FILE ADDRESS PORT\n");
        exit(2);
    }
    path = strcmp(argv[1], "line") == 0 ? NULL : argv[1];
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
            else if (path)
                conn_file(conn);
            else
                conn_lines(conn);
        }
    }
}
