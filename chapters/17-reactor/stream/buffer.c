/* buffer.c -- a queue of bytes, as a list of chunks
 *
 * Appending fills the last chunk, draining moves the start of the first: no
 * byte is moved to make room. Whole chunks go from one buffer to another by
 * their pointers.
 */
#include <stdlib.h>
#include <string.h>

#include "stream.h"

enum { LEAST = 1024 };

struct evbuffer *evbuffer_new(void)
{
    struct evbuffer *buf = alloc_(sizeof(*buf));

    if (buf) {
        TAILQ_INIT(&buf->chunks);
        buf->references = 1;
    }
    return buf;
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

/* The chunk that has a byte, whose position becomes one within it. */
struct chunk *chunk_at_(const struct evbuffer *buf, size_t *position)
{
    struct chunk *chunk;

    TAILQ_FOREACH (chunk, &buf->chunks, next) {
        if (*position < chunk->length)
            break;
        *position -= chunk->length;
    }
    return chunk;
}

/* Without callbacks. What is drained whole is freed, empty chunks as well. */
static void drain(struct evbuffer *buf, size_t size)
{
    int all = size == buf->length;
    struct chunk *chunk;

    while (
        (chunk = TAILQ_FIRST(&buf->chunks)) && (all || size >= chunk->length)) {
        size -= chunk->length;
        TAILQ_REMOVE(&buf->chunks, chunk, next);
        chunk_free_(chunk);
    }
    if (chunk) {
        chunk->start += size;
        chunk->length -= size;
    }
}

void evbuffer_free(struct evbuffer *buf)
{
    if (--buf->references)
        return;
    drain(buf, buf->length);
    while (!LIST_EMPTY(&buf->callbacks))
        evbuffer_remove_cb_entry(buf, LIST_FIRST(&buf->callbacks));
    free_(buf);
}

/* Each function calls this as the last thing that it does: a callback may
 * change the buffer, or free it. */
void changed_(struct evbuffer *buf, size_t added, size_t deleted)
{
    struct evbuffer_cb_info info = {buf->length, added, deleted};
    struct evbuffer_cb_entry *entry, *next;

    buf->length += added - deleted;
    if (LIST_EMPTY(&buf->callbacks) || (!added && !deleted))
        return;
    buf->references++;
    for (entry = LIST_FIRST(&buf->callbacks); entry; entry = next) {
        next = LIST_NEXT(entry, next);
        if (entry->flags & EVBUFFER_CB_ENABLED)
            entry->callback(buf, &info, entry->arg);
    }
    evbuffer_free(buf);
}

struct evbuffer_cb_entry *evbuffer_add_cb(
    struct evbuffer *buf, evbuffer_cb_func callback, void *arg)
{
    struct evbuffer_cb_entry *entry = alloc_(sizeof(*entry));

    if (!entry)
        return NULL;
    entry->callback = callback;
    entry->arg = arg;
    entry->flags = EVBUFFER_CB_ENABLED;
    LIST_INSERT_HEAD(&buf->callbacks, entry, next);
    return entry;
}

int evbuffer_remove_cb_entry(
    struct evbuffer *buf, struct evbuffer_cb_entry *entry)
{
    LIST_REMOVE(entry, next);
    free_(entry);
    return 0;
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

int evbuffer_drain(struct evbuffer *buf, size_t size)
{
    if (buf->length == 0)
        return 0;
    if (buf->frozen_front)
        return -1;
    size = least_(size, buf->length);
    drain(buf, size);
    changed_(buf, 0, size);
    return 0;
}

static void copy(
    const struct evbuffer *buf, size_t position, unsigned char *to, size_t size)
{
    const struct chunk *chunk = chunk_at_(buf, &position);

    for (; size; chunk = TAILQ_NEXT(chunk, next), position = 0) {
        size_t part = least_(chunk->length - position, size);

        memcpy(to, chunk->bytes + chunk->start + position, part);
        to += part;
        size -= part;
    }
}

ev_ssize_t evbuffer_copyout_from(struct evbuffer *buf,
    const struct evbuffer_ptr *from, void *data, size_t size)
{
    size_t position = from ? (size_t)from->pos : 0;

    if (position > buf->length)
        return -1;
    size = least_(size, buf->length - position);
    if (buf->frozen_front && size)
        return -1;
    copy(buf, position, data, size);
    return (ev_ssize_t)size;
}

ev_ssize_t evbuffer_copyout(struct evbuffer *buf, void *data, size_t size)
{
    return evbuffer_copyout_from(buf, NULL, data, size);
}

int evbuffer_remove(struct evbuffer *buf, void *data, size_t size)
{
    ev_ssize_t got = evbuffer_copyout(buf, data, size);

    return got > 0 && evbuffer_drain(buf, (size_t)got) < 0 ? -1 : (int)got;
}

int evbuffer_add_buffer(struct evbuffer *to, struct evbuffer *from)
{
    size_t size = from->length;

    if (size == 0 || to == from)
        return 0;
    if (to->frozen_end || from->frozen_front)
        return -1;
    TAILQ_CONCAT(&to->chunks, &from->chunks, next);
    changed_(from, 0, size);
    changed_(to, size, 0);
    return 0;
}

/* Whole chunks are moved; of the last one, a part is copied. */
int evbuffer_remove_buffer(
    struct evbuffer *from, struct evbuffer *to, size_t size)
{
    size_t left = size;
    struct chunk *last = chunk_at_(from, &left), *chunk, *part = NULL;

    if (to == from || size == 0)
        return 0;
    if (to->frozen_end || from->frozen_front)
        return -1;
    if (size >= from->length) {
        size = from->length;
        return evbuffer_add_buffer(to, from) < 0 ? -1 : (int)size;
    }
    if (left) {
        part = chunk_new_(left);
        if (!part)
            return -1;
        copy(from, size - left, part->bytes, left);
        part->length = left;
    }
    while ((chunk = TAILQ_FIRST(&from->chunks)) != last) {
        TAILQ_REMOVE(&from->chunks, chunk, next);
        TAILQ_INSERT_TAIL(&to->chunks, chunk, next);
    }
    if (part)
        TAILQ_INSERT_TAIL(&to->chunks, part, next);
    last->start += left;
    last->length -= left;
    changed_(to, size, 0);
    changed_(from, 0, size);
    return (int)size;
}

/* Make the first bytes contiguous. */
unsigned char *evbuffer_pullup(struct evbuffer *buf, ev_ssize_t wanted)
{
    size_t size = wanted < 0 ? buf->length : (size_t)wanted;
    struct chunk *first = TAILQ_FIRST(&buf->chunks);

    if (size == 0 || size > buf->length)
        return NULL;
    if (first->length < size) {
        first = chunk_new_(size);
        if (!first)
            return NULL;
        copy(buf, 0, first->bytes, size);
        first->length = size;
        drain(buf, size);
        TAILQ_INSERT_HEAD(&buf->chunks, first, next);
    }
    return first->bytes + first->start;
}
