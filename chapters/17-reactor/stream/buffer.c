/* buffer.c -- a queue of bytes, as a list of chunks
 *
 * Appending fills the last chunk, draining moves the start of the first: no
 * byte is moved to make room. Whole chunks go from one buffer to another by
 * their pointers.
 */
#include <stdlib.h>
#include <string.h>

#include "stream.h"

enum { LEAST = 1024, MOST_GROWN = 4096 };

struct evbuffer *evbuffer_new(void)
{
    struct evbuffer *buf = alloc_(sizeof(*buf));

    if (buf)
        buf->references = 1;
    return buf;
}

static void release(struct evbuffer *buf)
{
    struct chunk *chunk;
    struct evbuffer_cb_entry *entry;

    if (--buf->references)
        return;
    while ((chunk = buf->first)) {
        buf->first = chunk->next;
        chunk_free_(chunk);
    }
    while ((entry = LIST_FIRST(&buf->callbacks)))
        evbuffer_remove_cb_entry(buf, entry);
    free_(buf);
}

void evbuffer_free(struct evbuffer *buf)
{
    release(buf);
}

/* A chunk and its bytes take a power of two. */
struct chunk *chunk_new_(size_t size)
{
    size_t all = LEAST;
    struct chunk *chunk;

    if (size > SIZE_MAX / 4)
        return NULL;
    while (all < size + sizeof(*chunk))
        all *= 2;
    chunk = resize_(NULL, all);
    if (!chunk)
        return NULL;
    memset(chunk, 0, sizeof(*chunk));
    chunk->bytes = chunk->own_bytes;
    chunk->size = all - sizeof(*chunk);
    chunk->references = 1;
    return chunk;
}

void chunk_free_(struct chunk *chunk)
{
    if (--chunk->references)
        return;
    if (chunk->cleanup)
        chunk->cleanup(chunk->bytes, chunk->size, chunk->cleanup_arg);
    if (chunk->owner)
        chunk_free_(chunk->owner);
    free_(chunk);
}

void chunk_append_(struct evbuffer *buf, struct chunk *chunk)
{
    if (buf->last)
        buf->last->next = chunk;
    else
        buf->first = chunk;
    buf->last = chunk;
}

size_t chunk_room_(const struct chunk *chunk)
{
    if (!chunk || chunk->bytes != chunk->own_bytes)
        return 0;
    return chunk->size - chunk->start - chunk->length;
}

/* The chunk that has a byte, whose position becomes one within it. */
struct chunk *chunk_at_(const struct evbuffer *buf, size_t *position)
{
    struct chunk *chunk = buf->first;

    for (; chunk && *position >= chunk->length; chunk = chunk->next)
        *position -= chunk->length;
    return chunk;
}

/* Each function calls this as the last thing that it does: a callback may
 * change the buffer, or free it. */
void changed_(struct evbuffer *buf, size_t added, size_t deleted)
{
    struct evbuffer_cb_info info = {buf->length, added, deleted};
    struct evbuffer_cb_entry *entry, *next;

    buf->length += added - deleted;
    if (deleted)
        buf->reserved = NULL;
    if (LIST_EMPTY(&buf->callbacks) || (!added && !deleted))
        return;
    buf->references++;
    for (entry = LIST_FIRST(&buf->callbacks); entry; entry = next) {
        next = LIST_NEXT(entry, next);
        if (entry->flags & EVBUFFER_CB_ENABLED)
            entry->callback(buf, &info, entry->arg);
    }
    release(buf);
}

int evbuffer_freeze(struct evbuffer *buf, int at_front)
{
    *(at_front ? &buf->frozen_front : &buf->frozen_end) = 1;
    return 0;
}

int evbuffer_unfreeze(struct evbuffer *buf, int at_front)
{
    *(at_front ? &buf->frozen_front : &buf->frozen_end) = 0;
    return 0;
}

size_t evbuffer_get_length(const struct evbuffer *buf)
{
    return buf->length;
}

static int append(struct evbuffer *buf, const unsigned char *data, size_t size)
{
    struct chunk *last = buf->last, *more = NULL;
    size_t room = chunk_room_(last), part = size < room ? size : room;

    if (part < size) {
        size_t wanted = last ? last->size * 2 : LEAST / 2;

        wanted = wanted < MOST_GROWN ? wanted : MOST_GROWN / 2;
        more = chunk_new_(size - part > wanted ? size - part : wanted);
        if (!more)
            return -1;
        memcpy(more->bytes, data + part, size - part);
        more->length = size - part;
    }
    if (part) {
        memcpy(last->bytes + last->start + last->length, data, part);
        last->length += part;
    }
    if (more)
        chunk_append_(buf, more);
    return 0;
}

int evbuffer_add(struct evbuffer *buf, const void *data, size_t size)
{
    if (buf->frozen_end || size > SIZE_MAX / 4 || append(buf, data, size) < 0)
        return -1;
    changed_(buf, size, 0);
    return 0;
}

/* A chunk that is made for this leaves its room in front. */
int evbuffer_prepend(struct evbuffer *buf, const void *data, size_t size)
{
    struct chunk *first = buf->first;

    if (buf->frozen_front)
        return -1;
    if (!first || first->bytes != first->own_bytes || first->references > 1 ||
        (first->length ? first->start : first->size) < size) {
        first = chunk_new_(size);
        if (!first)
            return -1;
        first->next = buf->first;
        buf->first = first;
        if (!buf->last)
            buf->last = first;
    }
    if (!first->length)
        first->start = first->size;
    first->start -= size;
    memcpy(first->bytes + first->start, data, size);
    first->length += size;
    changed_(buf, size, 0);
    return 0;
}

