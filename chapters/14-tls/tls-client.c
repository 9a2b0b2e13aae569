/* tls-client.c -- sends lines to a TLS server, once it has proved who it is.
 *
 * Build: cc -o tls-client tls-client.c \
 *        -levent_core -levent_openssl -lssl -lcrypto
 * Run:   ./tls-client [--cafile FILE] [--alpn NAME] HOST PORT
 * Try:   ./tls-client --cafile build/certificates/ca.pem localhost 8443
 */
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netdb.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/util.h>

static const struct timeval HANDSHAKE = {10, 0}; /* connecting included */

/* Bytes that may wait for a slow server: standard input is not read above HIGH,
 * and again below LOW. A reply line longer than HIGH is printed in parts. */
enum { HIGH = 64 * 1024, LOW = 16 * 1024 };

struct client {
    struct event_base *base;
    SSL_CTX *context; /* trusted authorities, and the rules */
    const char *host; /* the name that the certificate has to have */
    const char *alpn; /* the protocol to be offered, or NULL */
    struct bufferevent *bev;
    SSL *ssl;                  /* the bufferevent's; NULL once that is freed */
    struct event *input_event; /* standard input is readable */
    struct event *deadline;    /* of the handshake */
    bool connected;
    bool input_ended;   /* and the last of it is in the output buffer */
    bool half_closed;   /* close_notify is sent: a second call would read */
    bool peer_ended;    /* no more replies will come */
    bool finished;      /* all was sent, all replies were printed */
    const char *reason; /* why the connection failed */
};

