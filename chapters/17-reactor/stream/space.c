/* space.c -- bytes in and out of a buffer without a copy: room, reading,
 * writing
 */
#include <errno.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "stream.h"

enum {
    MAX_READ = 4096, /* bytes that evbuffer_read reads at most, as libevent */
    MAX_VECTORS = 128,
};

/* Room in the last chunk, and in a new one if that is too little. With one
 * vector, it has to be in one piece. */
int evbuffer_reserve_space(struct evbuffer *buf, ev_ssize_t size,
    struct evbuffer_iovec *vectors, int count)
{
    struct chunk *last = buf->last;
    size_t room = chunk_room_(last), wanted = (size_t)size;
    int used = 0;

    if (buf->frozen_end || count < 1 || size < 0)
        return -1;
    if (room && (room >= wanted || count > 1)) {
        vectors[used].iov_base = last->bytes + last->start + last->length;
        vectors[used++].iov_len = room;
        buf->reserved = last;
        wanted = room < wanted ? wanted - room : 0;
    }
    if (wanted > 0 || used == 0) {
        struct chunk *more = chunk_new_(wanted);

        if (!more)
            return -1;
        chunk_append_(buf, more);
        if (used == 0)
            buf->reserved = more;
        vectors[used].iov_base = more->bytes;
        vectors[used++].iov_len = more->size;
    }
    return used;
}

/* The chunk whose room begins where a vector does. */
static struct chunk *find_room(
    struct chunk *chunk, const struct evbuffer_iovec *vector)
{
    while (chunk &&
           (chunk->bytes + chunk->start + chunk->length != vector->iov_base ||
               chunk_room_(chunk) < vector->iov_len))
        chunk = chunk->next;
    return chunk;
}

int evbuffer_commit_space(
    struct evbuffer *buf, struct evbuffer_iovec *vectors, int count)
{
    struct chunk *from = buf->reserved ? buf->reserved : buf->first, *chunk;
    size_t added = 0;

    if (buf->frozen_end)
        return -1;
    for (int i = 0; i < count; i++)
        if (vectors[i].iov_len && !find_room(from, &vectors[i]))
            return -1;
    for (int i = 0; i < count; i++) {
        chunk = find_room(from, &vectors[i]);
        if (vectors[i].iov_len && chunk) {
            chunk->length += vectors[i].iov_len;
            added += vectors[i].iov_len;
        }
    }
    buf->reserved = NULL;
    changed_(buf, added, 0);
    return 0;
}

int evbuffer_expand(struct evbuffer *buf, size_t size)
{
    struct chunk *more;

    if (chunk_room_(buf->last) >= size)
        return 0;
    more = chunk_new_(size);
    if (!more)
        return -1;
    chunk_append_(buf, more);
    return 0;
}

size_t evbuffer_get_contiguous_space(const struct evbuffer *buf)
{
    return buf->first ? buf->first->length : 0;
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
    if (wanted >= 0 && (size_t)wanted < size)
        size = (size_t)wanted;
    /* Without a length, only as much as there are vectors for. */
    for (chunk = chunk_at_(buf, &position);
         size && chunk && (wanted >= 0 || used < count); chunk = chunk->next) {
        size_t part = chunk->length - position;

        if (used < count) {
            vectors[used].iov_base = chunk->bytes + chunk->start + position;
            vectors[used].iov_len = part;
        }
        used += part > 0;
        size -= part < size ? part : size;
        position = 0;
    }
    return used;
}

size_t evbuffer_add_iovec(
    struct evbuffer *buf, struct evbuffer_iovec *vectors, int count)
{
    size_t added = 0;

    for (int i = 0; i < count; i++) {
        if (evbuffer_add(buf, vectors[i].iov_base, vectors[i].iov_len) < 0)
            break;
        added += vectors[i].iov_len;
    }
    return added;
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
    int waiting = 0, count, left;
    ssize_t got;

    if (buf->frozen_end)
        return -1;
    if (ioctl(fd, FIONREAD, &waiting) < 0 || waiting <= 0 || waiting > MAX_READ)
        waiting = MAX_READ;
    if (most < 0 || most > waiting)
        most = waiting;
    count = evbuffer_reserve_space(buf, most, vectors, 2);
    if (count < 0)
        return -1;
    for (int i = 0, room = most; i < count; i++) {
        if (vectors[i].iov_len > (size_t)room)
            vectors[i].iov_len = (size_t)room;
        room -= (int)vectors[i].iov_len;
    }
    got = readv(fd, vectors, count);
    if (got <= 0)
        return (int)got;
    left = (int)got;
    for (int i = 0; i < count; i++) {
        if (vectors[i].iov_len > (size_t)left)
            vectors[i].iov_len = (size_t)left;
        left -= (int)vectors[i].iov_len;
    }
    evbuffer_commit_space(buf, vectors, count);
    return (int)got;
}

int evbuffer_write_atmost(
    struct evbuffer *buf, evutil_socket_t fd, ev_ssize_t most)
{
    struct evbuffer_iovec vectors[MAX_VECTORS];
    size_t size = buf->length, left;
    ssize_t sent;
    int count;

    if (most >= 0 && (size_t)most < size)
        size = (size_t)most;
    if (buf->frozen_front || size == 0)
        return -1;
    count = evbuffer_peek(buf, (ev_ssize_t)size, NULL, vectors, MAX_VECTORS);
    count = count < MAX_VECTORS ? count : MAX_VECTORS;
    left = size;
    for (int i = 0; i < count; i++) {
        if (vectors[i].iov_len > left)
            vectors[i].iov_len = left;
        left -= vectors[i].iov_len;
    }
    sent = writev(fd, vectors, count);
    if (sent > 0)
        evbuffer_drain(buf, (size_t)sent);
    return (int)sent;
}

int evbuffer_write(struct evbuffer *buf, evutil_socket_t fd)
{
    return evbuffer_write_atmost(buf, fd, -1);
}
