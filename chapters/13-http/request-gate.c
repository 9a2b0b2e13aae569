/* request-gate.c -- checks requests before evhttp reads them.
 *
 * It is a part of http-server, of http-api, and of https-server in chapter 14.
 * request-gate.h says what it is for, and how it is called.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

#include <event2/buffer.h>
#include <event2/event.h>

#include "request-gate.h"

/* The statuses that evhttp has no name for. */
enum {
    TOO_SLOW = 408,
    LENGTH_NEEDED = 411,
    HEAD_TOO_LONG = 431,
    WRONG_VERSION = 505
};

enum { MOST = 65536 }; /* descriptors: a connection beyond them is closed */

/* evhttp reads this in place of a request that is not valid. */
static const char SUBSTITUTE[] = "GET /refused HTTP/1.1\r\nHost: x\r\n\r\n";

/* The bytes that may stand in a field's name: RFC 9110, section 5.6.2. */
static const char TOKEN[] = "!#$%&'*+-.^_`|~0123456789"
                            "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                            "abcdefghijklmnopqrstuvwxyz";

/* What a head says, as far as we need it. */
struct facts {
    size_t body;    /* bytes */
    unsigned hosts; /* fields of that name */
    bool needs_host, is_head, has_length;
};

/* The gate of a connection. */
struct gate {
    struct bufferevent *bev;
    enum { HEAD, PASSED, REFUSED } state; /* REFUSED once that is sent */
    int status;                           /* to refuse with, or 0 */
    double began; /* when the first byte of the request came */
    size_t body;  /* bytes that are still to come, once it has PASSED */
    size_t size;  /* bytes in head */
    char head[];
};

static struct request_limits limits;
static struct gate *gates[MOST]; /* by descriptor */

/* Milliseconds by the exact clock, whichever the base uses. */
static double clock_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* Take the next line of *REST, which moves behind it. NULL if it does not end
 * in CR LF. */
static char *next_line(char **rest)
{
    char *line = *rest;
    char *end = strchr(line, '\n');

    if (!end || end == line || end[-1] != '\r')
        return NULL;
    end[-1] = '\0';
    *rest = end + 1;
    return line;
}

/* Check the first line of a head: METHOD TARGET VERSION. 0, or the status that
 * refuses it. */
static int check_first_line(char *line, struct facts *facts)
{
    char *target = strchr(line, ' ');
    char *version = target ? strchr(target + 1, ' ') : NULL;

    if (!version)
        return HTTP_BADREQUEST;
    *target++ = '\0';
    *version++ = '\0';
    for (const char *c = target; *c; c++)
        if (*c <= ' ' || *c > '~')
            return HTTP_BADREQUEST;
    if (*target != '/' && strncmp(target, "http://", 7) != 0)
        return HTTP_BADREQUEST;
    facts->needs_host = strcmp(version, "HTTP/1.1") == 0;
    if (!facts->needs_host && strcmp(version, "HTTP/1.0") != 0)
        return WRONG_VERSION;
    facts->is_head = strcmp(line, "HEAD") == 0;
    if (!facts->is_head && strcmp(line, "GET") != 0 &&
        strcmp(line, "POST") != 0)
        return HTTP_NOTIMPLEMENTED;
    return 0;
}

/* Check the length of a body. Digits alone: strtoull(3) takes +3 as well. */
static int check_length(const char *value, struct facts *facts)
{
    size_t digits = strspn(value, "0123456789");

    if (facts->has_length || digits == 0 || value[digits] != '\0')
        return HTTP_BADREQUEST;
    facts->has_length = true;
    if (digits > 12 || strtoull(value, NULL, 10) > limits.body)
        return HTTP_ENTITYTOOLARGE;
    facts->body = strtoull(value, NULL, 10);
    return 0;
}

