/* tls-load.c -- makes TLS connections to an echo server, or sends messages on
 * some that it keeps, and prints how many a second; for the rows of
 * scripts/bench about TLS.
 *
 * Build: cc -o tls-load tls-load.c -lssl -lcrypto
 * Run:   ./tls-load new|64K CONNECTIONS SECONDS SERVER-PID ADDRESS PORT
 *
 * new: connect, handshake, 64 bytes and their echo, close_notify both ways, and
 * the server's FIN are one request. 64K: a message of 64 KiB and its echo are
 * one. An answer that differs in a byte, or an end without close_notify, ends
 * the program with an error.
 *
 * A line of JSON, as load-gen's: requests, requests a second, and microseconds
 * of the server's processor for each.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

enum { MOST = 100, LONGEST = 65536, TEXTS = 1000 };

struct client {
    SSL *ssl;
    const char *text; /* the message */
    size_t sent, got; /* bytes of it, and of its echo */
};

static struct sockaddr_in server;
static SSL_CTX *context;
static bool keep; /* the connections */
static size_t size;

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Seconds of the processor that a process has used, see clock_getcpuclockid(3).
 */
static double used_by(const char *pid)
{
    clockid_t clock;
    struct timespec time;

    if (clock_getcpuclockid(atoi(pid), &clock) != 0 ||
        clock_gettime(clock, &time) != 0)
        errx(1, "cannot read the clock of process %s", pid);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Each message begins elsewhere in the same bytes, so that the echo of another
 * one is wrong. */
static void next_message(struct client *client)
{
    static char bytes[LONGEST + TEXTS];
    static size_t start;

    if (!bytes[0])
        for (size_t i = 0; i < sizeof(bytes); i++)
            bytes[i] = (char)(1 + rand() % 255);
    client->text = bytes + start++ % TEXTS;
    client->sent = client->got = 0;
}

static void open_connection(struct client *client, struct pollfd *socket_)
{
    int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || connect(fd, (struct sockaddr *)&server, sizeof(server)) != 0)
        err(1, "cannot connect");
    if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)
        err(1, "cannot set up a socket");
    client->ssl = SSL_new(context);
    if (!client->ssl || !SSL_set_fd(client->ssl, fd))
        errx(1, "cannot make an SSL");
    SSL_set_connect_state(client->ssl);
    next_message(client);
    socket_->fd = fd;
    socket_->events = POLLOUT;
}

/* What to wait for after a call of OpenSSL's has returned RESULT. */
static short wanted(struct client *client, int result)
{
    int error = SSL_get_error(client->ssl, result);
    const char *reason = ERR_reason_error_string(ERR_peek_error());

    if (error == SSL_ERROR_WANT_READ)
        return POLLIN;
    if (error == SSL_ERROR_WANT_WRITE)
        return POLLOUT;
    errx(1, "a connection failed: %s", reason ? reason : "closed");
}

/* Send and receive as much as the socket takes and has; SSL_write makes the
 * handshake first. Returns what to wait for, or 0 if the echo is complete. */
static short exchange(struct client *client)
{
    static char echo[LONGEST];
    short events = 0;

    while (client->sent < size && !events) {
        int length = SSL_write(client->ssl, client->text + client->sent,
            (int)(size - client->sent));

        if (length > 0)
            client->sent += (size_t)length;
        else
            events = wanted(client, length);
    }
    while (client->got < size) {
        int length = SSL_read(client->ssl, echo, (int)(size - client->got));

        if (length <= 0)
            return events | wanted(client, length);
        if (memcmp(echo, client->text + client->got, (size_t)length) != 0)
            errx(1, "an answer is not what was sent");
        client->got += (size_t)length;
    }
    return events;
}

/* Say close_notify, and read the server's and its FIN, so that the server's
 * side keeps the port in TIME_WAIT and ours is free for the next connection.
 * Returns what to wait for, or 0 if both have come. */
static short finish(struct client *client, int fd)
{
    int result = SSL_shutdown(client->ssl); /* 0: ours is sent */
    char byte;
    ssize_t got;

    if (result == 0)
        result = SSL_shutdown(client->ssl);
    if (result != 1)
        return wanted(client, result);
    got = recv(fd, &byte, 1, 0);
    if (got < 0 && errno == EAGAIN)
        return POLLIN;
    if (got != 0)
        errx(1, "something came behind the server's close_notify");
    return 0;
}

/* Go on with a client whose socket is ready. Returns if a request has ended
 * with it. */
static bool step(struct client *client, struct pollfd *socket_)
{
    ERR_clear_error(); /* SSL_get_error looks into the queue */
    socket_->events = exchange(client);
    if (socket_->events == 0 && !keep)
        socket_->events = finish(client, socket_->fd);
    if (socket_->events != 0)
        return false;
    if (keep) {
        next_message(client);
        socket_->events = POLLOUT;
    } else {
        SSL_free(client->ssl);
        close(socket_->fd);
        open_connection(client, socket_);
    }
    return true;
}

static long run(
    struct client *clients, struct pollfd *sockets, nfds_t count, double until)
{
    long ended = 0;

    while (now() < until) {
        if (poll(sockets, count, 100) < 0)
            err(1, "poll");
        for (nfds_t i = 0; i < count; i++)
            if (sockets[i].revents)
                ended += step(&clients[i], &sockets[i]);
    }
    return ended;
}

/* Each handshake has to be a whole one: no session is kept to be resumed. The
 * certificate is not checked, which says nothing about the server's speed. */
static SSL_CTX *client_context(void)
{
    SSL_CTX *made = SSL_CTX_new(TLS_client_method());

    if (!made || !SSL_CTX_set_min_proto_version(made, TLS1_3_VERSION))
        errx(1, "cannot make a TLS context");
    SSL_CTX_set_session_cache_mode(made, SSL_SESS_CACHE_OFF);
    return made;
}

int main(int argc, char **argv)
{
    static struct client clients[MOST];
    static struct pollfd sockets[MOST];
    nfds_t count = argc == 7 ? (nfds_t)atoi(argv[2]) : 0;
    double span, began, used, took;
    long ended;

    if (count < 1 || count > MOST) {
        fprintf(stderr, "usage: tls-load new|64K CONNECTIONS SECONDS "
                        "SERVER-PID ADDRESS PORT\n");
        exit(2);
    }
    keep = strcmp(argv[1], "64K") == 0;
    size = keep ? LONGEST : 64;
    span = atof(argv[3]);
    server.sin_family = AF_INET;
    server.sin_port = htons((unsigned short)atoi(argv[6]));
    if (inet_pton(AF_INET, argv[5], &server.sin_addr) != 1)
        errx(1, "no address: %s", argv[5]);
    signal(SIGPIPE, SIG_IGN); /* OpenSSL writes with write(2) */
    context = client_context();
    for (nfds_t i = 0; i < count; i++)
        open_connection(&clients[i], &sockets[i]);
    run(clients, sockets, count, now() + span / 2);
    used = used_by(argv[4]);
    began = now();
    ended = run(clients, sockets, count, began + span);
    took = now() - began;
    used = used_by(argv[4]) - used;
    printf("{\"requests\": %ld, \"requests_per_second\": %.1f, "
           "\"server_us_per_request\": %.3f}\n",
        ended, (double)ended / took,
        ended > 0 ? used * 1e6 / (double)ended : 0);
    return ended > 0 ? 0 : 1;
}
