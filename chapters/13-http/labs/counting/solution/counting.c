/* Starter and solution in one: look once you have passed (make compare-NN). */
/* counting.c -- a web server that counts as far as its clients ask.
 *
 * Build: cc -o counting counting.c -levent_core -levent_extra
 * Run:   ./counting [PORT]              (8080, on 127.0.0.1)
 * Try:   curl 'http://127.0.0.1:8080/count?to=10'
 */
#include <ctype.h>
#include <err.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>

static const unsigned long long MOST = 1000000000000; /* that we count to */

#ifdef SOLUTION
enum { PIECE = 32 * 1024 }; /* bytes of a piece, which may be one line longer */

/* An answer under way. */
struct count {
    struct evhttp_request *request;
    unsigned long long next; /* the number of the next line */
    unsigned long long to;   /* that of the last line */
};
#endif

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

static void must(bool is_done)
{
    if (!is_done)
        errx(1, "out of memory");
}

static void add_number(struct evbuffer *lines, unsigned long long number)
{
    must(evbuffer_add_printf(lines, "%llu\n", number) > 0);
}

/* Before evhttp_send_reply or evhttp_send_reply_start. */
static void set_type(struct evhttp_request *request)
{
    must(evhttp_add_header(evhttp_request_get_output_headers(request),
             "Content-Type", "text/plain") == 0);
}

/* The number that TEXT is, 1 to MOST, in digits alone; 0 if it is none. */
static unsigned long long parse_number(const char *text)
{
#ifdef SOLUTION
    char *end;
    unsigned long long number = strtoull(text, &end, 10);

    /* For a number that is too large, strtoull returns the largest one. */
    if (!isdigit((unsigned char)text[0]) || *end != '\0' || number > MOST)
        return 0;
    return number;
#else
    /* yours: digits alone, and numbers that are larger than an int */
    unsigned long long number = (unsigned long long)atoi(text);

    return number <= MOST ? number : 0;
#endif
}

/* The number in a query, to=NUMBER; 0 if there is none. */
static unsigned long long read_to(const char *query)
{
    unsigned long long number = 0;
    struct evkeyvalq fields;

    if (!query || evhttp_parse_query_str(query, &fields) < 0)
        return 0;
    const char *text = evhttp_find_header(&fields, "to");
    if (text)
        number = parse_number(text);
    evhttp_clear_headers(&fields);
    return number;
}

#ifdef SOLUTION
/* The connection is closed before the end of the answer. If the client has
 * left, evhttp has removed the request from the connection, and we have to free
 * it; if we end, evhttp frees it. */
static void lost_cb(struct evhttp_connection *connection, void *arg)
{
    struct count *count = arg;

    if (!evhttp_request_get_connection(count->request))
        evhttp_request_free(count->request);
    free(count);
}

/* The last piece has gone to the kernel: send the next one, or the end. The end
 * may close the connection, so we free our own part first. */
static void next_piece_cb(struct evhttp_connection *connection, void *arg)
{
    struct count *count = arg;
    struct evhttp_request *request = count->request;
    struct evbuffer *piece = evhttp_request_get_output_buffer(request);

    if (count->next > count->to) {
        evhttp_connection_set_closecb(connection, NULL, NULL);
        free(count);
        evhttp_send_reply_end(request);
        return;
    }
    while (count->next <= count->to && evbuffer_get_length(piece) < PIECE)
        add_number(piece, count->next++);
    evhttp_send_reply_chunk_with_cb(request, piece, next_piece_cb, count);
}
#endif

/* GET /count?to=NUMBER: the numbers from 1 on, a line each. */
static void count_cb(struct evhttp_request *request, void *arg)
{
    unsigned long long to =
        read_to(evhttp_uri_get_query(evhttp_request_get_evhttp_uri(request)));

    if (to == 0) {
        evhttp_send_error(request, HTTP_BADREQUEST, NULL);
        return;
    }
    set_type(request);
#ifdef SOLUTION
    struct evhttp_connection *connection =
        evhttp_request_get_connection(request);
    struct count *count = malloc(sizeof(*count));
    must(count);
    *count = (struct count){request, 1, to};
    evhttp_connection_set_closecb(connection, lost_cb, count);
    evhttp_send_reply_start(request, HTTP_OK, NULL);
    next_piece_cb(connection, count);
#else
    /* yours: in pieces, each when the one before it has gone */
    struct evbuffer *lines = evbuffer_new();
    must(lines);
    for (unsigned long long number = 1; number <= to; number++)
        add_number(lines, number);
    evhttp_send_reply(request, HTTP_OK, NULL, lines);
    evbuffer_free(lines);
#endif
}

static void stop_cb(evutil_socket_t fd, short what, void *arg)
{
    event_base_loopbreak(arg);
}

static struct evhttp *serve(struct event_base *base, int port)
{
    struct evhttp *http = evhttp_new(base);

    must(http);
    evhttp_set_allowed_methods(http, EVHTTP_REQ_GET);
    evhttp_set_timeout(http, 60);
    must(evhttp_set_cb(http, "/count", count_cb, NULL) == 0);
    struct evhttp_bound_socket *bound =
        evhttp_bind_socket_with_handle(http, "127.0.0.1", (unsigned short)port);
    if (!bound)
        err(1, "cannot listen on port %d", port);
    print_ready(evhttp_bound_socket_get_fd(bound));
    return http;
}

int main(int argc, char **argv)
{
    struct event_base *base = event_base_new();
    int port = argc > 1 ? parse_port(argv[1]) : 8080;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc > 2 || port < 0)
        errx(2, "usage: counting [PORT]");
    signal(SIGPIPE, SIG_IGN);
    must(base);

    struct event *stop = evsignal_new(base, SIGTERM, stop_cb, base);
    must(stop && event_add(stop, NULL) == 0);
    struct evhttp *http = serve(base, port);
    int result = event_base_dispatch(base);

    evhttp_free(http);
    event_free(stop);
    event_base_free(base);
    return result < 0 ? 1 : 0;
}
