/* Starter and solution in one: look once you have passed (make compare-NN). */
/* guest-book.c -- a web server that keeps the names of its guests.
 *
 * Build: cc -o guest-book guest-book.c -levent_core -levent_extra
 * Run:   ./guest-book [PORT]            (8080, on 127.0.0.1)
 * Try:   curl -i 'http://127.0.0.1:8080/sign?name=Ann'
 */
#include <ctype.h>
#include <err.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>

enum { GUESTS_MAX = 1000, NAME_MAX_BYTES = 200 };

struct book {
    struct event_base *base;
    char *guests[GUESTS_MAX];
    int count;
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

static void must(bool is_done)
{
    if (!is_done)
        errx(1, "out of memory");
}

static void add(struct evbuffer *page, const char *text)
{
    must(evbuffer_add(page, text, strlen(text)) == 0);
}

/* Add a name as the text of an element of HTML. */
static void add_html(struct evbuffer *page, const char *name)
{
#ifdef SOLUTION
    char *text = evhttp_htmlescape(name);

    must(text);
    add(page, text);
    free(text);
#else
    add(page, name);
#endif
}

/* Add a name as a string of JSON. */
static void add_json(struct evbuffer *page, const char *name)
{
    add(page, "\"");
#ifdef SOLUTION
    for (const char *c = name; *c; c++)
        if (*c == '"' || *c == '\\' || (unsigned char)*c < ' ')
            must(evbuffer_add_printf(page, "\\u%04x", *c) > 0);
        else
            must(evbuffer_add(page, c, 1) == 0);
#else
    add(page, name);
#endif
    add(page, "\"");
}

/* Add a name as the value in a query. */
static void add_query(struct evbuffer *page, const char *name)
{
#ifdef SOLUTION
    char *text = evhttp_uriencode(name, -1, 0);

    must(text);
    add(page, text);
    free(text);
#else
    add(page, name);
#endif
}

/* The name in a query, name=NAME, as the guest has typed it; to be freed. NULL
 * if there is none, or if it is not valid. */
static char *read_name(const char *query)
{
    struct evkeyvalq fields;
    const char *value;
    char *name = NULL;

#ifdef SOLUTION
    if (!query || strstr(query, "%00") ||
        evhttp_parse_query_str(query, &fields) < 0)
        return NULL;
    value = evhttp_find_header(&fields, "name");
    if (value && *value && strlen(value) <= NAME_MAX_BYTES) {
        name = strdup(value);
        must(name);
    }
    evhttp_clear_headers(&fields);
#else
    if (!query || evhttp_parse_query_str(query, &fields) < 0)
        return NULL;
    value = evhttp_find_header(&fields, "name");
    if (!value || !*value || strlen(value) > NAME_MAX_BYTES)
        return NULL;
    name = evhttp_decode_uri(value);
    must(name);
    evhttp_clear_headers(&fields);
#endif
    return name;
}

/* Answer with a page, which is freed. */
static void answer(struct evhttp_request *request, int status, const char *type,
    struct evbuffer *page)
{
    must(evhttp_add_header(evhttp_request_get_output_headers(request),
             "Content-Type", type) == 0);
    evhttp_send_reply(request, status, NULL, page);
    evbuffer_free(page);
}

static struct evbuffer *new_page(void)
{
    struct evbuffer *page = evbuffer_new();

    must(page);
    return page;
}

/* /sign?name=NAME: write the name into the book, and lead the guest there. */
static void sign_cb(struct evhttp_request *request, void *arg)
{
    struct book *book = arg;
    struct evbuffer *page = new_page(), *place = new_page();
    char *name =
        read_name(evhttp_uri_get_query(evhttp_request_get_evhttp_uri(request)));

    if (!name || book->count == GUESTS_MAX) {
        free(name);
        evbuffer_free(place);
        add(page, "no such name\n");
        answer(request, HTTP_BADREQUEST, "text/plain", page);
        return;
    }
    book->guests[book->count++] = name;
    add(place, "/?new=");
    add_query(place, name);
    must(evbuffer_add(place, "", 1) == 0); /* the NUL at its end */
    /* libevent refuses a field with a line break in it. */
    int result = evhttp_add_header(evhttp_request_get_output_headers(request),
        "Location", (char *)evbuffer_pullup(place, -1));
    evbuffer_free(place);
    answer(request, result < 0 ? HTTP_INTERNAL : 303, "text/plain", page);
}

/* /guests: the names in JSON. */
static void guests_cb(struct evhttp_request *request, void *arg)
{
    struct book *book = arg;
    struct evbuffer *page = new_page();

    add(page, "{\"guests\": [");
    for (int i = 0; i < book->count; i++) {
        add(page, i > 0 ? ", " : "");
        add_json(page, book->guests[i]);
    }
    add(page, "]}\n");
    answer(request, HTTP_OK, "application/json", page);
}

/* All else: the names in HTML. */
static void page_cb(struct evhttp_request *request, void *arg)
{
    struct book *book = arg;
    struct evbuffer *page = new_page();

    add(page, "<!doctype html><title>Guests</title>\n<ul>\n");
    for (int i = 0; i < book->count; i++) {
        add(page, "<li>");
        add_html(page, book->guests[i]);
        add(page, "</li>\n");
    }
    add(page, "</ul>\n");
    answer(request, HTTP_OK, "text/html; charset=utf-8", page);
}

static void stop_cb(evutil_socket_t fd, short what, void *arg)
{
    event_base_loopbreak(arg);
}

static struct evhttp *serve(struct book *book, int port)
{
    struct evhttp *http = evhttp_new(book->base);

    must(http);
    evhttp_set_cb(http, "/sign", sign_cb, book);
    evhttp_set_cb(http, "/guests", guests_cb, book);
    evhttp_set_gencb(http, page_cb, book);
    struct evhttp_bound_socket *bound =
        evhttp_bind_socket_with_handle(http, "127.0.0.1", (unsigned short)port);
    if (!bound)
        err(1, "cannot listen on port %d", port);
    print_ready(evhttp_bound_socket_get_fd(bound));
    return http;
}

int main(int argc, char **argv)
{
    struct book book = {.base = event_base_new()};
    int port = argc > 1 ? parse_port(argv[1]) : 8080;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc > 2 || port < 0)
        errx(2, "usage: guest-book [PORT]");
    signal(SIGPIPE, SIG_IGN);
    must(book.base);

    struct event *stop = evsignal_new(book.base, SIGTERM, stop_cb, book.base);
    must(stop && event_add(stop, NULL) == 0);
    struct evhttp *http = serve(&book, port);
    int result = event_base_dispatch(book.base);

    evhttp_free(http);
    event_free(stop);
    event_base_free(book.base);
    for (int i = 0; i < book.count; i++)
        free(book.guests[i]);
    return result < 0 ? 1 : 0;
}
