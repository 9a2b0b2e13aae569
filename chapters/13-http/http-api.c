/* http-api.c -- greets in JSON, echoes, and tells the time for ever.
 *
 * Build: cc -o http-api http-api.c request-gate.c -levent_core -levent_extra
 * Run:   ./http-api [ADDRESS PORT]     (127.0.0.1 8080)
 * Try:   curl -i 'http://127.0.0.1:8080/hello?name=you'
 */
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
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
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wchar.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <event2/util.h>

#include "request-gate.h"

static const struct timeval REST = {1, 0};  /* after accept has failed */
static const struct timeval TICK = {1, 0};  /* between two lines of /clock */
static const struct timeval IDLE = {60, 0}; /* without a byte */
static const struct timeval GRACE = {2, 0}; /* from the signal to the end */

/* Bytes of a request's head and of its body, and milliseconds for both. */
static const struct request_limits LIMITS = {
    .head = 8 * 1024, .body = 1024 * 1024, .time = 30 * 1000};

struct server {
    struct event_base *base;
    struct evhttp *http;
    struct evhttp_bound_socket *bound; /* owns the listener */
    struct evconnlistener *listener;   /* NULL after the first signal */
    struct event *rest_event;          /* pending while no descriptor is left */
    unsigned answering;                /* requests whose answer is not sent */
};

/* An answer to /clock, which has no end. */
struct clock {
    struct server *server;
    struct evhttp_request *request;
    struct event *timer;
};

static struct server *the_server; /* where evhttp has taken the argument */

