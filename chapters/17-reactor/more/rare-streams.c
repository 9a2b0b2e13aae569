/* rare-streams.c -- calls on bufferevents and listeners that few programs need
 */
#include "../stream/stream.h"

#include <event2/bufferevent_compat.h>
#include <event2/event_compat.h>

void bufferevent_incref(struct bufferevent *bev)
{
    of_(bev)->references++;
}

int bufferevent_decref(struct bufferevent *bev)
{
    int last = of_(bev)->references == 1;

    stream_release_(bev);
    return last;
}

struct event_base *bufferevent_get_base(struct bufferevent *bev)
{
    return bev->ev_base;
}

int bufferevent_base_set(struct event_base *base, struct bufferevent *bev)
{
    if (bev->be_ops != &socket_ops_)
        return -1;
    bev->ev_base = base;
    of_(bev)->later.ev_base = base;
    return event_base_set(base, &bev->ev_read) |
           event_base_set(base, &bev->ev_write);
}

int bufferevent_get_priority(const struct bufferevent *bev)
{
    return event_get_priority(&bev->ev_read);
}

int bufferevent_priority_set(struct bufferevent *bev, int priority)
{
    if (bev->be_ops != &socket_ops_ ||
        event_priority_set(&bev->ev_read, priority) < 0 ||
        event_priority_set(&bev->ev_write, priority) < 0)
        return -1;
    of_(bev)->later.ev_priority = (ev_uint8_t)priority;
    return 0;
}

int bufferevent_set_max_single_write(struct bufferevent *bev, size_t size)
{
    of_(bev)->max_write = size == 0 || size > EV_SSIZE_MAX ? MAX_AT_ONCE : size;
    return 0;
}

ev_ssize_t bufferevent_get_max_single_read(struct bufferevent *bev)
{
    return (ev_ssize_t)of_(bev)->max_read;
}

ev_ssize_t bufferevent_get_max_single_write(struct bufferevent *bev)
{
    return (ev_ssize_t)of_(bev)->max_write;
}

/* As libevent 1.4 had it: the descriptor stays the program's. */
struct bufferevent *bufferevent_new(evutil_socket_t fd,
    bufferevent_data_cb readcb, bufferevent_data_cb writecb,
    bufferevent_event_cb eventcb, void *arg)
{
    struct bufferevent *bev = bufferevent_socket_new(NULL, fd, 0);

    if (bev)
        bufferevent_setcb(bev, readcb, writecb, eventcb, arg);
    return bev;
}

void evconnlistener_set_cb(
    struct evconnlistener *listener, evconnlistener_cb callback, void *arg)
{
    int waits = listener->enabled && !listener->callback;

    listener->callback = callback;
    listener->arg = arg;
    if (!callback)
        event_del(&listener->ev);
    else if (waits)
        evconnlistener_enable(listener);
}

struct event_base *evconnlistener_get_base(struct evconnlistener *listener)
{
    return event_get_base(&listener->ev);
}

void bufferevent_trigger_event(struct bufferevent *bev, short what, int options)
{
    stream_event_(bev, what, options & BEV_TRIG_DEFER_CALLBACKS);
}

int bufferevent_getwatermark(
    struct bufferevent *bev, short events, size_t *low, size_t *high)
{
    const struct event_watermark *mark =
        events == EV_WRITE ? &bev->wm_write : &bev->wm_read;

    if (events != EV_WRITE && events != EV_READ)
        return -1;
    if (low)
        *low = mark->low;
    if (high)
        *high = mark->high;
    return 0;
}

void bufferevent_getcb(struct bufferevent *bev, bufferevent_data_cb *readcb,
    bufferevent_data_cb *writecb, bufferevent_event_cb *eventcb, void **arg)
{
    if (readcb)
        *readcb = bev->readcb;
    if (writecb)
        *writecb = bev->writecb;
    if (eventcb)
        *eventcb = bev->errorcb;
    if (arg)
        *arg = bev->cbarg;
}

short bufferevent_get_enabled(struct bufferevent *bev)
{
    return bev->enabled;
}

int bufferevent_set_max_single_read(struct bufferevent *bev, size_t size)
{
    of_(bev)->max_read = size == 0 || size > EV_SSIZE_MAX ? MAX_AT_ONCE : size;
    return 0;
}

int bufferevent_write_buffer(struct bufferevent *bev, struct evbuffer *buf)
{
    return evbuffer_add_buffer(bev->output, buf);
}

int bufferevent_read_buffer(struct bufferevent *bev, struct evbuffer *buf)
{
    return evbuffer_add_buffer(buf, bev->input);
}

/* As with libevent, it does nothing to a socket: what has to be sent goes when
 * it can. */
int bufferevent_flush(
    struct bufferevent *bev, short events, enum bufferevent_flush_mode mode)
{
    struct stream *partner = of_(bev)->partner;

    if (!partner)
        return bev->be_ops == &socket_ops_ ? 0 : -1;
    if (mode == BEV_NORMAL)
        return 0;
    if (events & EV_READ)
        pair_transfer_(&partner->bev, bev, 1);
    if (events & EV_WRITE)
        pair_transfer_(bev, &partner->bev, 1);
    if (mode == BEV_FINISHED)
        stream_event_(&partner->bev,
            BEV_EVENT_EOF | (events & EV_READ ? BEV_EVENT_WRITING : 0) |
                (events & EV_WRITE ? BEV_EVENT_READING : 0),
            0);
    return 0;
}

struct bufferevent *bufferevent_pair_get_partner(struct bufferevent *bev)
{
    return of_(bev)->partner ? &of_(bev)->partner->bev : NULL;
}

/* Of a filter, which there is none of here. */
struct bufferevent *bufferevent_get_underlying(struct bufferevent *bev)
{
    return NULL;
}
