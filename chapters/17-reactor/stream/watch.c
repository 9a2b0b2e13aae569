/* watch.c -- callbacks that are told when a buffer changes
 */
#include "stream.h"

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

int evbuffer_remove_cb(
    struct evbuffer *buf, evbuffer_cb_func callback, void *arg)
{
    struct evbuffer_cb_entry *entry;

    LIST_FOREACH (entry, &buf->callbacks, next)
        if (entry->callback == callback && entry->arg == arg)
            return evbuffer_remove_cb_entry(buf, entry);
    return -1;
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
