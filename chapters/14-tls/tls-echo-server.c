/* tls-echo-server.c -- sends every client its bytes back, over TLS.
 *
 * Build: cc -o tls-echo-server tls-echo-server.c \
 *        -levent_core -levent_openssl -lssl -lcrypto
 * Run:   ./tls-echo-server [-c CERT] [-k KEY] [ADDRESS PORT]
 *        (build/certificates/server.pem and .key, 127.0.0.1 8443)
 * Try:   make certificates; openssl s_client -connect 127.0.0.1:8443
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

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <event2/util.h>

static const struct timeval REST = {1, 0};       /* after accept has failed */
static const struct timeval HANDSHAKE = {10, 0}; /* for all of a handshake */
static const struct timeval IDLE = {60, 0};      /* without any progress */

/* Bytes of output that may wait for a slow client: reading stops above HIGH
 * and goes on below LOW. */
enum { HIGH = 256 * 1024, LOW = 64 * 1024 };

struct server {
    struct event_base *base;
    SSL_CTX *context; /* certificate, key and rules for all connections */
    struct evconnlistener *listener;
    struct event *rest_event; /* pending while no descriptor is left */
    LIST_HEAD(conn_list, conn) conns;
};

struct conn {
    struct server *server;
    struct bufferevent *bev; /* owns the SSL, and the fd */
    struct event *deadline;  /* of the handshake */
    struct event *room;      /* the socket has room for close_notify */
    bool ended;              /* the peer has sent all that it will */
    bool waiting;            /* reading stopped at HIGH */
    unsigned long arrived;   /* bytes at the peer at the last check */
    LIST_ENTRY(conn) next;
};