/* Check a field of the head, NAME: VALUE. */
static int check_field(char *line, struct facts *facts)
{
    size_t name = strspn(line, TOKEN);
    char *value = line + name + 1;

    if (name == 0 || line[name] != ':')
        return HTTP_BADREQUEST;
    line[name] = '\0';
    value += strspn(value, " \t");
    for (size_t n = strlen(value); n > 0 && strchr(" \t", value[n - 1]); n--)
        value[n - 1] = '\0';
    for (const char *c = value; *c; c++)
        if (iscntrl((unsigned char)*c) && *c != '\t')
            return HTTP_BADREQUEST;
    if (strcasecmp(line, "Content-Length") == 0)
        return check_length(value, facts);
    if (strcasecmp(line, "Transfer-Encoding") == 0)
        return LENGTH_NEEDED;
    if (strcasecmp(line, "Expect") == 0 &&
        strcasecmp(value, "100-continue") != 0)
        return HTTP_EXPECTATIONFAILED;
    if (strcasecmp(line, "Host") == 0 && ++facts->hosts > 1)
        return HTTP_BADREQUEST;
    return 0;
}

/* Check a head, a string that is taken to pieces. 0, with the length of the
 * body that follows, or the status that refuses it. */
static int check_head(char *head, size_t *body)
{
    struct facts facts = {0};
    char *line = next_line(&head);
    int status = line ? check_first_line(line, &facts) : HTTP_BADREQUEST;

    while (status == 0 && (line = next_line(&head)) && *line)
        status = check_field(line, &facts);
    if (status == 0 &&
        (!line || (facts.needs_host && facts.hosts == 0) ||
            (facts.is_head && facts.body > 0))) /* evhttp would not read it */
        status = HTTP_BADREQUEST;
    *body = facts.body;
    return status;
}

/* How many of the SIZE bytes at TEXT are a head: up to the first empty line. 0
 * if there is none yet. A line may end in LF alone here: check_head refuses
 * it. */
static size_t head_length(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        size_t line = i; /* where its end begins */

        if (text[i] != '\n')
            continue;
        if (line > 0 && text[line - 1] == '\r')
            line--;
        if (line == 0 || text[line - 1] == '\n')
            return i + 1;
    }
    return 0;
}

static bool is_late(const struct gate *gate)
{
    return clock_ms() - gate->began > (double)limits.time;
}

/* End a connection without an answer: evhttp sees the end and closes. */
static void cut(struct gate *gate)
{
    shutdown(bufferevent_getfd(gate->bev), SHUT_RDWR);
}

/* Give evhttp the substitute in place of the bytes that have come. */
static void refuse(struct gate *gate, struct evbuffer *input, int status)
{
    gate->state = PASSED;
    gate->status = status;
    evbuffer_drain(input, evbuffer_get_length(input));
    if (evbuffer_prepend(input, SUBSTITUTE, strlen(SUBSTITUTE)) < 0)
        cut(gate);
}

/* Give evhttp the bytes that we have kept back, if they are valid: a head, and
 * perhaps the bytes that follow it. */
static void hand_over(struct gate *gate, struct evbuffer *input, size_t head)
{
    gate->state = PASSED; /* before arrived_cb sees it again */
    if (evbuffer_prepend(input, gate->head, gate->size) < 0) {
        cut(gate);
        return;
    }
    size_t body, behind = evbuffer_get_length(input) - head;

    gate->head[head] = '\0';
    int status = check_head(gate->head, &body);
    if (status)
        refuse(gate, input, status);
    else
        gate->body = body > behind ? body - behind : 0;
}

/* Hide the bytes of a head from evhttp until the head is complete. */
static void take_head(struct gate *gate, struct evbuffer *input)
{
    if (gate->size == 0)
        gate->began = clock_ms();
    int got = evbuffer_remove(
        input, gate->head + gate->size, limits.head - gate->size);
    gate->size += got > 0 ? (size_t)got : 0;
    size_t head = head_length(gate->head, gate->size);

    if (is_late(gate))
        refuse(gate, input, TOO_SLOW);
    else if (head > 0)
        hand_over(gate, input, head);
    else if (gate->size == limits.head)
        refuse(gate, input, HEAD_TOO_LONG);
}

/* Bytes have come, and evhttp has not seen them yet. Bytes behind a request
 * wait until the request is answered. */
static void arrived_cb(
    struct evbuffer *input, const struct evbuffer_cb_info *info, void *arg)
{
    struct gate *gate = arg;
    size_t came = info->n_added;

