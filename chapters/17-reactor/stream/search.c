/* search.c -- positions, searching, lines
 *
 * A position is a number of bytes from the front.
 */
#include <string.h>

#include "stream.h"

#include <event2/buffer_compat.h>

int evbuffer_ptr_set(struct evbuffer *buf, struct evbuffer_ptr *ptr,
    size_t position, enum evbuffer_ptr_how how)
{
    if (how == EVBUFFER_PTR_ADD && ptr->pos >= 0)
        position = position <= SIZE_MAX - (size_t)ptr->pos
                       ? position + (size_t)ptr->pos
                       : SIZE_MAX;
    else if (how == EVBUFFER_PTR_ADD)
        position = SIZE_MAX;
    ptr->internal_.chain = NULL;
    ptr->internal_.pos_in_chain = 0;
    ptr->pos = position <= buf->length ? (ev_ssize_t)position : -1;
    return ptr->pos < 0 ? -1 : 0;
}

static struct evbuffer_ptr pointer_to(ev_ssize_t position)
{
    struct evbuffer_ptr ptr = {.pos = position};

    return ptr;
}

/* Where a byte comes first from a position on, before the end; -1: nowhere. */
static ev_ssize_t find_byte(
    const struct evbuffer *buf, size_t from, size_t end, int byte)
{
    size_t within = from;
    const struct chunk *chunk = chunk_at_(buf, &within);

    for (; chunk && from < end; chunk = chunk->next) {
        const unsigned char *bytes = chunk->bytes + chunk->start + within;
        size_t part = chunk->length - within;
        const unsigned char *found = part ? memchr(bytes, byte, part) : NULL;

        if (found && from + (size_t)(found - bytes) < end)
            return (ev_ssize_t)(from + (size_t)(found - bytes));
        from += part;
        within = 0;
    }
    return -1;
}

static int is_at(const struct evbuffer *buf, size_t position,
    const unsigned char *what, size_t length)
{
    const struct chunk *chunk = chunk_at_(buf, &position);

    for (; chunk && length; chunk = chunk->next) {
        size_t part = chunk->length - position;

        part = part < length ? part : length;
        if (memcmp(chunk->bytes + chunk->start + position, what, part) != 0)
            return 0;
        what += part;
        length -= part;
        position = 0;
    }
    return length == 0;
}

struct evbuffer_ptr evbuffer_search_range(struct evbuffer *buf,
    const char *what, size_t length, const struct evbuffer_ptr *start,
    const struct evbuffer_ptr *end)
{
    ev_ssize_t from = start ? start->pos : 0;
    size_t limit = end && end->pos >= 0 ? (size_t)end->pos : buf->length;

    if (!length || length > EV_SSIZE_MAX)
        return pointer_to(-1);
    limit = limit < buf->length ? limit : buf->length;
    while (from >= 0) {
        from = find_byte(buf, (size_t)from, limit, (unsigned char)*what);
        if (from < 0 || (size_t)from + length > limit)
            break;
        if (is_at(buf, (size_t)from, (const unsigned char *)what, length))
            return pointer_to(from);
        from++;
    }
    return pointer_to(-1);
}

struct evbuffer_ptr evbuffer_search(struct evbuffer *buf, const char *what,
    size_t length, const struct evbuffer_ptr *start)
{
    return evbuffer_search_range(buf, what, length, start, NULL);
}

static int byte_at(const struct evbuffer *buf, size_t position)
{
    const struct chunk *chunk = chunk_at_(buf, &position);

    return chunk ? chunk->bytes[chunk->start + position] : -1;
}

static int ends_line(int byte)
{
    return byte == '\r' || byte == '\n';
}

/* Any row of CR and LF ends a line. */
static ev_ssize_t find_any(
    const struct evbuffer *buf, size_t from, size_t *length)
{
    ev_ssize_t cr = find_byte(buf, from, buf->length, '\r');
    size_t end = cr < 0 ? buf->length : (size_t)cr;
    ev_ssize_t lf = find_byte(buf, from, end, '\n');
    ev_ssize_t at = lf < 0 ? cr : lf;

    if (at >= 0)
        while (ends_line(byte_at(buf, (size_t)at + *length)))
            ++*length;
    return at;
}

struct evbuffer_ptr evbuffer_search_eol(struct evbuffer *buf,
    struct evbuffer_ptr *start, size_t *length_out,
    enum evbuffer_eol_style style)
{
    size_t from = start && start->pos > 0 ? (size_t)start->pos : 0, length = 0;
    ev_ssize_t at = -1;

    if (style == EVBUFFER_EOL_ANY)
        at = find_any(buf, from, &length);
    else if (style == EVBUFFER_EOL_CRLF_STRICT)
        at = evbuffer_search(buf, "\r\n", 2, start).pos;
    else
        at = find_byte(
            buf, from, buf->length, style == EVBUFFER_EOL_NUL ? '\0' : '\n');
    if (style == EVBUFFER_EOL_CRLF_STRICT)
        length = 2;
    else if (style != EVBUFFER_EOL_ANY)
        length = 1;
    if (style == EVBUFFER_EOL_CRLF && at > (ev_ssize_t)from &&
        byte_at(buf, (size_t)at - 1) == '\r') {
        at--;
        length = 2;
    }
    if (length_out)
        *length_out = at < 0 ? 0 : length;
    return pointer_to(at);
}

char *evbuffer_readln(
    struct evbuffer *buf, size_t *length_out, enum evbuffer_eol_style style)
{
    size_t end;
    struct evbuffer_ptr at = evbuffer_search_eol(buf, NULL, &end, style);
    char *line = NULL;

    if (length_out)
        *length_out = 0;
    if (at.pos < 0 || buf->frozen_front)
        return NULL;
    line = resize_(NULL, (size_t)at.pos + 1);
    if (!line) {
        warn_(0, "evbuffer_readln: out of memory");
        return NULL;
    }
    evbuffer_remove(buf, line, (size_t)at.pos);
    line[at.pos] = '\0';
    if (length_out)
        *length_out = (size_t)at.pos;
    evbuffer_drain(buf, end);
    return line;
}

/* As libevent 1.4 had it. */
char *evbuffer_readline(struct evbuffer *buf)
{
    return evbuffer_readln(buf, NULL, EVBUFFER_EOL_ANY);
}
