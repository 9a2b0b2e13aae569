/* http-client.c -- gets what URLs stand for, several at once.
 *
 * Build: cc -o http-client http-client.c -levent_core -levent_extra
 * Run:   ./http-client {[-o FILE] [-d DATA] URL}...
 * Try:   ./http-client 'http://127.0.0.1:8080/hello?name=you'
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/http_struct.h> /* no call returns "minor" and "chunked" */

static const struct timeval IDLE = {30, 0}; /* to connect, or without a byte */

/* Bytes: of a URL, of an answer's head, and of what evhttp may hold of it. */
enum { URL_MAX = 8192, HEAD_MAX = 64 * 1024, HELD_MAX = 16 * 1024 * 1024 };
enum { REDIRECTS_MAX = 10 };

/* One URL to get. */
struct fetch {
    struct evhttp_uri *url; /* after a redirect, the new one */
    char host[URL_MAX + 8]; /* of it, with its port */
    const char *name;       /* the URL as it was given */
    const char *data;       /* to be sent with POST, or NULL */
    const char *file;       /* for the answer, or NULL: standard output */
    int fd;                 /* where a good answer goes, else 0 */
    int redirects;
    const char *failure; /* why the answer is of no use */
};

static struct event_base *base;
static struct evdns_base *dns;
static struct evhttp_connection **connections; /* behind the last, NULL */
static int unfinished, failed;                 /* of the fetches */

