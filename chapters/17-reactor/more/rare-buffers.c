/* rare-buffers.c -- calls on buffers that few programs need
 */
#include "../stream/stream.h"

#include <event2/buffer_compat.h>

int evbuffer_expand(struct evbuffer *buf, size_t size)
{
    struct evbuffer_iovec vector;
    char frozen = buf->frozen_end;
    int count;

    buf->frozen_end = 0;
    count = evbuffer_reserve_space(buf, (ev_ssize_t)size, &vector, 1);
    buf->frozen_end = frozen;
    return count < 0 ? -1 : 0;
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

int evbuffer_write(struct evbuffer *buf, evutil_socket_t fd)
{
    return evbuffer_write_atmost(buf, fd, -1);
}

int evbuffer_remove_cb(
    struct evbuffer *buf, evbuffer_cb_func callback, void *arg)
{
    struct evbuffer_cb_entry *entry;

    LIST_FOREACH (entry, &buf->callbacks, next)
        if (entry->callback == callback && entry->arg == arg)
            return evbuffer_remove_cb_entry(buf, entry);
    return -1;
}

/* As libevent 1.4 had it. */
char *evbuffer_readline(struct evbuffer *buf)
{
    return evbuffer_readln(buf, NULL, EVBUFFER_EOL_ANY);
}

int evbuffer_cb_set_flags(
    struct evbuffer *buf, struct evbuffer_cb_entry *entry, ev_uint32_t flags)
{
    entry->flags |= flags & EVBUFFER_CB_ENABLED;
    return 0;
}

int evbuffer_cb_clear_flags(
    struct evbuffer *buf, struct evbuffer_cb_entry *entry, ev_uint32_t flags)
{
    entry->flags &= ~(flags & EVBUFFER_CB_ENABLED);
    return 0;
}

/* The other buffer keeps its bytes; both show them. */
int evbuffer_add_buffer_reference(struct evbuffer *to, struct evbuffer *from)
{
    struct evbuffer *all = to == from && from->length ? NULL : evbuffer_new();
    struct chunk *chunk, *copy;
    int status = all ? 0 : -1;

    if (!all)
        return -1;
    TAILQ_FOREACH (chunk, &from->chunks, next) {
        copy = chunk->length ? chunk_show_(chunk, chunk->bytes + chunk->start,
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

size_t evbuffer_get_contiguous_space(const struct evbuffer *buf)
{
    struct chunk *first = TAILQ_FIRST(&buf->chunks);

    return first ? first->length : 0;
}
