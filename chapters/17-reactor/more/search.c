/* search.c -- positions in a buffer, and searching
 *
 * A position is a number of bytes from the front.
 */
#include <string.h>

#include "../stream/stream.h"

int evbuffer_ptr_set(struct evbuffer *buf, struct evbuffer_ptr *ptr,
    size_t position, enum evbuffer_ptr_how how)
{
    size_t before = how == EVBUFFER_PTR_ADD ? (size_t)ptr->pos : 0;
    int fits = before <= buf->length && position <= buf->length - before;

    *ptr = (struct evbuffer_ptr){.pos = -1};
    if (fits)
        ptr->pos = (ev_ssize_t)(before + position);
    return fits ? 0 : -1;
}

static int is_at(const struct evbuffer *buf, size_t position, const char *what,
    size_t length)
{
    const struct chunk *chunk = chunk_at_(buf, &position);

    for (; chunk && length; chunk = TAILQ_NEXT(chunk, next), position = 0) {
        size_t part = least_(chunk->length - position, length);

        if (memcmp(chunk->bytes + chunk->start + position, what, part) != 0)
            return 0;
        what += part;
        length -= part;
    }
    return length == 0;
}

struct evbuffer_ptr evbuffer_search_range(struct evbuffer *buf,
    const char *what, size_t length, const struct evbuffer_ptr *start,
    const struct evbuffer_ptr *end)
{
    struct evbuffer_ptr at = {.pos = length ? 0 : -1};
    size_t limit = end && end->pos >= 0 ? (size_t)end->pos : buf->length;

    if (length && start)
        at.pos = start->pos;
    limit = least_(limit, buf->length);
    for (; at.pos >= 0; at.pos++) {
        at.pos = find_byte_(buf, (size_t)at.pos, limit, (unsigned char)*what);
        if (at.pos < 0 || length > limit - (size_t)at.pos)
            break;
        if (is_at(buf, (size_t)at.pos, what, length))
            return at;
    }
    at.pos = -1;
    return at;
}

struct evbuffer_ptr evbuffer_search(struct evbuffer *buf, const char *what,
    size_t length, const struct evbuffer_ptr *start)
{
    return evbuffer_search_range(buf, what, length, start, NULL);
}