static void usage(int status)
{
    fprintf(status ? stderr : stdout,
        "usage: tls-client [--cafile FILE] [--alpn NAME] HOST PORT\n");
    exit(status);
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

/* Open what is missing of standard input, output and error: the numbers would
 * otherwise go to libevent's own descriptors, and what we print with them.
 * Opened for reading alone, so that printing fails as it did. */
static void open_standard_fds(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            open("/dev/null", O_RDONLY); /* gets the lowest number, FD */
}

/* Output that could not be written, because the disk is full or standard output
 * is closed, is a failure of a program whose output is its result. */
static void check_output(void)
{
    if (fflush(stdout) != 0 || ferror(stdout))
        err(1, "cannot write to standard output");
}

/* Give up: the connection is of no more use. */
static void client_fail(struct client *client, const char *reason)
{
    client->reason = reason;
    event_base_loopbreak(client->base);
}

/* All input was sent, and all replies have arrived. */
static void client_finish(struct client *client)
{
    client->finished = true;
    event_base_loopbreak(client->base);
}

/* Send close_notify: no more will come, but we go on reading replies. If the
 * socket is full, this is called again when there is room. */
static void room_cb(evutil_socket_t fd, short what, void *arg)
{
    struct client *client = arg;

    ERR_clear_error(); /* SSL_get_error checks all queued errors */
    int result =
        client->half_closed || !client->ssl ? 0 : SSL_shutdown(client->ssl);

    if (result >= 0) {
        client->half_closed = true;
        if (client->peer_ended && client->ssl)
            client_finish(client);
    } else if (SSL_get_error(client->ssl, result) != SSL_ERROR_WANT_WRITE) {
        const char *reason = ERR_reason_error_string(ERR_peek_error());
        client_fail(client, reason ? reason : strerror(errno));
    } else if (event_base_once(
                   client->base, fd, EV_WRITE, room_cb, client, NULL) < 0) {
        errx(1, "cannot watch the connection");
    }
}

/* With no more input, and the last of it in the kernel, half-close. */
static void half_close(struct client *client)
{
    if (evbuffer_get_length(bufferevent_get_output(client->bev)) == 0)
        room_cb(bufferevent_getfd(client->bev), 0, client);
    /* else write_cb comes here again */
}

static void input_end(struct client *client)
{
    client->input_ended = true;
    if (event_del(client->input_event) < 0)
        errx(1, "cannot stop watching standard input");
    half_close(client);
}

/* Standard input goes to the output buffer. It is left blocking, since whether
 * reads block is a property that we would share with the shell. One read for
 * each callback blocks only if another program takes the bytes before us. */
static void stdin_cb(evutil_socket_t fd, short what, void *arg)
{
    char chunk[16384];
    struct client *client = arg;
    ssize_t length = read(fd, chunk, sizeof(chunk));

    if (length > 0) {
        /* EV_WRITE is on anyway; enabling it again fails if the socket cannot
         * be watched, which bufferevent_write does not report. */
        if (bufferevent_write(client->bev, chunk, (size_t)length) < 0 ||
            bufferevent_enable(client->bev, EV_WRITE) < 0)
            errx(1, "cannot queue the input");
        if (evbuffer_get_length(bufferevent_get_output(client->bev)) > HIGH &&
            event_del(client->input_event) < 0)
            errx(1, "cannot stop watching standard input");
    } else if (length == 0) {
        input_end(client);
    } else if (errno != EAGAIN && errno != EINTR) {
        err(1, "cannot read standard input");
    }
}

static void print_reply(const void *bytes, size_t length)
{
    fputs("recv ", stdout);
    fwrite(bytes, 1, length, stdout);
    fputs(" from server\n", stdout);
    check_output();
}

/* Print the complete lines of INPUT, and with REST what follows them too. The
 * bytes are not a string: a NUL among them is printed like any other. */
static void print_lines(struct evbuffer *input, bool rest)
{
    size_t length;
    char *line;

    while ((line = evbuffer_readln(input, &length, EVBUFFER_EOL_LF))) {
        print_reply(line, length);
        free(line);
    }
    length = evbuffer_get_length(input);
    if (length > HIGH || (rest && length > 0)) {
        unsigned char *bytes = evbuffer_pullup(input, -1);

        if (!bytes)
            errx(1, "cannot read the input buffer");
        print_reply(bytes, length);
        evbuffer_drain(input, length);
    }
}

static void read_cb(struct bufferevent *bev, void *arg)
{
    print_lines(bufferevent_get_input(bev), false);
}

/* The output has drained to LOW or below: there is room for more input, or
 * the last of it has gone. */
static void write_cb(struct bufferevent *bev, void *arg)
{
    struct client *client = arg;

    if (client->input_ended)
        half_close(client);
    else if (event_add(client->input_event, NULL) < 0)
        errx(1, "cannot watch standard input");
}

/* The server sends no more, but it may still read: what we have is sent, though
 * libevent has stopped writing. On a terminal a user would not go on typing. */
static void peer_end(struct client *client)
{
    printf("connection closed\n");
    client->peer_ended = true;
    if (bufferevent_enable(client->bev, EV_WRITE) < 0)
        errx(1, "cannot watch the connection");
    if (!client->input_ended && isatty(STDIN_FILENO))
        input_end(client);
    else if (client->input_ended)
        half_close(client);
}

/* The server has proved that it is HOST: OpenSSL would have ended the handshake
 * otherwise. Only now may we send it our input. */
static void client_connected(struct client *client)
{
    const unsigned char *alpn;
    unsigned length;

    SSL_get0_alpn_selected(client->ssl, &alpn, &length);
    client->connected = true;
    event_del(client->deadline);
    printf("the client has connected to server\n");
    printf("%s, %s%s%.*s\n", SSL_get_version(client->ssl),
        SSL_get_cipher(client->ssl), length > 0 ? ", ALPN " : "", (int)length,
        (const char *)alpn);
    if (event_add(client->input_event, NULL) < 0)
        errx(1, "cannot watch standard input");
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
    struct client *client = arg;

    if (what & BEV_EVENT_CONNECTED) {
        client_connected(client);
        return;
    }
    print_lines(bufferevent_get_input(bev), true);
    long verified = SSL_get_verify_result(client->ssl);
    if ((what & BEV_EVENT_EOF) && client->connected)
        peer_end(client);
    else if (verified != X509_V_OK)
        client_fail(client, X509_verify_cert_error_string(verified));
    else if (what & BEV_EVENT_EOF)
        client_fail(client, "the server has ended the handshake");
    else
        client_fail(client, tls_reason(bev, error));
}

static void deadline_cb(evutil_socket_t fd, short what, void *arg)
{
    client_fail(arg, "the handshake took too long");
}

/* Have OpenSSL itself check that the certificate has the address or the name. A
 * name is sent too (SNI), since one server may serve several. */
static SSL *make_ssl(struct client *client)
{
    SSL *ssl = SSL_new(client->context);
    size_t length = client->alpn ? strlen(client->alpn) : 0;
    unsigned char protocol[256]; /* its length in a byte, and its name */

    if (!ssl)
        errx(1, "cannot make a TLS connection");
    if (!X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), client->host) &&
        (!SSL_set1_host(ssl, client->host) ||
            !SSL_set_tlsext_host_name(ssl, client->host)))
        errx(1, "cannot check the name %s", client->host);
    if (length > 0) {
        protocol[0] = (unsigned char)length;
        memcpy(protocol + 1, client->alpn, length);
        if (SSL_set_alpn_protos(ssl, protocol, (unsigned)length + 1) != 0)
            errx(1, "cannot offer a protocol");
    }
    return ssl;
}

