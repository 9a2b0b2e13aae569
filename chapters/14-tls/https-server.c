/* https-server.c -- serves the files of a folder over TLS.
 *
 * It is http-server of chapter 13 with another bufferevent below evhttp.
 *
 * Build: cc -I../13-http -o https-server https-server.c file-pieces.c \
 *        ../13-http/request-gate.c -levent_core -levent_extra \
 *        -levent_openssl -lssl -lcrypto
 * Run:   ./https-server [-c CERT] [-k KEY] [ADDRESS PORT [FOLDER]]
 * Try:   curl --cacert build/certificates/ca.pem https://localhost:8443/
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
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <event2/util.h>

#include "file-pieces.h"
#include "request-gate.h"

static const struct timeval REST = {1, 0};  /* after accept has failed */
static const struct timeval IDLE = {60, 0}; /* without a byte */
static const struct timeval GRACE = {2, 0}; /* from the signal to the end */
static const struct timeval HANDSHAKE = {10, 0}; /* for all of a handshake */

/* The content type of a file, by the end of its name. */
static const struct {
    const char *ending, *type;
} TYPES[] = {
    {".css", "text/css; charset=utf-8"},
    {".html", "text/html; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".json", "application/json"},
    {".png", "image/png"},
    {".svg", "image/svg+xml"},
    {".txt", "text/plain; charset=utf-8"},
};

enum { PATH_LENGTH = 1024 }; /* bytes, with the NUL */

struct server {
    struct event_base *base;
    struct evhttp *http;
    struct evhttp_bound_socket *bound; /* owns the listener */
    struct evconnlistener *listener;   /* NULL after the first signal */
    struct event *rest_event;          /* pending while no descriptor is left */
    unsigned answering;                /* requests whose answer is not sent */
    int folder;                        /* what we serve */
    SSL_CTX *context; /* certificate, key and rules for all connections */
};

static struct server *the_server; /* where evhttp has taken the argument */
static int deadline_index;        /* under which an SSL keeps its deadline */

static void usage(int status)
{
    fprintf(status ? stderr : stdout,
        "usage: https-server [-c CERT] [-k KEY] [ADDRESS PORT [FOLDER]]\n");
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

/* A descriptor is free as soon as we are back in the loop, and a client may be
 * waiting for it. */
static void resume_accepting(struct server *server)
{
    if (event_pending(server->rest_event, EV_TIMEOUT, NULL))
        evconnlistener_enable(server->listener);
}

static void request_end(struct server *server)
{
    server->answering--;
    if (!server->listener && server->answering == 0)
        event_base_loopbreak(server->base); /* all that we waited for */
}

/* Send close_notify, which evhttp never does, so that the client can tell our
 * end from an attacker who cuts the connection. If the socket is full, it is
 * not sent: evhttp would not wait. The SSL is NULL where evhttp has made a
 * plain bufferevent. */
static void say_close_notify(struct bufferevent *bev)
{
    SSL *ssl = bufferevent_openssl_get_ssl(bev);

    if (ssl)
        SSL_shutdown(ssl);
}

/* The same where the connection is closed behind it. To close with bytes unread
 * is a reset, which destroys the answer on its way: the second call reads the
 * client's own close_notify, if that has come. It must not be called where
 * requests may still come: OpenSSL would answer them with a fatal alert. */
static void exchange_close_notify(struct bufferevent *bev)
{
    SSL *ssl = bufferevent_openssl_get_ssl(bev);

    if (ssl && SSL_shutdown(ssl) == 0)
        SSL_shutdown(ssl);
}

/* A connection that has no request under way is about to be closed. */
static void idle_closed_cb(struct evhttp_connection *connection, void *arg)
{
    exchange_close_notify(evhttp_connection_get_bufferevent(connection));
    resume_accepting(arg);
}

/* A connection is closed before all of an answer was sent. */
static void answer_lost_cb(struct evhttp_connection *connection, void *arg)
{
    resume_accepting(arg);
    request_end(arg);
}

/* The last byte of an answer has gone to the kernel. */
static void answer_sent_cb(struct evhttp_request *request, void *arg)
{
    evhttp_connection_set_closecb(
        evhttp_request_get_connection(request), idle_closed_cb, arg);
    request_end(arg);
    request_gate_next(request);
}

/* Without memory an answer lacks the field. Only a missing Content-Length would
 * matter. */
static bool add_header(
    struct evhttp_request *request, const char *name, const char *value)
{
    return evhttp_add_header(
               evhttp_request_get_output_headers(request), name, value) == 0;
}

/* There is no memory for an answer: close, so that the client does not wait. */
static void drop_request(struct evhttp_request *request)
{
    print_line(stderr, "cannot answer a client: %s", strerror(ENOMEM));
    evhttp_connection_free(evhttp_request_get_connection(request));
}

/* A line of at most 4096 bytes never blocks: see print_line. */
static void log_answer(struct evhttp_request *request, int status, size_t size)
{
    enum evhttp_cmd_type type = evhttp_request_get_command(request);
    char *address;
    ev_uint16_t port;

    evhttp_connection_get_peer(
        evhttp_request_get_connection(request), &address, &port);
    print_line(stdout, "%s %s %.1000s %d %zu", address,
        type == EVHTTP_REQ_HEAD   ? "HEAD"
        : type == EVHTTP_REQ_POST ? "POST"
                                  : "GET",
        evhttp_request_get_uri(request), status, size);
}

/* Send an answer, whose body is in the request's output buffer. To HEAD, and
 * with 304, only its length is sent: evhttp would send the body. And we stop
 * reading: evhttp reads on to see whether the client leaves, and a client that
 * has only half-closed its connection would lose the answer. */
static void send_answer(struct server *server, struct evhttp_request *request,
    int status, const char *type)
{
    struct evbuffer *body = evhttp_request_get_output_buffer(request);
    size_t size = evbuffer_get_length(body);
    char length[32];

    snprintf(length, sizeof(length), "%zu", size);
    if (!add_header(request, "Content-Length", length)) {
        drop_request(request);
        return;
    }
    add_header(request, "Content-Type", type);
    if (!server->listener)
        add_header(request, "Connection", "close");
    if (evhttp_request_get_command(request) == EVHTTP_REQ_HEAD ||
        status == HTTP_NOTMODIFIED)
        evbuffer_drain(body, size);
    log_answer(request, status, evbuffer_get_length(body));
    evhttp_send_reply(request, status, NULL, NULL);
    bufferevent_disable(evhttp_connection_get_bufferevent(
                            evhttp_request_get_connection(request)),
        EV_READ); /* until evhttp wants more */
}

/* Send an answer that consists of the line TEXT. */
static void send_text(struct server *server, struct evhttp_request *request,
    int status, const char *text)
{
    struct evbuffer *body = evhttp_request_get_output_buffer(request);

    if (evbuffer_add_printf(body, "%s\n", text) > 0)
        send_answer(server, request, status, "text/plain; charset=utf-8");
    else
        drop_request(request);
}

/* Count a request until its answer is sent or lost. False, with an answer, if
 * the gate has refused it, or if its method is none of METHODS. */
static bool request_begin(
    struct server *server, struct evhttp_request *request, int methods)
{
    int status = request_gate_status(request);

    server->answering++;
    evhttp_request_set_on_complete_cb(request, answer_sent_cb, server);
    evhttp_connection_set_closecb(
        evhttp_request_get_connection(request), answer_lost_cb, server);
    if (status) {
        send_text(server, request, status, "refused");
        return false;
    }
    if (evhttp_request_get_command(request) & methods)
        return true;
    add_header(request, "Allow",
        methods == EVHTTP_REQ_POST  ? "POST"
        : methods == EVHTTP_REQ_GET ? "GET"
                                    : "GET, HEAD");
    send_text(server, request, HTTP_BADMETHOD, "no such method here");
    return false;
}

/* Open the file or folder PATH below FOLDER, name by name: so no symbolic link
 * is followed. A name that begins with a dot, as "..", does not exist. A file
 * that cannot be opened at once, as a pipe, does not block us. PATH is
 * changed. */
static int open_below(int folder, char *path)
{
    int fd = fcntl(folder, F_DUPFD_CLOEXEC, 0);
    char *name;

    while (fd >= 0 && (name = strsep(&path, "/"))) {
        int parent = fd;

        if (*name == '\0')
            continue;
        errno = ENOENT;
        fd = *name == '.' ? -1
                          : openat(parent, name,
                                O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        close(parent);
    }
    return fd;
}

/* The path of a request, decoded once, into a buffer of PATH_LENGTH bytes. A
 * folder stands for its index: a path that ends with a slash, or the empty one
 * of "http://host". False if it holds a NUL or is too long. */
static bool decode_path(
    struct evhttp_request *request, char *path, bool *is_folder)
{
    size_t size;
    char *text = evhttp_uridecode(
        evhttp_uri_get_path(evhttp_request_get_evhttp_uri(request)), 0, &size);
    bool is_good = false;

    if (text && strlen(text) == size) {
        *is_folder = size == 0 || text[size - 1] == '/';
        is_good = snprintf(path, PATH_LENGTH, "%s%s", text,
                      *is_folder ? "index.html" : "") < PATH_LENGTH;
    }
    free(text);
    return is_good;
}

static const char *type_of(const char *path)
{
    const char *ending = strrchr(path, '.');

    for (size_t i = 0; ending && i < sizeof(TYPES) / sizeof(TYPES[0]); i++)
        if (strcasecmp(ending, TYPES[i].ending) == 0)
            return TYPES[i].type;
    return "application/octet-stream";
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

/* Answer with the regular file FD, unless the client has its newest version: it
 * sends back the time that it got from us, so we compare the text. We ignore
 * its Range, which RFC 9110, section 14.2, allows: it gets the whole file. */
static void send_file(struct server *server, struct evhttp_request *request,
    int fd, const struct stat *file, const char *type)
{
    const char *since = evhttp_find_header(
        evhttp_request_get_input_headers(request), "If-Modified-Since");
    bool is_get = evhttp_request_get_command(request) == EVHTTP_REQ_GET;
    char changed[64];

    evutil_date_rfc1123(changed, sizeof(changed), gmtime(&file->st_mtime));
    add_header(request, "Last-Modified", changed);
    int status = since && strcmp(since, changed) == 0 ? HTTP_NOTMODIFIED : 200;
    if (is_get && status == HTTP_OK && file->st_size > 0) {
        add_header(request, "Content-Type", type);
        if (!server->listener)
            add_header(request, "Connection", "close");
        log_answer(request, HTTP_OK, (size_t)file->st_size);
        if (!send_pieces(request, fd, file->st_size, answer_lost_cb, server))
            drop_request(request);
    } else if (add_file(evhttp_request_get_output_buffer(request), fd,
                   file->st_size) < 0) { /* only its length is sent */
        drop_request(request);
    } else {
        send_answer(server, request, status, type);
    }
}

/* Redirect a client from a folder's path without a slash at its end, where the
 * links of the page would lead elsewhere. The new path is relative to the old
 * one. */
static void send_to_folder(
    struct server *server, struct evhttp_request *request)
{
    const char *path =
        evhttp_uri_get_path(evhttp_request_get_evhttp_uri(request));
    const char *slash = strrchr(path, '/');
    char place[3 * PATH_LENGTH + 8]; /* each byte may stand there as %XX */

    snprintf(place, sizeof(place), "./%s/", slash ? slash + 1 : path);
    add_header(request, "Location", place);
    send_text(server, request, HTTP_MOVEPERM, "see the folder");
}

/* All paths are files. Any file that we do not serve gets 404: a client must
 * not learn which other files exist. */
static void file_cb(struct evhttp_request *request, void *arg)
{
    struct server *server = arg;
    char path[PATH_LENGTH];
    bool is_folder;
    struct stat file;

    if (!request_begin(server, request, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD))
        return;
    if (!decode_path(request, path, &is_folder)) {
        send_text(server, request, HTTP_BADREQUEST, "bad path");
        return;
    }
    const char *type = type_of(path);
    int fd = open_below(server->folder, path);
    if (fd < 0 && (errno == EMFILE || errno == ENFILE)) {
        send_text(server, request, HTTP_SERVUNAVAIL, "out of descriptors");
    } else if (fd < 0 || fstat(fd, &file) < 0 ||
               (!S_ISREG(file.st_mode) &&
                   (is_folder || !S_ISDIR(file.st_mode)))) {
        send_text(server, request, HTTP_NOTFOUND, "no such file");
    } else if (S_ISDIR(file.st_mode)) {
        send_to_folder(server, request);
    } else {
        send_file(server, request, fd, &file, type);
        return; /* the descriptor goes with the answer */
    }
    if (fd >= 0)
        close(fd);
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
 * until a connection is closed, or for a second. evhttp has set the listener's
 * argument to its own, so the server has to be a global variable. */
static void accept_failed_cb(struct evconnlistener *listener, void *arg)
{
    int error = EVUTIL_SOCKET_ERROR(); /* before a call can change it */

    if (!event_pending(the_server->rest_event, EV_TIMEOUT, NULL)) {
        print_line(stderr, "cannot accept, trying again in a second: %s",
            evutil_socket_error_to_string(error));
        if (event_add(the_server->rest_event, &REST) < 0)
            return; /* without a clock, accepting must not stop */
    }
    evconnlistener_disable(listener);
}

/* Without an answer under way, a signal ends us at once. Else the first one
 * ends accepting, and the answers have two seconds; a second one does not wait.
 */
static void interrupt_cb(evutil_socket_t signum, short what, void *arg)
{
    struct server *server = arg;

    if (!server->listener || server->answering == 0) {
        event_base_loopbreak(server->base);
        return;
    }
    print_line(
        stdout, "Caught an interrupt signal; exiting cleanly in two seconds.");
    event_del(server->rest_event);
    evhttp_del_accept_socket(server->http, server->bound);
    server->listener = NULL;
    if (event_base_loopexit(server->base, &GRACE) < 0)
        event_base_loopbreak(server->base);
}

/* evhttp could listen as well, but then we would not know when accept fails.
 * The sockets of clients take TCP_NODELAY over from the listening one. */
static void serve_on(struct server *server, const char *host, const char *port)
{
    struct evutil_addrinfo *address = resolve(host, port);

    server->listener = evconnlistener_new_bind(server->base, NULL, NULL,
        LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE,
        SOMAXCONN, address->ai_addr, (int)address->ai_addrlen);
    if (!server->listener)
        err(1, "cannot listen on %s port %s", host, port);
    evutil_freeaddrinfo(address);
    set_nodelay(evconnlistener_get_fd(server->listener));
    the_server = server;
    evconnlistener_set_error_cb(server->listener, accept_failed_cb);
    server->bound = evhttp_bind_listener(server->http, server->listener);
    if (!server->bound || evconnlistener_enable(server->listener) < 0)
        errx(1, "cannot watch the listening socket");
}

/* The handshake has lasted too long: a time-out of evhttp would start again at
 * each byte. evhttp sees the end of the socket, and closes. */
static void deadline_cb(evutil_socket_t fd, short what, void *arg)
{
    print_line(stderr, "dropped a client: its handshake took too long");
    shutdown(bufferevent_getfd(arg), SHUT_RDWR);
}

/* evhttp uses the callbacks of the bufferevent, so the deadline belongs to the
 * SSL, which calls this when the handshake is done. */
static void info_cb(const SSL *ssl, int where, int result)
{
    if (where & SSL_CB_HANDSHAKE_DONE)
        event_del(SSL_get_ex_data(ssl, deadline_index));
}

static void free_deadline(void *parent, void *deadline, CRYPTO_EX_DATA *data,
    int index, long argl, void *argp)
{
    if (deadline)
        event_free(deadline);
}

static bool start_deadline(struct bufferevent *bev)
{
    SSL *ssl = bufferevent_openssl_get_ssl(bev);
    struct event *deadline =
        evtimer_new(bufferevent_get_base(bev), deadline_cb, bev);

    if (!deadline || !SSL_set_ex_data(ssl, deadline_index, deadline)) {
        if (deadline)
            event_free(deadline);
        return false;
    }
    return event_add(deadline, &HANDSHAKE) == 0;
}

/* Make the bufferevent of a connection, for evhttp, which gives it the fd.
 * Where this returns NULL, evhttp takes a plain bufferevent and would answer
 * in plain text; but it has no gate, and request_gate_status refuses
 * everything that comes from there. */
static struct bufferevent *tls_bevcb(struct event_base *base, void *arg)
{
    struct server *server = arg;
    struct bufferevent *bev = NULL;
    SSL *ssl = SSL_new(server->context);

    if (ssl)
        bev = bufferevent_openssl_socket_new(
            base, -1, ssl, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
    if (bev && request_gate_attach(bev) && start_deadline(bev))
        return bev;
    print_line(stderr, "cannot serve a client: no memory for TLS");
    if (bev)
        bufferevent_free(bev);
    return NULL;
}

/* Of the protocols that a client offers we speak http/1.1, if it is among them.
 */
static int alpn_cb(SSL *ssl, const unsigned char **chosen,
    unsigned char *length, const unsigned char *offered, unsigned size,
    void *arg)
{
    static const unsigned char ours[] = "\010http/1.1";
    int found = SSL_select_next_proto((unsigned char **)chosen, length, ours,
        sizeof(ours) - 1, offered, size);

    return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK
                                           : SSL_TLSEXT_ERR_NOACK;
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

/* Bytes of a request's head and of its body, and milliseconds for both. */
static const struct request_limits LIMITS = {.head = 8 * 1024,
    .body = 64 * 1024,
    .time = 30 * 1000,
    .half_close = say_close_notify};

static struct evhttp *new_http(struct server *server)
{
    struct evhttp *http = evhttp_new(server->base);

    if (!http)
        errx(1, "cannot make an HTTP server");
    deadline_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, free_deadline);
    if (deadline_index < 0)
        errx(1, "cannot keep a deadline with a connection");
    SSL_CTX_set_info_callback(server->context, info_cb);
    SSL_CTX_set_alpn_select_cb(server->context, alpn_cb, NULL);
    request_gate_start(&LIMITS);
    evhttp_set_bevcb(http, tls_bevcb, server);
    evhttp_set_gencb(http, file_cb, server);
    evhttp_set_timeout_tv(http, &IDLE);
    evhttp_set_max_headers_size(http, (ev_ssize_t)LIMITS.head);
    evhttp_set_max_body_size(http, (ev_ssize_t)LIMITS.body);
    return http;
}

/* Serve until a signal comes, and free everything. The result is the exit
 * status. */
static int serve_http(struct server *server)
{
    signal(SIGINT, SIG_IGN); /* what they are again while we clean up */
    signal(SIGTERM, SIG_IGN);
    struct event *interrupt =
        evsignal_new(server->base, SIGINT, interrupt_cb, server);
    struct event *terminate =
        evsignal_new(server->base, SIGTERM, interrupt_cb, server);

    server->rest_event =
        event_new(server->base, -1, EV_PERSIST, rest_cb, server);
    if (!server->rest_event || !interrupt || !terminate ||
        event_add(interrupt, NULL) < 0 || event_add(terminate, NULL) < 0)
        errx(1, "cannot add an event");

    print_ready(evconnlistener_get_fd(server->listener));
    int result = event_base_dispatch(server->base);

    event_del(server->rest_event); /* evhttp frees the listener first */
    evhttp_free(server->http);
    request_gate_end();
    event_free(terminate);
    event_free(interrupt);
    event_free(server->rest_event);
    event_base_free(server->base);
    print_line(stdout, "done");
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
    if (argc == 1 || argc > 3 || (argc > 1 && parse_port(argv[1]) < 0))
        usage(2);
    signal(SIGPIPE, SIG_IGN); /* writing to a closed connection must fail */

    //> prepare
    const char *folder = argc == 3 ? argv[2] : ".";
    struct server server = {
        .base = event_base_new(), .context = server_context(certificate, key)};
    if (!server.base)
        errx(1, "cannot make an event base");
    server.folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (server.folder < 0)
        err(1, "cannot open the folder %s", folder);
    server.http = new_http(&server);

    //> listen
    if (argc > 1)
        serve_on(&server, argv[0], argv[1]);
    else
        serve_on(&server, "127.0.0.1", "8443");

    //> serve
    int status = serve_http(&server);
    close(server.folder);
    SSL_CTX_free(server.context);
    return status;
}