    if (came == 0)
        return;
    if (gate->state == HEAD) {
        take_head(gate, input);
    } else if (gate->state == REFUSED) {
        evbuffer_drain(input, evbuffer_get_length(input));
        if (is_late(gate))
            cut(gate);
    } else if (gate->body > 0) {
        gate->body -= came < gate->body ? came : gate->body;
        if (is_late(gate))
            cut(gate);
    }
}

/* Make the gate of BEV. It is stored by descriptor, and the next connection
 * with that descriptor reuses it: evhttp does not report the end of one. */
static struct gate *new_gate(struct bufferevent *bev)
{
    int fd = bufferevent_getfd(bev);

    if (fd >= MOST)
        return NULL;
    if (!gates[fd])
        gates[fd] = malloc(sizeof(struct gate) + limits.head + 1);
    if (gates[fd])
        *gates[fd] = (struct gate){.bev = bev};
    return gates[fd];
}

/* The first bytes of a connection: only now it has its descriptor. */
static void first_bytes_cb(
    struct evbuffer *input, const struct evbuffer_cb_info *info, void *arg)
{
    struct bufferevent *bev = arg;
    struct gate *gate = new_gate(bev);

    evbuffer_remove_cb(input, first_bytes_cb, bev);
    if (gate && evbuffer_add_cb(input, arrived_cb, gate)) {
        arrived_cb(input, info, gate);
    } else {
        evbuffer_drain(input, evbuffer_get_length(input));
        shutdown(bufferevent_getfd(bev), SHUT_RDWR);
    }
}

/* The gate of a request's connection, or NULL if it has none. */
static struct gate *gate_of(struct evhttp_request *request)
{
    struct bufferevent *bev = evhttp_connection_get_bufferevent(
        evhttp_request_get_connection(request));
    struct evbuffer *input = bufferevent_get_input(bev);
    int fd = bufferevent_getfd(bev);

    if (fd >= MOST || !gates[fd] || gates[fd]->bev != bev)
        return NULL;
    /* The descriptor and the address may have belonged to a connection that is
     * gone, and this one may have no gate: only the callback proves that it
     * has. */
    if (evbuffer_remove_cb(input, arrived_cb, gates[fd]) < 0 ||
        !evbuffer_add_cb(input, arrived_cb, gates[fd]))
        return NULL;
    return gates[fd];
}

void request_gate_start(const struct request_limits *the_limits)
{
    limits = *the_limits;
}

/* The watermark is a limit while evhttp reads only to see the end of a
 * connection, and keeps all bytes that come. */
bool request_gate_attach(struct bufferevent *bev)
{
    struct evbuffer *input = bufferevent_get_input(bev);

    if (!evbuffer_add_cb(input, first_bytes_cb, bev))
        return false;
    bufferevent_setwatermark(bev, EV_READ, 0, limits.head + limits.body);
    return true;
}

struct bufferevent *request_gate_bevcb(struct event_base *base, void *arg)
{
    struct bufferevent *bev = bufferevent_socket_new(base, -1, 0);

    if (bev && !request_gate_attach(bev)) {
        bufferevent_free(bev);
        bev = NULL;
    }
    return bev;
}

/* At "Connection: close" evhttp would close at once. The client may still be
 * sending: a reset would destroy the answer on its way. "close, close" has
 * the same meaning, but not for evhttp. */
int request_gate_status(struct evhttp_request *request)
{
    struct gate *gate = gate_of(request);
    int status = gate ? gate->status : HTTP_SERVUNAVAIL;

    if (status)
        evhttp_add_header(evhttp_request_get_output_headers(request),
            "Connection", "close, close");
    return status;
}

void request_gate_next(struct evhttp_request *request)
{
    struct gate *gate = gate_of(request);

    if (!gate)
        return;
    struct evbuffer *input = bufferevent_get_input(gate->bev);
    size_t waiting = evbuffer_get_length(input);

    if (gate->status == 0) {
        *gate = (struct gate){.bev = gate->bev};
        if (waiting > 0)
            take_head(gate, input);
        return;
    }
    gate->state = REFUSED;
    evbuffer_drain(input, waiting);
    if (limits.half_close)
        limits.half_close(gate->bev);
    else
        shutdown(bufferevent_getfd(gate->bev), SHUT_WR);
}

void request_gate_end(void)
{
    for (int fd = 0; fd < MOST; fd++) {
        free(gates[fd]);
        gates[fd] = NULL;
    }
}
