/* rare-buffers.c -- calls on buffers that few programs need
 */
#include <string.h>

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

/* A chunk that is made for this leaves its room in front. */
int evbuffer_prepend(struct evbuffer *buf, const void *data, size_t size)
{
    struct chunk *first = TAILQ_FIRST(&buf->chunks);

    if (buf->frozen_front)
        return -1;
    if (!first || first->bytes != first->own_bytes || first->references > 1 ||
        first->start < size) {
        first = chunk_new_(size);
        if (!first)
            return -1;
        first->start = first->size;
        TAILQ_INSERT_HEAD(&buf->chunks, first, next);
    }
    first->start -= size;
    first->length += size;
    memcpy(first->bytes + first->start, data, size);
    changed_(buf, size, 0);
    return 0;
}

int evbuffer_prepend_buffer(struct evbuffer *to, struct evbuffer *from)
{
    size_t size = from->length;

    if (size == 0 || to == from)
        return 0;
    if (to->frozen_front || from->frozen_front)
        return -1;
    TAILQ_CONCAT(&from->chunks, &to->chunks, next);
    TAILQ_CONCAT(&to->chunks, &from->chunks, next);
    changed_(from, 0, size);
    changed_(to, size, 0);
    return 0;
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

size_t evbuffer_get_contiguous_space(const struct evbuffer *buf)
{
    struct chunk *first = TAILQ_FIRST(&buf->chunks);

    return first ? first->length : 0;
}

/* libevent sends files of such a buffer with sendfile; here they are mapped. */
int evbuffer_set_flags(struct evbuffer *buf, ev_uint64_t flags)
{
    return 0;
}

int evbuffer_clear_flags(struct evbuffer *buf, ev_uint64_t flags)
{
    return 0;
}

unsigned char *evbuffer_find(
    struct evbuffer *buf, const unsigned char *what, size_t size)
{
    struct evbuffer_ptr at =
        evbuffer_search(buf, (const char *)what, size, NULL);
    unsigned char *bytes;

    if (at.pos < 0)
        return NULL;
    bytes = evbuffer_pullup(buf, at.pos + (ev_ssize_t)size);
    return bytes ? bytes + at.pos : NULL;
}

/* The only callback of a buffer, as libevent 1.4 had it. */
struct old_entry {
    struct evbuffer_cb_entry entry; /* its argument is this */
    evbuffer_cb callback;
    void *arg;
};

static void call_old(
    struct evbuffer *buf, const struct evbuffer_cb_info *info, void *arg)
{
    struct old_entry *old = arg;

    old->callback(buf, info->orig_size,
        info->orig_size + info->n_added - info->n_deleted, old->arg);
}

int evbuffer_setcb(struct evbuffer *buf, evbuffer_cb callback, void *arg)
{
    struct old_entry *old;

    while (!LIST_EMPTY(&buf->callbacks))
        evbuffer_remove_cb_entry(buf, LIST_FIRST(&buf->callbacks));
    if (!callback)
        return 0;
    old = alloc_(sizeof(*old));
    if (!old)
        return -1;
    old->entry = (struct evbuffer_cb_entry){
        .callback = call_old, .arg = old, .flags = EVBUFFER_CB_ENABLED};
    old->callback = callback;
    old->arg = arg;
    LIST_INSERT_HEAD(&buf->callbacks, &old->entry, next);
    return 0;
}