static void usage(int status)
{
    fprintf(status ? stderr : stdout,
        "usage: http-client {[-o FILE] [-d DATA] URL}...\n");
    exit(status);
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

/* The program ends if a call that has to succeed fails. */
static void must(int result)
{
    if (result < 0)
        errx(1, "a call failed");
}

/* Make TEXT the URL of a fetch, if it is a valid URL of http. */
static bool set_url(struct fetch *fetch, const char *text)
{
    if (strlen(text) >= URL_MAX || strncmp(text, "http://", 7) != 0)
        return false;
    struct evhttp_uri *url = evhttp_uri_parse(text);
    if (!url)
        return false;
    if (evhttp_uri_get_port(url) < 0)
        must(evhttp_uri_set_port(url, 80));
    if (*evhttp_uri_get_path(url) == '\0')
        must(evhttp_uri_set_path(url, "/"));
    snprintf(fetch->host, sizeof(fetch->host), "%s:%d",
        evhttp_uri_get_host(url), evhttp_uri_get_port(url));
    if (fetch->url)
        evhttp_uri_free(fetch->url);
    fetch->url = url;
    return true;
}

/* Make PLACE, to which the URL of a fetch redirects us, its URL. It may lack a
 * scheme and a host, and without a slash in front it lies beside the URL. */
static bool redirect(struct fetch *fetch, const char *place)
{
    const char *path = evhttp_uri_get_path(fetch->url);
    int beside = (int)(strrchr(path, '/') + 1 - path);
    char text[3 * URL_MAX];

    if (place[strcspn(place, ":/?#")] == ':' || strncmp(place, "//", 2) == 0)
        return set_url(fetch, place);
    snprintf(text, sizeof(text), "http://%s%.*s%s", fetch->host,
        *place == '/' ? 0 : beside, path,
        place + (strncmp(place, "./", 2) == 0 ? 2 : 0));
    return set_url(fetch, text);
}

static void fetch_end(struct fetch *fetch)
{
    if (fetch->fd > STDOUT_FILENO && close(fetch->fd) != 0 && !fetch->failure)
        fetch->failure = strerror(errno);
    failed += fetch->failure != NULL;
    if (fetch->failure)
        warnx("%s: %s%s", fetch->name, fetch->failure,
            fetch->fd > STDOUT_FILENO ? "; the file is incomplete" : "");
    evhttp_uri_free(fetch->url);
    unfinished--;
}

/* The head has come. HTTP/1.0 does not keep a connection, and a body without a
 * length ends with it. But evhttp closes only after "close", and after
 * "keep-alive" it reads no body: so set the fields that it needs. FILE is
 * opened only now, so that an error leaves it as it was. */
static int head_cb(struct evhttp_request *request, void *arg)
{
    struct fetch *fetch = arg;
    struct evkeyvalq *fields = evhttp_request_get_input_headers(request);

    if (request->minor == 0 ||
        !(request->chunked || evhttp_find_header(fields, "Content-Length"))) {
        while (evhttp_remove_header(fields, "Connection") == 0)
            ;
        must(evhttp_add_header(fields, "Connection", "close"));
    }
    if (evhttp_request_get_response_code(request) / 100 != 2)
        return 0;
    fetch->fd = fetch->file ? creat(fetch->file, 0666) : STDOUT_FILENO;
    fetch->failure = fetch->fd < 0 ? strerror(errno) : NULL;
    return fetch->fd < 0 ? -1 : 0; /* below 0: evhttp fails */
}

/* A part of the body has come: write it; evhttp drops bytes that we leave. The
 * time in which writing blocks does not count as the server's. */
static void part_cb(struct evhttp_request *request, void *arg)
{
    struct fetch *fetch = arg;
    struct evbuffer *part = evhttp_request_get_input_buffer(request);

    while (fetch->fd > 0 && evbuffer_get_length(part) > 0)
        if (evbuffer_write(part, fetch->fd) < 0) {
            fetch->failure = strerror(errno);
            evhttp_cancel_request(request); /* done_cb is not called */
            fetch_end(fetch);
            return;
        }
    event_base_update_cache_time(base);
    evhttp_connection_set_timeout_tv(
        evhttp_request_get_connection(request), &IDLE);
}

/* evhttp keeps a chunk, or the line with its size, until it is complete; its
 * limit counts all chunks together. So we limit the bytes that it keeps. */
static void input_cb(
    struct evbuffer *input, const struct evbuffer_cb_info *info, void *arg)
{
    if (evbuffer_get_length(input) > HELD_MAX)
        shutdown(bufferevent_getfd(arg), SHUT_RDWR);
}

/* What went wrong; evhttp calls done_cb next. */
static void error_cb(enum evhttp_request_error error, void *arg)
{
    struct fetch *fetch = arg;
    const char *reason = error == EVREQ_HTTP_TIMEOUT ? "timed out"
                         : error == EVREQ_HTTP_EOF ? "no connection, or cut off"
                                                   : "not an answer of HTTP";

    fetch->failure = fetch->failure ? fetch->failure : reason;
}

/* The connection to the server of a fetch: one that we have, where evhttp lets
 * requests wait for each other, or a new one. It wants IPv6 addresses bare. */
static struct evhttp_connection *connection_of(const struct fetch *fetch)
{
    struct evhttp_connection **slot = connections;
    int port = evhttp_uri_get_port(fetch->url);
    char name[URL_MAX + 8], *its_name;
    ev_uint16_t its_port;

    snprintf(name, sizeof(name), "%s", fetch->host + (*fetch->host == '['));
    name[strcspn(name, *fetch->host == '[' ? "]" : ":")] = '\0';
    for (; *slot; slot++) {
        evhttp_connection_get_peer(*slot, &its_name, &its_port);
        if (its_port == port && strcmp(its_name, name) == 0)
            return *slot;
    }
    *slot = evhttp_connection_base_new(base, dns, name, (ev_uint16_t)port);
    must(*slot ? 0 : -1);
    struct bufferevent *bev = evhttp_connection_get_bufferevent(*slot);
    must(evbuffer_add_cb(bufferevent_get_input(bev), input_cb, bev) ? 0 : -1);
    evhttp_connection_set_timeout_tv(*slot, &IDLE);
    evhttp_connection_set_max_headers_size(*slot, HEAD_MAX);
    return *slot;
}

static void done_cb(struct evhttp_request *request, void *arg);

/* Ask for a URL. If it fails at once, done_cb is called before this returns. */
static void send_request(struct fetch *fetch)
{
    struct evhttp_request *request = evhttp_request_new(done_cb, fetch);
    const char *query = evhttp_uri_get_query(fetch->url);
    char target[2 * URL_MAX];

    must(request ? 0 : -1);
    struct evkeyvalq *fields = evhttp_request_get_output_headers(request);
    evhttp_request_set_header_cb(request, head_cb);
    evhttp_request_set_chunked_cb(request, part_cb);
    evhttp_request_set_error_cb(request, error_cb);
    must(evhttp_add_header(fields, "Host", fetch->host));
    if (fetch->data) {
        must(evhttp_add_header(
            fields, "Content-Type", "application/x-www-form-urlencoded"));
        must(evbuffer_add(evhttp_request_get_output_buffer(request),
            fetch->data, strlen(fetch->data)));
    }
    snprintf(target, sizeof(target), "%s%s%s", evhttp_uri_get_path(fetch->url),
        query ? "?" : "", query ? query : "");
    must(evhttp_make_request(connection_of(fetch), request,
        fetch->data ? EVHTTP_REQ_POST : EVHTTP_REQ_GET, target));
}

/* A request is done. REQUEST is NULL if it has failed, see error_cb; its status
 * is 0 if the server has refused the connection. A redirected POST is repeated
 * only after 307 and 308; else it becomes a GET, as in browsers. */
static void done_cb(struct evhttp_request *request, void *arg)
{
    struct fetch *fetch = arg;
    int status = request ? evhttp_request_get_response_code(request) : 0;
    const char *place = NULL, *reason;
    char text[128];

    if (status / 100 == 3)
        place = evhttp_find_header(
            evhttp_request_get_input_headers(request), "Location");
    if (place && !redirect(fetch, place)) {
        fetch->failure = "redirected, but not to a URL of http";
    } else if (place && fetch->redirects++ == REDIRECTS_MAX) {
        fetch->failure = "too many redirects";
    } else if (place) {
        fetch->data = status < 307 ? NULL : fetch->data;
        send_request(fetch);
        return;
    } else if (!fetch->failure && status / 100 != 2) {
        reason = status ? evhttp_request_get_response_code_line(request) : "";
        snprintf(text, sizeof(text), "the server answered %d%s%s", status,
            *reason ? " " : "", reason);
        for (char *c = text; *c; c++) /* other bytes may control a terminal */
            *c = *c < ' ' || *c > '~' ? '?' : *c;
        fetch->failure = status ? text : "cannot connect";
    }
    fetch_end(fetch);
}

/* FILE and DATA are for the URL behind them. Only one URL may lack a FILE. */
static void parse_fetches(struct fetch *next, char **argv)
{
    int without_file = 0;

    while (*++argv) {
        if (strcmp(*argv, "-o") == 0 && argv[1]) {
            next->file = *++argv;
        } else if (strcmp(*argv, "-d") == 0 && argv[1]) {
            next->data = *++argv;
        } else if (**argv == '-') {
            usage(2);
        } else {
            if (!set_url(next, *argv))
                errx(2, "not a URL of http: %s", *argv);
            without_file += !next->file;
            unfinished++;
            next++->name = *argv;
        }
    }
    if (!unfinished || next->file || next->data || without_file > 1)
        usage(2);
}

int main(int argc, char **argv)
{
    open_standard_fds();
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        usage(0);
    signal(SIGPIPE, SIG_IGN); /* writing to a closed connection must fail */

    struct fetch *fetches = calloc((size_t)argc, sizeof(*fetches));
    connections = calloc((size_t)argc * (1 + REDIRECTS_MAX), sizeof(void *));
    base = event_base_new();
    must(base && fetches && connections ? 0 : -1);
    parse_fetches(fetches, argv);
    dns = evdns_base_new(base, 0);
    must(dns ? evdns_base_set_option(dns, "randomize-case:", "0") : -1);
    evdns_base_resolv_conf_parse(dns, DNS_OPTIONS_ALL, "/etc/resolv.conf");

    for (struct fetch *fetch = fetches; fetch->name; fetch++)
        send_request(fetch);
    while (unfinished > 0) /* kept connections would go on */
        must(event_base_loop(base, EVLOOP_ONCE) == 0 ? 0 : -1);

    for (int i = 0; connections[i]; i++)
        evhttp_connection_free(connections[i]);
    evdns_base_free(dns, 0);
    event_base_free(base);
    free(connections);
    free(fetches);
    return failed > 0 ? 1 : 0;
}