static void usage(int status)
{
    fprintf(status ? stderr : stdout,
        "usage: tls-echo-server [-c CERT] [-k KEY] [ADDRESS PORT]\n");
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
    if (conn->deadline)
        event_free(conn->deadline);
    if (conn->room)
        event_free(conn->room);
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

/* A client that reads slowly is not idle: bytes wait for it, and others have
 * arrived since the last check, as the kernel holds them no more (tcp(7)). */
static bool is_receiving(struct conn *conn)
{
    BIO *bio = SSL_get_wbio(bufferevent_openssl_get_ssl(conn->bev));
    unsigned long before = conn->arrived;
    int unsent = 0;

    ioctl(bufferevent_getfd(conn->bev), TIOCOUTQ, &unsent);
    conn->arrived = BIO_number_written(bio) - (unsigned)unsent;
    return unsent > 0 && conn->arrived > before;
}

/* Send close_notify, without which an attacker could have cut the connection,
 * and close. If the socket is full, this is called again when there is room. */
static void room_cb(evutil_socket_t fd, short what, void *arg)
{
    struct conn *conn = arg;
    SSL *ssl = bufferevent_openssl_get_ssl(conn->bev);

    ERR_clear_error(); /* SSL_get_error checks all queued errors */
    int result = SSL_shutdown(ssl);

    if (result < 0 && SSL_get_error(ssl, result) == SSL_ERROR_WANT_WRITE &&
        (!(what & EV_TIMEOUT) || is_receiving(conn)) &&
        event_add(conn->room, &IDLE) == 0)
        return;
    print_line(stdout, "client closed");
    conn_free(conn);
}

/* Send back all of the input. EV_WRITE is on; enabling it again fails if the
 * socket cannot be watched, which bufferevent_write_buffer does not report. */
static void read_cb(struct bufferevent *bev, void *arg)
{
    struct conn *conn = arg;

    if (bufferevent_write_buffer(bev, bufferevent_get_input(bev)) < 0 ||
        bufferevent_enable(bev, EV_WRITE) < 0) {
        conn_fail(conn, "queue an answer for");
        return;
    }
    if (evbuffer_get_length(bufferevent_get_output(bev)) > HIGH) {
        bufferevent_disable(bev, EV_READ);
        conn->waiting = true;
    }
}

/* The output has drained to LOW or below: read on, or end. */
static void write_cb(struct bufferevent *bev, void *arg)
{
    struct conn *conn = arg;

    if (conn->waiting && !conn->ended && bufferevent_enable(bev, EV_READ) < 0) {
        conn_fail(conn, "watch");
        return;
    }
    conn->waiting = false;
    if (conn->ended && evbuffer_get_length(bufferevent_get_output(bev)) == 0)
        room_cb(bufferevent_getfd(bev), 0, conn); /* all is answered */
}

/* The handshake is done: from now on the time between two bytes counts. */
static void conn_accepted(struct conn *conn)
{
    SSL *ssl = bufferevent_openssl_get_ssl(conn->bev);

    print_line(stdout, "client connected: %s, %s%s", SSL_get_version(ssl),
        SSL_get_cipher(ssl), SSL_session_reused(ssl) ? ", resumed" : "");
    if (event_del(conn->deadline) < 0 ||
        bufferevent_set_timeouts(conn->bev, &IDLE, &IDLE) < 0)
        conn_fail(conn, "watch");
}

/* The peer has sent close_notify, but still reads. libevent has stopped
 * writing too, and what is queued would never be sent. */
static void conn_half_closed(struct conn *conn)
{
    conn->ended = true;
    if (bufferevent_enable(conn->bev, EV_WRITE) < 0)
        conn_fail(conn, "watch");
    else
        write_cb(conn->bev, conn); /* if nothing is queued */
}

/* Why a connection has failed: OpenSSL's last error, if it has one, which is a
 * code of one of its libraries; or else ERROR, the socket's. */
static const char *tls_reason(struct bufferevent *bev, int error)
{
    unsigned long code = bufferevent_get_openssl_error(bev);

    if (ERR_GET_LIB(code) != 0 && ERR_reason_error_string(code))
        return ERR_reason_error_string(code);
    return evutil_socket_error_to_string(error ? error : ECONNRESET);
}

static void event_cb(struct bufferevent *bev, short what, void *arg)
{
    int error = EVUTIL_SOCKET_ERROR(); /* before a call can change it */
    struct conn *conn = arg;
    bool is_new = event_pending(conn->deadline, EV_TIMEOUT, NULL);

    if (what & BEV_EVENT_CONNECTED) {
        conn_accepted(conn);
    } else if ((what & BEV_EVENT_EOF) && !is_new) {
        conn_half_closed(conn);
    } else if (what & BEV_EVENT_TIMEOUT) { /* the time-out starts again */
        if (is_receiving(conn))
            return;
        print_line(stderr, "dropped a client that was idle");
        conn_free(conn);
    } else {
        print_line(stderr, "%s: %s",
            is_new ? "no handshake with a client" : "lost a client",
            what & BEV_EVENT_EOF ? "it has left" : tls_reason(bev, error));
        conn_free(conn);
    }
}

/* Time-outs of the bufferevent are not enough: each byte starts them again. */
static void deadline_cb(evutil_socket_t fd, short what, void *arg)
{
    print_line(stderr, "dropped a client: its handshake took too long");
    conn_free(arg);
}

/* With BEV_OPT_CLOSE_ON_FREE the bufferevent owns SSL, also if it cannot be
 * made. With BEV_OPT_DEFER_CALLBACKS read_cb always comes before event_cb. */
static void accept_cb(struct evconnlistener *listener, evutil_socket_t fd,
    struct sockaddr *address, int length, void *arg)
{
    struct server *server = arg;
    struct conn *conn = calloc(1, sizeof(*conn));
    SSL *ssl = SSL_new(server->context);

    if (conn && ssl)
        conn->bev = bufferevent_openssl_socket_new(server->base, fd, ssl,
            BUFFEREVENT_SSL_ACCEPTING,
            BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
    else
        SSL_free(ssl);
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
    bufferevent_setwatermark(conn->bev, EV_WRITE, LOW, 0);
    conn->deadline = evtimer_new(server->base, deadline_cb, conn);
    conn->room = event_new(server->base, fd, EV_WRITE, room_cb, conn);
    if (!conn->deadline || !conn->room ||
        event_add(conn->deadline, &HANDSHAKE) < 0 ||
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

/* A failure here is a mistake in a file: OpenSSL's first error gives the cause,
 * and the errors that follow it only where it was met. */
static void tls_check(int result, const char *what, const char *file)
{
    unsigned long code = ERR_peek_error();
    const char *reason = ERR_GET_LIB(code) == ERR_LIB_SYS
                             ? strerror(ERR_GET_REASON(code))
                             : ERR_reason_error_string(code);

    if (result != 1)
        errx(1, "cannot %s %s: %s", what, file, reason);
}

/* TLS 1.2 or later. A client may not ask for another handshake in the middle
 * of a connection, which costs us far more work than the client. */
static SSL_CTX *server_context(const char *certificate, const char *key)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());

    if (!context || !SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION))
        errx(1, "cannot make a TLS context");
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION);
    tls_check(SSL_CTX_use_certificate_chain_file(context, certificate),
        "use the certificate", certificate);
    tls_check(SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM),
        "use the key", key);
    return context;
}

