/* http-requests.c -- the fuzz target of request-gate: see scripts/fuzz.
 *
 * The same bytes are sent to an HTTP server in one piece and in many. It must
 * not crash, hang on to a connection, or give other answers to the pieces. And
 * evhttp must see the requests that the gate sees: the same methods, targets
 * and bodies, one after the other, and none that the gate has not let pass.
 */

#define main http_api_main
#include "http-api.c"
#include "request-gate.c"
#undef main

#include "local-socket.h"

enum { LONGEST = 1 << 16 };

struct text {
    char bytes[LONGEST];
    size_t length;
};

static const struct request_limits SMALL = {
    .head = 256, .body = 64, .time = 3600 * 1000};

static struct server server;
static struct text seen; /* the requests that evhttp has read */

static void turn(void)
{
    if (event_base_loop(server.base, EVLOOP_NONBLOCK) < 0)
        abort();
}

/* Note a request, or that one is refused. */
static void note(struct text *text, const char *method, const char *target,
    const unsigned char *body, size_t size)
{
    text->length += (size_t)snprintf(text->bytes + text->length,
        sizeof(text->bytes) - text->length, "%s %s ", method, target);
    for (size_t i = 0; i < size; i++)
        text->length += (size_t)snprintf(text->bytes + text->length,
            sizeof(text->bytes) - text->length, "%02x", body[i]);
    text->length += (size_t)snprintf(
        text->bytes + text->length, sizeof(text->bytes) - text->length, "\n");
    if (text->length + 1024 > sizeof(text->bytes))
        abort(); /* the inputs are too short for that */
}

/* What the gate sees in the bytes, up to the first request that it refuses. */
static void expect(const uint8_t *data, size_t size, struct text *expected)
{
    static char head[LONGEST];
    size_t at = 0, body, length;

    expected->length = 0;
    while ((length = head_length((const char *)data + at,
                size - at < SMALL.head ? size - at : SMALL.head)) > 0) {
        memcpy(head, data + at, length);
        head[length] = '\0';
        if (check_head(head, &body) != 0 || body > size - at - length)
            break;
        at += length;
        note(expected, head, head + strlen(head) + 1, data + at, body);
        at += body;
    }
}

/* All requests: what evhttp has read, and an answer that depends on it. */
static void request_cb(struct evhttp_request *request, void *arg)
{
    struct evbuffer *body = evhttp_request_get_input_buffer(request);
    enum evhttp_cmd_type type = evhttp_request_get_command(request);
    size_t size = evbuffer_get_length(body);

    if (gate_of(request)->status == 0)
        note(&seen,
            type == EVHTTP_REQ_GET    ? "GET"
            : type == EVHTTP_REQ_HEAD ? "HEAD"
                                      : "POST",
            evhttp_request_get_uri(request), evbuffer_pullup(body, -1), size);
    if (type == EVHTTP_REQ_POST)
        echo_cb(request, arg);
    else
        hello_cb(request, arg);
}

/* Let the server work until it has nothing more to say. Whether it has closed.
 */
static bool collect(int fd, struct text *answers)
{
    for (int quiet = 0; quiet < 4; quiet++) {
        ssize_t got;

        turn();
        while ((got = read(fd, answers->bytes + answers->length,
                    sizeof(answers->bytes) - answers->length)) > 0) {
            answers->length += (size_t)got;
            quiet = 0;
        }
        if (got == 0 || (errno != EAGAIN && errno != EINTR))
            return true;
    }
    return false;
}

/* The answers are compared, and the second may change between them. */
static void remove_dates(struct text *answers)
{
    char *at = answers->bytes, *end = at + answers->length;

    while (
        (at = memmem(at, (size_t)(end - at), "\nDate: ", 7)) && at + 36 <= end)
        memset(at + 7, '-', 29), at += 7;
}

/* Send the bytes in pieces of 1 to MOST bytes, whose lengths follow from the
 * bytes themselves, and end the input. */
static void converse(
    const uint8_t *data, size_t size, size_t most, struct text *answers)
{
    int fd = connect_locally();
    size_t sent = 0;

    answers->length = seen.length = 0;
    if (evutil_make_socket_nonblocking(fd) < 0)
        abort();
    while (sent < size) {
        size_t piece = 1 + (data[sent] * 7 + sent) % most;

        piece = piece < size - sent ? piece : size - sent;
        if (write(fd, data + sent, piece) != (ssize_t)piece)
            break;
        sent += piece;
        if (most < size)
            collect(fd, answers);
    }
    shutdown(fd, SHUT_WR);
    if (!collect(fd, answers))
        abort();
    close(fd);
    turn();
    if (server.answering != 0)
        abort();
    remove_dates(answers);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    signal(SIGPIPE, SIG_IGN);
    setlocale(LC_CTYPE, "C.UTF-8");
    server.base = event_base_new();
    server.rest_event =
        event_new(server.base, -1, EV_PERSIST, rest_cb, &server);
    server.http = new_api(&server);
    evhttp_del_cb(server.http, "/hello");
    evhttp_del_cb(server.http, "/echo");
    evhttp_del_cb(server.http, "/clock"); /* it has no end */
    evhttp_set_gencb(server.http, request_cb, &server);
    request_gate_start(&SMALL);
    listen_locally(&server);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct text whole, pieces, expected;

    if (size > 4096)
        return 0;
    expect(data, size, &expected);
    converse(data, size, 1 << 20, &whole);
    /* Fewer, where one of them was the last of its connection. */
    if (seen.length > expected.length ||
        memcmp(seen.bytes, expected.bytes, seen.length) != 0)
        abort();
    converse(data, size, 9, &pieces);
    if (whole.length != pieces.length ||
        memcmp(whole.bytes, pieces.bytes, whole.length) != 0)
        abort();
    return 0;
}
