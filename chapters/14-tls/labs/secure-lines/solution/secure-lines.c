/* Starter and solution in one: look once you have passed (make compare-NN). */
/* secure-lines.c -- answers lines in upper case, over TLS.
 *
 * Build: cc -o secure-lines secure-lines.c \
 *        -levent_core -levent_openssl -lssl -lcrypto
 * Run:   ./secure-lines CERTIFICATE KEY [PORT]    (8443, on 127.0.0.1)
 * Try:   openssl s_client -quiet -connect 127.0.0.1:8443
 */
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <event2/util.h>

#ifdef SOLUTION
static const struct timeval HANDSHAKE = {10, 0};

#endif
/* Bytes of output that may wait for a slow client: reading stops above HIGH
 * and goes on below LOW. SEND_BUFFER more wait in the kernel. A line longer
 * than LONGEST is answered in parts. */
enum { HIGH = 1 << 20, LOW = 1 << 18, SEND_BUFFER = 65536, LONGEST = 65536 };

struct server {
    struct event_base *base;
    SSL_CTX *context; /* what all connections share */
    LIST_HEAD(conn_list, conn) conns;
};

struct conn {
    struct server *server;
    struct bufferevent *bev; /* owns the fd */
    bool ended;              /* the client sends no more, but still reads */
#ifdef SOLUTION
    struct event *deadline; /* of the handshake; not pending afterwards */
    struct event *room;     /* the socket has room for close_notify */
#endif
    LIST_ENTRY(conn) next;
};

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

/* Say where FD listens: given port 0, only the kernel knows. */
static void print_ready(evutil_socket_t fd)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    char host[NI_MAXHOST], port[NI_MAXSERV];

    if (getsockname(fd, (struct sockaddr *)&address, &length) != 0)
        err(1, "getsockname");
    int error = getnameinfo((struct sockaddr *)&address, length, host,
        sizeof(host), port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
    if (error)
        errx(1, "getnameinfo: %s", gai_strerror(error));
    printf("listening on %s port %s\n", host, port);
}

/* The settings of all connections: TLS 1.2 or later, certificate and key. A
 * mistake in a file ends the program. */
static SSL_CTX *server_context(const char *certificate, const char *key)
{
#ifdef SOLUTION
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());

    if (!context || !SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION))
        errx(1, "cannot make a TLS context");
    if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1)
        errx(1, "cannot use the certificate %s", certificate);
    if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
        errx(1, "cannot use the key %s", key);
    return context;
#else
    return NULL; /* yours */
#endif
}

/* The bufferevent of a client that has connected, or NULL. It owns FD. */
static struct bufferevent *make_bufferevent(
    struct server *server, evutil_socket_t fd)
{
#ifdef SOLUTION
    SSL *ssl = SSL_new(server->context);

    return ssl ? bufferevent_openssl_socket_new(server->base, fd, ssl,
                     BUFFEREVENT_SSL_ACCEPTING,
                     BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS)
               : NULL;
#else
    /* yours: TLS */
    return bufferevent_socket_new(server->base, fd, BEV_OPT_CLOSE_ON_FREE);
#endif
}

static void conn_free(struct conn *conn)
{
    LIST_REMOVE(conn, next);
#ifdef SOLUTION
    event_free(conn->deadline);
    event_free(conn->room);
#endif
    bufferevent_free(conn->bev);
    free(conn);
}

#ifdef SOLUTION
/* Send close_notify and close. If the socket is full, this is called again when
 * there is room. */
static void room_cb(evutil_socket_t fd, short what, void *arg)
{
    struct conn *conn = arg;
    SSL *ssl = bufferevent_openssl_get_ssl(conn->bev);
    int result = SSL_shutdown(ssl);

    if (result < 0 && SSL_get_error(ssl, result) == SSL_ERROR_WANT_WRITE &&
        event_add(conn->room, NULL) == 0)
        return;
    printf("client closed\n");
    conn_free(conn);
}

/* Everything that the client sent has been answered. */
static void conn_close(struct conn *conn)
{
    room_cb(bufferevent_getfd(conn->bev), 0, conn);
}
#else
/* Everything that the client sent has been answered. */
static void conn_close(struct conn *conn)
{
    /* yours: close_notify */
    printf("client closed\n");
    conn_free(conn);
}
#endif

/* ASCII alone: toupper(3) would follow the locale and damage UTF-8. */
static void answer(struct conn *conn, char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (bytes[i] >= 'a' && bytes[i] <= 'z')
            bytes[i] -= 'a' - 'A';
    if (bufferevent_write(conn->bev, bytes, length) < 0)
        errx(1, "cannot queue an answer");
}

/* Answer all whole lines, and with REST what follows them too. */
static void conn_answer(struct conn *conn, bool rest)
{
    struct evbuffer *input = bufferevent_get_input(conn->bev);
    size_t length;
    char *line;

    while ((line = evbuffer_readln(input, &length, EVBUFFER_EOL_LF))) {
        line[length] = '\n'; /* in place of the NUL */
        answer(conn, line, length + 1);
        free(line);
    }
    length = evbuffer_get_length(input);
    if (length > LONGEST || (rest && length > 0)) {
        char *bytes = (char *)evbuffer_pullup(input, -1);

        if (!bytes)
            errx(1, "cannot read the input buffer");
        answer(conn, bytes, length);
        evbuffer_drain(input, length);
    }
}

static void read_cb(struct bufferevent *bev, void *arg)
{
    conn_answer(arg, false);
    if (evbuffer_get_length(bufferevent_get_output(bev)) > HIGH)
        bufferevent_disable(bev, EV_READ);
}