/* A bufferevent that is freed while callbacks of it are put off
 * (BEV_OPT_DEFER_CALLBACKS) lives on until they have come to nothing, in a
 * round of the loop: event_base_free alone would leak it. */
static void free_base(struct event_base *base)
{
    do
        event_base_loop(base, EVLOOP_NONBLOCK);
    while (event_base_get_num_events(base, EVENT_BASE_COUNT_ACTIVE) > 0);
    event_base_free(base);
}

/* Serve clients until SIGINT or SIGTERM, free everything, return the status. */
static int serve_tls(struct server *server)
{
    struct event *interrupt =
        evsignal_new(server->base, SIGINT, signal_cb, server->base);
    struct event *terminate =
        evsignal_new(server->base, SIGTERM, signal_cb, server->base);

    server->rest_event =
        event_new(server->base, -1, EV_PERSIST, rest_cb, server);
    if (!server->rest_event || !interrupt || !terminate ||
        event_add(interrupt, NULL) < 0 || event_add(terminate, NULL) < 0)
        errx(1, "cannot add an event");
    print_ready(evconnlistener_get_fd(server->listener));
    int result = event_base_dispatch(server->base);

    while (!LIST_EMPTY(&server->conns))
        conn_free(LIST_FIRST(&server->conns));
    evconnlistener_free(server->listener);
    event_free(terminate);
    event_free(interrupt);
    event_free(server->rest_event);
    free_base(server->base);
    SSL_CTX_free(server->context); /* after the last connection */
    return result < 0 ? 1 : 0;
}

int main(int argc, char **argv)
{
    const char *certificate = "build/certificates/server.pem";
    const char *key = "build/certificates/server.key";

    open_standard_fds();
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        usage(0);
    opterr = 0; /* usage says it */
    for (int c; (c = getopt(argc, argv, "c:k:")) != -1;)
        if (c == 'c')
            certificate = optarg;
        else if (c == 'k')
            key = optarg;
        else
            usage(2);
    argv += optind;
    argc -= optind;
    if ((argc != 0 && argc != 2) || (argc == 2 && parse_port(argv[1]) < 0))
        usage(2);
    signal(SIGPIPE, SIG_IGN); /* writing to a closed connection must fail */

    struct server server = {
        .base = event_base_new(), .context = server_context(certificate, key)};
    if (!server.base)
        errx(1, "cannot make an event base");
    LIST_INIT(&server.conns);
    server.listener = argc == 2 ? listen_on(&server, argv[0], argv[1])
                                : listen_on(&server, "127.0.0.1", "8443");
    return serve_tls(&server);
}