static void usage(int status)
{
    fprintf(status ? stderr : stdout, "usage: http-api [ADDRESS PORT]\n");
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

/* A connection that has no request under way is closed. */
static void idle_closed_cb(struct evhttp_connection *connection, void *arg)
{
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

/* Whether TEXT is UTF-8. The C library can tell, but it accepts numbers beyond
 * the last character of Unicode. */
static bool is_utf8(const char *text)
{
    mbstate_t state = {0};
    wchar_t character;
    size_t length;

    while ((length = mbrtowc(&character, text, MB_CUR_MAX, &state)) > 0) {
        if (length > MB_CUR_MAX || character > 0x10ffff)
            return false; /* an error is (size_t)-1, a very large length */
        text += length;
    }
    return true;
}

/* Add TEXT as a string of JSON, which can stand in a page of HTML as well. */
static bool add_json(struct evbuffer *buffer, const char *text)
{
    bool added = evbuffer_add(buffer, "\"", 1) == 0;

    for (; added && *text; text++)
        if ((unsigned char)*text < ' ' || strchr("\"\\<>&\x7f", *text))
            added = evbuffer_add_printf(buffer, "\\u%04x", *text) > 0;
        else
            added = evbuffer_add(buffer, text, 1) == 0;
    return added && evbuffer_add(buffer, "\"", 1) == 0;
}

/* hello?name=NAME. JSON is UTF-8, so a name in another encoding is refused. So
 * is a %00: evhttp parses a query into strings, which end at a NUL. */
static void hello_cb(struct evhttp_request *request, void *arg)
{
    struct server *server = arg;
    struct evbuffer *body = evhttp_request_get_output_buffer(request);
    const char *query =
        evhttp_uri_get_query(evhttp_request_get_evhttp_uri(request));
    struct evkeyvalq fields;

    if (!request_begin(server, request, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD))
        return;
    if ((query && strstr(query, "%00")) ||
        evhttp_parse_query_str(query, &fields) < 0) {
        send_text(server, request, HTTP_BADREQUEST, "bad query");
        return;
    }
    const char *name = evhttp_find_header(&fields, "name");
    if (!name)
        name = "world";
    if (!is_utf8(name))
        send_text(server, request, HTTP_BADREQUEST, "bad name");
    else if (evbuffer_add(body, "{\"hello\": ", 10) < 0 ||
             !add_json(body, name) || evbuffer_add(body, "}\n", 2) < 0)
        drop_request(request);
    else
        send_answer(server, request, HTTP_OK, "application/json");
    evhttp_clear_headers(&fields);
}

/* POST /echo sends back the body of the request. It is moved, not copied. */
static void echo_cb(struct evhttp_request *request, void *arg)
{
    if (!request_begin(arg, request, EVHTTP_REQ_POST))
        return;
    evbuffer_add_buffer(evhttp_request_get_output_buffer(request),
        evhttp_request_get_input_buffer(request));
    send_answer(arg, request, HTTP_OK, "application/octet-stream");
}

/* The client has left or was too slow, or we end. In the first two cases evhttp
 * has removed the request from the connection, and we have to free it. */
static void clock_lost_cb(struct evhttp_connection *connection, void *arg)
{
    struct clock *clock = arg;
    struct server *server = clock->server;

    if (!evhttp_request_get_connection(clock->request))
        evhttp_request_free(clock->request);
    event_free(clock->timer);
    free(clock);
    answer_lost_cb(connection, server);
}

/* Send the time, unless the last line is still in the output: lines that the
 * client does not read would fill our memory. */
static void clock_tick_cb(evutil_socket_t fd, short what, void *arg)
{
    struct clock *clock = arg;
    struct evhttp_connection *connection =
        evhttp_request_get_connection(clock->request);
    struct bufferevent *bev = evhttp_connection_get_bufferevent(connection);
    struct evbuffer *line = evhttp_request_get_output_buffer(clock->request);
    char now[64];

    if (!clock->server->listener) { /* we end, and so does the answer */
        evhttp_connection_set_closecb(
            connection, answer_lost_cb, clock->server);
        evhttp_send_reply_end(clock->request);
        event_free(clock->timer);
        free(clock);
        return;
    }
    if (evbuffer_get_length(bufferevent_get_output(bev)) > 0)
        return;
    evutil_date_rfc1123(now, sizeof(now), NULL);
    if (evbuffer_add_printf(line, "%s\n", now) > 0)
        evhttp_send_reply_chunk(clock->request, line);
}

/* /clock: a line each second, for ever. Unlike send_answer we let evhttp read:
 * so it sees when the client leaves. */
static void clock_cb(struct evhttp_request *request, void *arg)
{
    struct server *server = arg;

    if (!request_begin(server, request, EVHTTP_REQ_GET))
        return;
    struct clock *clock = calloc(1, sizeof(*clock));
    struct event *timer =
        event_new(server->base, -1, EV_PERSIST, clock_tick_cb, clock);
    if (!clock || !timer || event_add(timer, &TICK) < 0) {
        if (timer)
            event_free(timer);
        free(clock);
        drop_request(request);
        return;
    }
    *clock = (struct clock){server, request, timer};
    evhttp_connection_set_closecb(
        evhttp_request_get_connection(request), clock_lost_cb, clock);
    add_header(request, "Content-Type", "text/plain");
    log_answer(request, HTTP_OK, 0);
    evhttp_send_reply_start(request, HTTP_OK, NULL);
}

static void not_found_cb(struct evhttp_request *request, void *arg)
{
    if (request_begin(arg, request, ~0))
        send_text(arg, request, HTTP_NOTFOUND, "not found");
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

static struct evhttp *new_api(struct server *server)
{
    struct evhttp *http = evhttp_new(server->base);

    if (!http || evhttp_set_cb(http, "/hello", hello_cb, server) < 0 ||
        evhttp_set_cb(http, "/echo", echo_cb, server) < 0 ||
        evhttp_set_cb(http, "/clock", clock_cb, server) < 0)
        errx(1, "cannot make an HTTP server");
    request_gate_start(&LIMITS);
    evhttp_set_bevcb(http, request_gate_bevcb, NULL);
    evhttp_set_gencb(http, not_found_cb, server);
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
    open_standard_fds();
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        usage(0);
    if ((argc != 1 && argc != 3) || (argc == 3 && parse_port(argv[2]) < 0))
        usage(2);
    signal(SIGPIPE, SIG_IGN); /* writing to a closed connection must fail */
    if (!setlocale(LC_CTYPE, "C.UTF-8"))
        errx(1, "this system has no locale C.UTF-8");

    //> prepare
    struct server server = {.base = event_base_new()};
    if (!server.base)
        errx(1, "cannot make an event base");
    server.http = new_api(&server);

    //> listen
    if (argc == 3)
        serve_on(&server, argv[1], argv[2]);
    else
        serve_on(&server, "127.0.0.1", "8080");

    //> serve
    return serve_http(&server);
}
