/* bare-tls.c -- the same work as tls-echo-server's, with epoll(7) and OpenSSL
 * alone: what scripts/bench holds it against.
 *
 * Build: cc -o bare-tls bare-tls.c -lssl -lcrypto
 * Run:   ./bare-tls CERT KEY ADDRESS PORT
 * Try:   make certificates; openssl s_client -connect 127.0.0.1:PORT
 *
 * The same rules of TLS, nonblocking sockets, TCP_NODELAY, and an answer that
 * the socket does not take is kept while its client waits. There are no time
 * limits, and no line is printed for a client.
 */
#define _GNU_SOURCE /* accept4 */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

enum { EVENTS = 1024, RECORD = SSL3_RT_MAX_PLAIN_LENGTH };

struct conn {
    int fd;
    SSL *ssl;
    unsigned events; /* what epoll watches, 0 at first */
    char *rest;      /* an answer that the socket did not take, or NULL */
    int length;
};

static int epoll;

static void watch(struct conn *conn, unsigned events)
{
    struct epoll_event event = {.events = events, .data.ptr = conn};
    int operation = conn->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

    if (conn->events == events)
        return;
    if (epoll_ctl(epoll, operation, conn->fd, &event) != 0)
        err(1, "epoll_ctl");
    conn->events = events;
}

/* Closing takes it out of the epoll set, too. */
static void conn_free(struct conn *conn)
{
    SSL_free(conn->ssl);
    close(conn->fd);
    free(conn->rest);
    free(conn);
}

/* A call of OpenSSL's returned RESULT: wait for the socket, or close. After
 * the peer's close_notify everything is answered, for conn_read is called only
 * when no answer waits. */
static void conn_wait(struct conn *conn, int result)
{
    switch (SSL_get_error(conn->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        watch(conn, EPOLLIN);
        return;
    case SSL_ERROR_WANT_WRITE:
        watch(conn, EPOLLOUT);
        return;
    case SSL_ERROR_ZERO_RETURN:
        SSL_shutdown(conn->ssl);
    }
    conn_free(conn);
}

/* SSL_read makes the handshake first. Then it gives a whole record and holds
 * nothing back, so epoll reports whatever there is after it. */
static void conn_read(struct conn *conn)
{
    static char record[RECORD];
    int length, sent;

    ERR_clear_error(); /* SSL_get_error looks into the queue */
    length = SSL_read(conn->ssl, record, sizeof(record));
    if (length <= 0) {
        conn_wait(conn, length);
        return;
    }
    sent = SSL_write(conn->ssl, record, length);
    if (sent > 0)
        return;
    conn->rest = malloc((size_t)length);
    if (!conn->rest)
        err(1, "malloc");
    memcpy(conn->rest, record, (size_t)length);
    conn->length = length;
    conn_wait(conn, sent);
}

static void conn_write(struct conn *conn)
{
    int sent;

    ERR_clear_error();
    sent = SSL_write(conn->ssl, conn->rest, conn->length);
    if (sent <= 0) {
        conn_wait(conn, sent);
        return;
    }
    free(conn->rest);
    conn->rest = NULL;
    watch(conn, EPOLLIN);
}

static void conn_accept(int listener, SSL_CTX *context)
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
    conn->ssl = SSL_new(context);
    if (!conn->ssl || !SSL_set_fd(conn->ssl, fd))
        errx(1, "cannot make an SSL");
    SSL_set_accept_state(conn->ssl);
    watch(conn, EPOLLIN);
}

/* As in tls-echo-server, and the mode that libevent sets for it: the rest of
 * an answer lies elsewhere when it is written again. */
static SSL_CTX *server_context(const char *certificate, const char *key)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());

    if (!context || !SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION))
        errx(1, "cannot make a TLS context");
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(context, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
        errx(1, "cannot use %s and %s", certificate, key);
    return context;
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
    SSL_CTX *context;

    if (argc != 5) {
        fprintf(stderr, "usage: bare-tls CERT KEY ADDRESS PORT\n");
        exit(2);
    }
    signal(SIGPIPE, SIG_IGN); /* OpenSSL writes with write(2) */
    context = server_context(argv[1], argv[2]);
    epoll = epoll_create1(0);
    if (epoll < 0)
        err(1, "epoll_create1");
    listener.fd = listen_on(argv[3], argv[4]);
    watch(&listener, EPOLLIN);
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS, -1);

        for (int i = 0; i < count; i++) {
            struct conn *conn = events[i].data.ptr;

            if (conn == &listener)
                conn_accept(listener.fd, context);
            else if (conn->rest)
                conn_write(conn);
            else
                conn_read(conn);
        }
    }
}
