/* lines.c -- where a line ends, and lines as strings
 */
#include <string.h>

#include "stream.h"

/* Where a byte comes first from a position on, before the end; -1: nowhere. */
ev_ssize_t find_byte_(
    const struct evbuffer *buf, size_t from, size_t end, int byte)
{
    size_t within = from;
    const struct chunk *chunk = chunk_at_(buf, &within);

    for (; chunk && from < end; chunk = TAILQ_NEXT(chunk, next)) {
        const unsigned char *bytes = chunk->bytes + chunk->start + within;
        size_t part = least_(chunk->length - within, end - from);
        const unsigned char *found = part ? memchr(bytes, byte, part) : NULL;

        if (found)
            return (ev_ssize_t)(from + (size_t)(found - bytes));
        from += part;
        within = 0;
    }
    return -1;
}

static int byte_at(const struct evbuffer *buf, size_t position)
{
    const struct chunk *chunk = chunk_at_(buf, &position);

    return chunk ? chunk->bytes[chunk->start + position] : -1;
}

/* A row of CR and LF is one end. */
static ev_ssize_t find_any(
    const struct evbuffer *buf, size_t from, size_t *length)
{
    ev_ssize_t cr = find_byte_(buf, from, buf->length, '\r');
    ev_ssize_t lf =
        find_byte_(buf, from, cr < 0 ? buf->length : (size_t)cr, '\n');
    size_t at = (size_t)(lf < 0 ? cr : lf), end = at;
    int byte;

    if (lf < 0 && cr < 0)
        return -1;
    do
        byte = byte_at(buf, ++end);
    while (byte == '\r' || byte == '\n');
    *length = end - at;
    return (ev_ssize_t)at;
}

struct evbuffer_ptr evbuffer_search_eol(struct evbuffer *buf,
    struct evbuffer_ptr *start, size_t *length_out,
    enum evbuffer_eol_style style)
{
    size_t from = start && start->pos > 0 ? (size_t)start->pos : 0, length = 1;
    struct evbuffer_ptr at = {.pos = (ev_ssize_t)from - 1};
    int byte = style == EVBUFFER_EOL_NUL ? '\0' : '\n', after_cr;

    if (style == EVBUFFER_EOL_ANY) {
        at.pos = find_any(buf, from, &length);
    } else {
        do {
            at.pos = find_byte_(buf, (size_t)at.pos + 1, buf->length, byte);
            after_cr = at.pos > (ev_ssize_t)from &&
                       byte_at(buf, (size_t)at.pos - 1) == '\r';
        } while (style == EVBUFFER_EOL_CRLF_STRICT && at.pos >= 0 && !after_cr);
        if (after_cr &&
            (style == EVBUFFER_EOL_CRLF || style == EVBUFFER_EOL_CRLF_STRICT)) {
            at.pos--;
            length = 2;
        }
    }
    if (length_out)
        *length_out = at.pos < 0 ? 0 : length;
    return at;
}

char *evbuffer_readln(
    struct evbuffer *buf, size_t *length_out, enum evbuffer_eol_style style)
{
    size_t end, length;
    struct evbuffer_ptr at = evbuffer_search_eol(buf, NULL, &end, style);
    char *line = NULL;

    if (length_out)
        *length_out = 0;
    if (at.pos < 0 || buf->frozen_front)
        return NULL;
    length = (size_t)at.pos;
    line = alloc_(length + 1);
    if (!line) {
        warn_(0, "evbuffer_readln: out of memory");
        return NULL;
    }
    evbuffer_remove(buf, line, length);
    line[length] = '\0';
    if (length_out)
        *length_out = length;
    evbuffer_drain(buf, end);
    return line;
}