static void take_first(struct evbuffer *buf)
{
    struct chunk *first = buf->first;

    buf->first = first->next;
    if (!buf->first)
        buf->last = NULL;
    first->next = NULL;
}

/* Without the callbacks. What is drained whole is freed, empty chunks as well.
 */
static void drain(struct evbuffer *buf, size_t size)
{
    int all = size == buf->length;

    buf->reserved = NULL;
    while (buf->first && (all || size >= buf->first->length)) {
        struct chunk *chunk = buf->first;

        size -= chunk->length;
        take_first(buf);
        chunk_free_(chunk);
    }
    if (buf->first) {
        buf->first->start += size;
        buf->first->length -= size;
    }
}

int evbuffer_drain(struct evbuffer *buf, size_t size)
{
    if (buf->length == 0)
        return 0;
    if (buf->frozen_front)
        return -1;
    size = size < buf->length ? size : buf->length;
    drain(buf, size);
    changed_(buf, 0, size);
    return 0;
}

ev_ssize_t evbuffer_copyout_from(struct evbuffer *buf,
    const struct evbuffer_ptr *from, void *data, size_t size)
{
    size_t position = from ? (size_t)from->pos : 0, done = 0;
    struct chunk *chunk;

    if (position > buf->length)
        return -1;
    if (size > buf->length - position)
        size = buf->length - position;
    if (buf->frozen_front && size)
        return -1;
    for (chunk = chunk_at_(buf, &position); done < size; chunk = chunk->next) {
        size_t part = chunk->length - position;

        part = part < size - done ? part : size - done;
        memcpy((unsigned char *)data + done,
            chunk->bytes + chunk->start + position, part);
        done += part;
        position = 0;
    }
    return (ev_ssize_t)done;
}

ev_ssize_t evbuffer_copyout(struct evbuffer *buf, void *data, size_t size)
{
    return evbuffer_copyout_from(buf, NULL, data, size);
}

int evbuffer_remove(struct evbuffer *buf, void *data, size_t size)
{
    ev_ssize_t got = evbuffer_copyout(buf, data, size);

    if (got > 0 && evbuffer_drain(buf, (size_t)got) < 0)
        return -1;
    return (int)got;
}

/* All chunks of one buffer, taken out of it. */
static void splice(struct evbuffer *to, struct evbuffer *from, int at_front)
{
    struct chunk *first = from->first, *last = from->last;

    from->first = from->last = from->reserved = NULL;
    to->reserved = NULL;
    if (at_front) {
        last->next = to->first;
        to->first = first;
        to->last = to->last ? to->last : last;
    } else {
        chunk_append_(to, first);
        to->last = last;
    }
}

int evbuffer_add_buffer(struct evbuffer *to, struct evbuffer *from)
{
    size_t size = from->length;

    if (size == 0 || to == from)
        return 0;
    if (to->frozen_end || from->frozen_front)
        return -1;
    splice(to, from, 0);
    changed_(from, 0, size);
    changed_(to, size, 0);
    return 0;
}

int evbuffer_prepend_buffer(struct evbuffer *to, struct evbuffer *from)
{
    size_t size = from->length;

    if (size == 0 || to == from)
        return 0;
    if (to->frozen_front || from->frozen_front)
        return -1;
    splice(to, from, 1);
    changed_(from, 0, size);
    changed_(to, size, 0);
    return 0;
}

/* Whole chunks are moved; of the last one, a part is copied. */
int evbuffer_remove_buffer(
    struct evbuffer *from, struct evbuffer *to, size_t size)
{
    size_t left;

    if (to == from || size == 0)
        return 0;
    if (to->frozen_end || from->frozen_front)
        return -1;
    if (size >= from->length) {
        size = from->length;
        evbuffer_add_buffer(to, from);
        return (int)size;
    }
    left = size;
    from->reserved = to->reserved = NULL;
    while (left && left >= from->first->length) {
        struct chunk *chunk = from->first;

        take_first(from);
        left -= chunk->length;
        chunk_append_(to, chunk);
    }
    if (left) {
        struct chunk *chunk = from->first;

        if (append(to, chunk->bytes + chunk->start, left) == 0) {
            chunk->start += left;
            chunk->length -= left;
            left = 0;
        }
    }
    size -= left;
    changed_(to, size, 0);
    changed_(from, 0, size);
    return left ? -1 : (int)size;
}

/* Make the first bytes contiguous: in the first chunk if they fit, or in a new
 * one. */
unsigned char *evbuffer_pullup(struct evbuffer *buf, ev_ssize_t wanted)
{
    size_t size = wanted < 0 ? buf->length : (size_t)wanted, done;
    struct chunk *first = buf->first, *flat = first;

    if (size == 0 || size > buf->length)
        return NULL;
    if (first->length >= size)
        return first->bytes + first->start;
    if (chunk_room_(first) < size - first->length || first->references > 1) {
        flat = chunk_new_(size);
        if (!flat)
            return NULL;
    } else {
        take_first(buf);
    }
    for (done = flat->length; done < size;) {
        struct chunk *chunk = buf->first;
        size_t part = chunk->length;

        part = part < size - done ? part : size - done;
        memcpy(flat->bytes + flat->start + done, chunk->bytes + chunk->start,
            part);
        done += part;
        chunk->start += part;
        chunk->length -= part;
        if (chunk->length == 0) {
            take_first(buf);
            chunk_free_(chunk);
        }
    }
    flat->length = size;
    flat->next = buf->first;
    buf->first = flat;
    buf->last = buf->last ? buf->last : flat;
    buf->reserved = NULL;
    return flat->bytes + flat->start;
}
