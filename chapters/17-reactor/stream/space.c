/* space.c -- bytes in and out of a buffer without a copy: room, read, write
 *
 * All that appends bytes asks for room, fills it, and commits what it filled.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "stream.h"

enum {
    MAX_READ = 4096, /* bytes that evbuffer_read reads at most, as libevent */
    MAX_VECTORS = 128,
    MAX_GROWN = 4096, /* a chunk is twice as large as the one before it */
};

static struct evbuffer_iovec room_of(const struct chunk *chunk)
{
    struct evbuffer_iovec room = {NULL, 0};

    if (chunk && chunk->bytes == chunk->own_bytes) {
        room.iov_base = chunk->bytes + chunk->start + chunk->length;
        room.iov_len = chunk->size - chunk->start - chunk->length;
    }
    return room;
}

/* Room in the last chunk, and in a new one if that is too little. With one
 * vector, it has to be in one piece. */
int evbuffer_reserve_space(struct evbuffer *buf, ev_ssize_t size,
    struct evbuffer_iovec *vectors, int count)
{
    struct chunk *last = TAILQ_LAST(&buf->chunks, chunks), *more;
    struct evbuffer_iovec room = room_of(last);
    size_t wanted = (size_t)size, grown;
    int used = 0;

    if (buf->frozen_end || count < 1 || size < 0)
        return -1;
    if (room.iov_len && (room.iov_len >= wanted || count > 1)) {
        vectors[used++] = room;
        wanted -= least_(wanted, room.iov_len);
    }
    if (used && !wanted)
        return used;
    grown = last ? least_(last->size * 2, MAX_GROWN - sizeof(*more)) : 0;
    more = chunk_new_(wanted > grown ? wanted : grown);
    if (!more)
        return -1;
    TAILQ_INSERT_TAIL(&buf->chunks, more, next);
    vectors[used++] = room_of(more);
    return used;
}

/* The chunk whose room begins where a vector does; one of the last. */
static struct chunk *find_room(
    const struct evbuffer *buf, const struct evbuffer_iovec *vector)
{
    struct chunk *chunk;

    TAILQ_FOREACH_REVERSE(chunk, &buf->chunks, chunks, next)
    if (room_of(chunk).iov_base == vector->iov_base &&
        room_of(chunk).iov_len >= vector->iov_len)
        break;
    return chunk;
}

int evbuffer_commit_space(
    struct evbuffer *buf, struct evbuffer_iovec *vectors, int count)
{
    struct chunk *chunk;
    size_t added = 0;

    if (buf->frozen_end)
        return -1;
    for (int i = 0; i < count; i++)
        if (vectors[i].iov_len && !find_room(buf, &vectors[i]))
            return -1;
    for (int i = 0; i < count; i++) {
        chunk = vectors[i].iov_len ? find_room(buf, &vectors[i]) : NULL;
        if (chunk) {
            chunk->length += vectors[i].iov_len;
            added += vectors[i].iov_len;
        }
    }
    changed_(buf, added, 0);
    return 0;
}

/* Shorten vectors to as many bytes in all. */
static void trim(struct evbuffer_iovec *vectors, int count, size_t size)
{
    for (int i = 0; i < count; i++) {
        vectors[i].iov_len = least_(vectors[i].iov_len, size);
        size -= vectors[i].iov_len;
    }
}

int evbuffer_add(struct evbuffer *buf, const void *data, size_t size)
{
    struct evbuffer_iovec vectors[2];
    const unsigned char *from = data;
    int count;

    if (size == 0)
        return buf->frozen_end ? -1 : 0;
    count = evbuffer_reserve_space(buf, (ev_ssize_t)size, vectors, 2);
    if (count < 0)
        return -1;
    trim(vectors, count, size);
    for (int i = 0; i < count; i++) {
        memcpy(vectors[i].iov_base, from, vectors[i].iov_len);
        from += vectors[i].iov_len;
    }
    return evbuffer_commit_space(buf, vectors, count);
}

int evbuffer_peek(struct evbuffer *buf, ev_ssize_t wanted,
    struct evbuffer_ptr *from, struct evbuffer_iovec *vectors, int count)
{
    size_t position = from ? (size_t)from->pos : 0, size;
    struct chunk *chunk;
    int used = 0;

    if (position > buf->length)
        return -1;
    size = buf->length - position;
    if (wanted >= 0)
        size = least_(size, (size_t)wanted);
    /* Without a length: as much as there are vectors for, or all if there are
     * none. */
    for (chunk = chunk_at_(buf, &position);
         size && (wanted >= 0 || count == 0 || used < count);
         chunk = TAILQ_NEXT(chunk, next)) {
        size_t part = chunk->length - position;

        if (used < count) {
            vectors[used].iov_base = chunk->bytes + chunk->start + position;
            vectors[used].iov_len = part;
        }
        used += part > 0;
        size -= least_(part, size);
        position = 0;
    }
    return used;
}

int evbuffer_add_vprintf(struct evbuffer *buf, const char *format, va_list ap)
{
    struct evbuffer_iovec vector;
    va_list again;
    int length;

    va_copy(again, ap);
    length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (length < 0 ||
        evbuffer_reserve_space(buf, (ev_ssize_t)length + 1, &vector, 1) < 0)
        return -1;
    vsnprintf(vector.iov_base, (size_t)length + 1, format, ap);
    vector.iov_len = (size_t)length;
    return evbuffer_commit_space(buf, &vector, 1) < 0 ? -1 : length;
}

int evbuffer_add_printf(struct evbuffer *buf, const char *format, ...)
{
    va_list ap;
    int length;

    va_start(ap, format);
    length = evbuffer_add_vprintf(buf, format, ap);
    va_end(ap);
    return length;
}

/* Makes room for what has arrived, not for all that might. */
int evbuffer_read(struct evbuffer *buf, evutil_socket_t fd, int most)
{
    struct evbuffer_iovec vectors[2];
    int waiting = 0, count;
    ssize_t got;

    if (ioctl(fd, FIONREAD, &waiting) < 0 || waiting <= 0 || waiting > MAX_READ)
        waiting = MAX_READ;
    if (most < 0 || most > waiting)
        most = waiting;
    count = evbuffer_reserve_space(buf, most, vectors, 2);
    if (count < 0)
        return -1;
    trim(vectors, count, (size_t)most);
    got = readv(fd, vectors, count);
    if (got <= 0)
        return (int)got;
    trim(vectors, count, (size_t)got);
    evbuffer_commit_space(buf, vectors, count);
    return (int)got;
}

int evbuffer_write_atmost(
    struct evbuffer *buf, evutil_socket_t fd, ev_ssize_t most)
{
    struct evbuffer_iovec vectors[MAX_VECTORS];
    size_t size = most < 0 ? buf->length : least_(buf->length, (size_t)most);
    ssize_t sent;
    int count;

    if (buf->frozen_front || size == 0)
        return -1;
    count = evbuffer_peek(buf, (ev_ssize_t)size, NULL, vectors, MAX_VECTORS);
    count = count < MAX_VECTORS ? count : MAX_VECTORS;
    trim(vectors, count, size);
    sent = writev(fd, vectors, count);
    if (sent > 0)
        evbuffer_drain(buf, (size_t)sent);
    return (int)sent;
}