/* The output has drained to LOW or below: read on, or end. */
static void write_cb(struct bufferevent *bev, void *arg)
{
    struct conn *conn = arg;

    if (!conn->ended && bufferevent_enable(bev, EV_READ) < 0)
        errx(1, "cannot watch a connection");
    if (conn->ended && evbuffer_get_length(bufferevent_get_output(bev)) == 0)
        conn_close(conn);
}

#ifdef SOLUTION
/* The client has sent close_notify. libevent has stopped writing as well, and
 * the queued bytes would never be sent. */
#else
/* The client has sent its FIN, and still reads the queued answers. */
#endif
static void conn_half_closed(struct conn *conn)
{
    conn->ended = true;
    conn_answer(conn, true);
    if (evbuffer_get_length(bufferevent_get_output(conn->bev)) == 0)
        conn_close(conn);
#ifdef SOLUTION
    else if (bufferevent_enable(conn->bev, EV_WRITE) < 0)
        errx(1, "cannot watch a connection");
#endif
}

#ifdef SOLUTION
static void conn_accepted(struct conn *conn)
{
    printf("client connected: %s\n",
        SSL_get_version(bufferevent_openssl_get_ssl(conn->bev)));
    event_del(conn->deadline);
}

/* Why a connection has failed: OpenSSL's last error, or else the socket's. */
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

    if (what & BEV_EVENT_CONNECTED) {
        conn_accepted(conn);
    } else if (what & BEV_EVENT_EOF) {
        conn_half_closed(conn);
    } else {
        warnx("%s: %s",
            event_pending(conn->deadline, EV_TIMEOUT, NULL)
                ? "no handshake with a client"
                : "lost a client",
            tls_reason(bev, error));
        conn_free(conn);
    }
}

static void deadline_cb(evutil_socket_t fd, short what, void *arg)
{
    warnx("dropped a client: its handshake took too long");
    conn_free(arg);
}
#else
/* yours: the handshake, and TLS's reason for a failure */
static void event_cb(struct bufferevent *bev, short what, void *arg)
{
    int error = EVUTIL_SOCKET_ERROR(); /* before a call can change it */
    struct conn *conn = arg;

    if (what & BEV_EVENT_EOF) {
        conn_half_closed(conn);
    } else {
        warnx("lost a client: %s", evutil_socket_error_to_string(error));
        conn_free(conn);
    }
}
#endif

static void accept_cb(struct evconnlistener *listener, evutil_socket_t fd,
    struct sockaddr *address, int length, void *arg)
{
    struct server *server = arg;
    struct conn *conn = calloc(1, sizeof(*conn));
    int size = SEND_BUFFER;

    if (!conn)
        err(1, "cannot take a connection");
    conn->server = server;
    conn->bev = make_bufferevent(server, fd);
    if (!conn->bev)
        errx(1, "cannot serve a client");
    LIST_INSERT_HEAD(&server->conns, conn, next);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    bufferevent_setcb(conn->bev, read_cb, write_cb, event_cb, conn);
    bufferevent_setwatermark(conn->bev, EV_WRITE, LOW, 0);
#ifdef SOLUTION
    conn->deadline = evtimer_new(server->base, deadline_cb, conn);
    conn->room = event_new(server->base, fd, EV_WRITE, room_cb, conn);
    if (!conn->deadline || !conn->room ||
        event_add(conn->deadline, &HANDSHAKE) < 0)
        errx(1, "cannot set a deadline");
#else
    /* yours: ten seconds for the handshake */
#endif
    if (bufferevent_enable(conn->bev, EV_READ) < 0)
        errx(1, "cannot watch a connection");
}

static void signal_cb(evutil_socket_t signum, short what, void *arg)
{
    event_base_loopbreak(arg);
}

static struct evconnlistener *listen_on(struct server *server, int port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons((in_port_t)port),
    };
    struct evconnlistener *listener = evconnlistener_new_bind(server->base,
        accept_cb, server, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, SOMAXCONN,
        (struct sockaddr *)&address, sizeof(address));

    if (!listener)
        err(1, "cannot listen on port %d", port);
    return listener;
}

int main(int argc, char **argv)
{
    int port = argc == 4 ? parse_port(argv[3]) : 8443;

    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    if (argc < 3 || argc > 4 || port < 0) {
        fprintf(stderr, "usage: secure-lines CERTIFICATE KEY [PORT]\n");
        return 2;
    }
    struct server server = {
        .base = event_base_new(), .context = server_context(argv[1], argv[2])};
    LIST_INIT(&server.conns);
    if (!server.base)
        errx(1, "cannot make an event base");
    struct evconnlistener *listener = listen_on(&server, port);
    struct event *terminate =
        evsignal_new(server.base, SIGTERM, signal_cb, server.base);
    if (!terminate || event_add(terminate, NULL) < 0)
        errx(1, "cannot add an event");

    print_ready(evconnlistener_get_fd(listener));
    int result = event_base_dispatch(server.base);

    while (!LIST_EMPTY(&server.conns))
        conn_free(LIST_FIRST(&server.conns));
    event_free(terminate);
    evconnlistener_free(listener);
    /* A callback that a bufferevent has deferred still holds it. */
    event_base_loop(server.base, EVLOOP_NONBLOCK);
    event_base_free(server.base);
    SSL_CTX_free(server.context); /* after the last connection */
    return result < 0 ? 1 : 0;
}
