/* share.c -- memory and files that a buffer shows but does not own
 *
 * A file is mapped, or read if that cannot be. (libevent can also send one with
 * sendfile; that is left out.)
 */
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../stream/stream.h"

static void segment_cb(const void *data, size_t size, void *arg)
{
    evbuffer_file_segment_free(arg);
}

/* A chunk that shows bytes of another one, or of the program (no owner). It
 * never writes to them. */
static struct chunk *chunk_show(struct chunk *owner, void *bytes, size_t size)
{
    struct chunk *chunk = alloc_(sizeof(*chunk));

    if (!chunk)
        return NULL;
    chunk->bytes = bytes;
    chunk->size = chunk->length = size;
    chunk->references = 1;
    chunk->owner = owner;
    if (owner)
        owner->references++;
    return chunk;
}

/* The bytes stay where they are. */
int evbuffer_add_reference(struct evbuffer *buf, const void *data, size_t size,
    evbuffer_ref_cleanup_cb cleanup, void *arg)
{
    struct chunk *chunk =
        buf->frozen_end ? NULL : chunk_show(NULL, (void *)data, size);

    if (!chunk)
        return -1;
    chunk->cleanup = cleanup;
    chunk->cleanup_arg = arg;
    TAILQ_INSERT_TAIL(&buf->chunks, chunk, next);
    changed_(buf, size, 0);
    return 0;
}

/* The other buffer keeps its bytes; both show them. As with libevent, it may
 * not show those of a third one, nor a file. */
int evbuffer_add_buffer_reference(struct evbuffer *to, struct evbuffer *from)
{
    struct evbuffer *all;
    struct chunk *chunk, *copy;
    int status = 0;

    if (from->length == 0)
        return 0;
    TAILQ_FOREACH (chunk, &from->chunks, next)
        if (to == from || chunk->owner || chunk->cleanup == segment_cb)
            return -1;
    all = evbuffer_new();
    if (!all)
        return -1;
    TAILQ_FOREACH (chunk, &from->chunks, next) {
        copy = chunk->length ? chunk_show(chunk, chunk->bytes + chunk->start,
                                   chunk->length)
                             : NULL;
        if (copy) {
            TAILQ_INSERT_TAIL(&all->chunks, copy, next);
            all->length += copy->length;
        }
    }
    if (all->length < from->length || evbuffer_add_buffer(to, all) < 0)
        status = -1;
    evbuffer_free(all);
    return status;
}

struct evbuffer_file_segment {
    int references;
    int fd;
    unsigned flags;
    unsigned char *mapped; /* NULL if there is no byte */
    size_t before, length; /* what was asked for begins there */
    evbuffer_file_segment_cleanup_cb cleanup;
    void *cleanup_arg;
};

/* The file from its beginning: a mapping that is not touched costs nothing. */
static int map(struct evbuffer_file_segment *segment)
{
    size_t size = segment->before + segment->length;
    void *mapped = MAP_FAILED;

    if (!(segment->flags & EVBUF_FS_DISABLE_MMAP))
        mapped = mmap(NULL, size, PROT_READ, MAP_PRIVATE, segment->fd, 0);
    if (mapped == MAP_FAILED)
        return -1;
    segment->mapped = mapped;
    return 0;
}

/* Into memory that is given back in the same way. */
static int read_all(struct evbuffer_file_segment *segment, off_t offset)
{
    size_t done = 0;
    ssize_t got = 1;

    segment->before = 0;
    segment->mapped = mmap(NULL, segment->length, PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (segment->mapped == MAP_FAILED)
        return -1;
    while (got > 0 && done < segment->length) {
        got = pread(segment->fd, segment->mapped + done, segment->length - done,
            offset + (off_t)done);
        done += got > 0 ? (size_t)got : 0;
    }
    if (done < segment->length)
        munmap(segment->mapped, segment->length);
    return done < segment->length ? -1 : 0;
}

struct evbuffer_file_segment *evbuffer_file_segment_new(
    int fd, ev_off_t offset, ev_off_t length, unsigned flags)
{
    struct evbuffer_file_segment *segment = alloc_(sizeof(*segment));
    struct stat status;

    if (length < 0 && fstat(fd, &status) == 0)
        length = status.st_size > offset ? status.st_size - offset : 0;
    if (!segment || length < 0 || offset < 0) {
        free_(segment);
        return NULL;
    }
    segment->references = 1;
    segment->fd = fd;
    segment->flags = flags;
    segment->before = length ? (size_t)offset : 0;
    segment->length = (size_t)length;
    if (length && map(segment) < 0 && read_all(segment, offset) < 0) {
        free_(segment);
        return NULL;
    }
    return segment;
}

void evbuffer_file_segment_add_cleanup_cb(struct evbuffer_file_segment *segment,
    evbuffer_file_segment_cleanup_cb cleanup, void *arg)
{
    segment->cleanup = cleanup;
    segment->cleanup_arg = arg;
}

void evbuffer_file_segment_free(struct evbuffer_file_segment *segment)
{
    if (--segment->references)
        return;
    if (segment->mapped)
        munmap(segment->mapped, segment->before + segment->length);
    if (segment->flags & EVBUF_FS_CLOSE_ON_FREE && segment->fd >= 0)
        close(segment->fd);
    if (segment->cleanup)
        segment->cleanup(segment, (int)segment->flags, segment->cleanup_arg);
    free_(segment);
}

int evbuffer_add_file_segment(struct evbuffer *buf,
    struct evbuffer_file_segment *segment, ev_off_t offset, ev_off_t length)
{
    size_t from = (size_t)offset, size = (size_t)length;

    if (length < 0)
        size = segment->length - from;
    if (from > segment->length || size > segment->length - from)
        return -1;
    if (size == 0)
        return 0;
    segment->references++;
    if (evbuffer_add_reference(buf, segment->mapped + segment->before + from,
            size, segment_cb, segment) == 0)
        return 0;
    segment->references--;
    return -1;
}

int evbuffer_add_file(
    struct evbuffer *buf, int fd, ev_off_t offset, ev_off_t length)
{
    struct evbuffer_file_segment *segment =
        evbuffer_file_segment_new(fd, offset, length, EVBUF_FS_CLOSE_ON_FREE);
    int status;

    if (!segment)
        return -1;
    status = evbuffer_add_file_segment(buf, segment, 0, length);
    if (status < 0)
        segment->flags &= ~(unsigned)EVBUF_FS_CLOSE_ON_FREE; /* the caller's */
    evbuffer_file_segment_free(segment);
    return status;
}
