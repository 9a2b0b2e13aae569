/* share.c -- memory and files that a buffer shows but does not own
 *
 * A file is mapped, or read if that cannot be. (libevent can also send one with
 * sendfile; that is left out.)
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stream.h"

struct evbuffer_file_segment {
    int references;
    int fd;
    unsigned flags;
    unsigned char *bytes; /* what the program asked for */
    size_t length;
    void *mapped; /* NULL: the bytes were read */
    size_t mapped_length;
    evbuffer_file_segment_cleanup_cb cleanup;
    void *cleanup_arg;
};

static struct chunk *chunk_for(const void *bytes, size_t size)
{
    struct chunk *chunk = alloc_(sizeof(*chunk));

    if (!chunk)
        return NULL;
    chunk->bytes = (unsigned char *)bytes; /* never written */
    chunk->size = chunk->length = size;
    chunk->references = 1;
    return chunk;
}

int evbuffer_add_reference(struct evbuffer *buf, const void *data, size_t size,
    evbuffer_ref_cleanup_cb cleanup, void *arg)
{
    struct chunk *chunk = buf->frozen_end ? NULL : chunk_for(data, size);

    if (!chunk)
        return -1;
    chunk->cleanup = cleanup;
    chunk->cleanup_arg = arg;
    chunk_append_(buf, chunk);
    changed_(buf, size, 0);
    return 0;
}

/* The other buffer keeps its bytes; both show them. */
int evbuffer_add_buffer_reference(struct evbuffer *to, struct evbuffer *from)
{
    struct evbuffer *all;
    struct chunk *chunk, *copy;
    int status;

    if (from->length == 0)
        return 0;
    if (to == from || to->frozen_end)
        return -1;
    all = evbuffer_new();
    if (!all)
        return -1;
    for (chunk = from->first; chunk; chunk = chunk->next) {
        if (chunk->length == 0)
            continue;
        copy = chunk_for(chunk->bytes + chunk->start, chunk->length);
        if (!copy) {
            evbuffer_free(all);
            return -1;
        }
        copy->owner = chunk;
        chunk->references++;
        chunk_append_(all, copy);
        all->length += copy->length;
    }
    status = evbuffer_add_buffer(to, all);
    evbuffer_free(all);
    return status;
}

static int map(struct evbuffer_file_segment *segment, off_t offset)
{
    size_t before = (size_t)(offset % sysconf(_SC_PAGESIZE));

    segment->mapped_length = segment->length + before;
    segment->mapped = mmap(NULL, segment->mapped_length, PROT_READ, MAP_PRIVATE,
        segment->fd, offset - (off_t)before);
    if (segment->mapped == MAP_FAILED) {
        segment->mapped = NULL;
        return -1;
    }
    segment->bytes = (unsigned char *)segment->mapped + before;
    return 0;
}

static int read_all(struct evbuffer_file_segment *segment, off_t offset)
{
    size_t done = 0;

    segment->bytes = alloc_(segment->length ? segment->length : 1);
    while (segment->bytes && done < segment->length) {
        ssize_t got = pread(segment->fd, segment->bytes + done,
            segment->length - done, offset + (off_t)done);

        if (got <= 0) {
            free_(segment->bytes);
            return -1;
        }
        done += (size_t)got;
    }
    return segment->bytes ? 0 : -1;
}

struct evbuffer_file_segment *evbuffer_file_segment_new(
    int fd, ev_off_t offset, ev_off_t length, unsigned flags)
{
    struct evbuffer_file_segment *segment = alloc_(sizeof(*segment));
    struct stat status;

    if (!segment)
        return NULL;
    segment->references = 1;
    segment->fd = fd;
    segment->flags = flags;
    if (length < 0 && fstat(fd, &status) == 0)
        length = status.st_size > offset ? status.st_size - offset : 0;
    segment->length = (size_t)length;
    if (length < 0 || offset < 0 ||
        ((length == 0 || flags & EVBUF_FS_DISABLE_MMAP ||
             map(segment, offset) < 0) &&
            read_all(segment, offset) < 0)) {
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
        munmap(segment->mapped, segment->mapped_length);
    else
        free_(segment->bytes);
    if (segment->flags & EVBUF_FS_CLOSE_ON_FREE && segment->fd >= 0)
        close(segment->fd);
    if (segment->cleanup)
        segment->cleanup(segment, (int)segment->flags, segment->cleanup_arg);
    free_(segment);
}

static void segment_cb(const void *data, size_t size, void *arg)
{
    evbuffer_file_segment_free(arg);
}

int evbuffer_add_file_segment(struct evbuffer *buf,
    struct evbuffer_file_segment *segment, ev_off_t offset, ev_off_t length)
{
    if (length < 0)
        length = (ev_off_t)segment->length - offset;
    if (offset < 0 || length < 0 ||
        (size_t)offset + (size_t)length > segment->length)
        return -1;
    segment->references++;
    if (evbuffer_add_reference(buf, segment->bytes + offset, (size_t)length,
            segment_cb, segment) == 0)
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