/* Connect to ADDRESS and, if that succeeds, serve until the connection ends.
 * Callbacks are deferred, so that read_cb always comes before event_cb. */
static void client_run(
    struct client *client, const struct evutil_addrinfo *address)
{
    client->ssl = make_ssl(client);
    client->bev = bufferevent_openssl_socket_new(client->base, -1, client->ssl,
        BUFFEREVENT_SSL_CONNECTING,
        BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
    if (!client->bev)
        errx(1, "cannot make a bufferevent");
    bufferevent_setcb(client->bev, read_cb, write_cb, event_cb, client);
    bufferevent_setwatermark(client->bev, EV_WRITE, LOW, 0);
    if (bufferevent_enable(client->bev, EV_READ) < 0 ||
        event_add(client->deadline, &HANDSHAKE) < 0)
        errx(1, "cannot watch the connection");
    client->reason = "given up"; /* unless something else ends the loop */
    if (bufferevent_socket_connect(
            client->bev, address->ai_addr, (int)address->ai_addrlen) < 0)
        client_fail(client, strerror(errno));
    else if (event_base_dispatch(client->base) < 0)
        errx(1, "the event loop failed");
    event_del(client->input_event);
    event_del(client->deadline);
    bufferevent_free(client->bev);
    client->ssl = NULL; /* room_cb may still be called */
}

/* A base that can watch files too: epoll refuses a regular file or /dev/null
 * as standard input, poll and select take them. */
static struct event_base *base_for_files(void)
{
    struct event_config *config = event_config_new();

    if (!config || event_config_require_features(config, EV_FEATURE_FDS) < 0)
        errx(1, "cannot configure the event base");
    struct event_base *base = event_base_new_with_config(config);
    if (!base)
        errx(1, "cannot make an event base that watches files");
    event_config_free(config);
    return base;
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

/* TLS 1.2 or later, and only servers whose certificate a trusted authority has
 * signed: those in FILE, or else those that the system trusts. */
static SSL_CTX *client_context(const char *file)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    if (!context || !SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION))
        errx(1, "cannot make a TLS context");
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    tls_check(file ? SSL_CTX_load_verify_locations(context, file, NULL)
                   : SSL_CTX_set_default_verify_paths(context),
        "read the authorities in", file ? file : "the system's files");
    return context;
}

static const char *read_options(int argc, char **argv, struct client *client)
{
    static const struct option options[] = {{"cafile", 1, NULL, 'c'},
        {"alpn", 1, NULL, 'a'}, {"help", 0, NULL, 'h'}, {NULL, 0, NULL, 0}};
    const char *file = NULL;

    opterr = 0; /* usage says it */
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;)
        if (c == 'c')
            file = optarg;
        else if (c == 'a' && strlen(optarg) > 0 && strlen(optarg) < 256)
            client->alpn = optarg;
        else
            usage(c == 'h' ? 0 : 2);
    if (argc - optind != 2 || parse_port(argv[optind + 1]) < 1)
        usage(2);
    client->host = argv[optind];
    return file;
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

int main(int argc, char **argv)
{
    struct client client = {0};

    setvbuf(stdout, NULL, _IOLBF, 0);
    const char *file = read_options(argc, argv, &client);
    signal(SIGPIPE, SIG_IGN); /* writing to a closed connection must fail */
    if (fcntl(STDIN_FILENO, F_GETFD) < 0)
        err(1, "cannot read standard input");
    open_standard_fds();

    struct evutil_addrinfo *addresses = resolve(client.host, argv[optind + 1]);
    client.context = client_context(file);
    client.base = base_for_files();
    client.input_event = event_new(
        client.base, STDIN_FILENO, EV_READ | EV_PERSIST, stdin_cb, &client);
    client.deadline = evtimer_new(client.base, deadline_cb, &client);
    if (!client.input_event || !client.deadline)
        errx(1, "cannot make an event");

    struct evutil_addrinfo *address = addresses;
    for (; address && !client.connected; address = address->ai_next)
        client_run(&client, address);

    event_free(client.deadline);
    event_free(client.input_event);
    free_base(client.base);
    SSL_CTX_free(client.context);
    evutil_freeaddrinfo(addresses);
    if (!client.finished) {
        warnx("%s %s port %s: %s",
            client.connected ? "lost the connection to" : "cannot connect to",
            client.host, argv[optind + 1], client.reason);
        return 1;
    }
    printf("finished\n");
    check_output();
    return 0;
}
