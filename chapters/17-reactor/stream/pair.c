/* pair.c -- two bufferevents that talk to each other
 *
 * What one writes, the other reads, without a socket. Their events have no
 * descriptor: they serve for time-outs. Their callbacks always run from the
 * loop.
 */
#include "stream.h"

static void read_timeout_cb(evutil_socket_t fd, short what, void *arg)
{
    stream_stop_(arg, EV_READ, BEV_EVENT_TIMEOUT);
}

static void write_timeout_cb(evutil_socket_t fd, short what, void *arg)
{
    stream_stop_(arg, EV_WRITE, BEV_EVENT_TIMEOUT);
}

/* Up to the reader's high-water mark, or all of it. */
void pair_transfer_(
    struct bufferevent *from, struct bufferevent *to, int beyond_mark)
{
    size_t length = evbuffer_get_length(from->output);
    size_t high = to->wm_read.high, held = evbuffer_get_length(to->input);

    if (high && held < high)
        length = least_(length, high - held);
    else if (high && !beyond_mark)
        return;
    evbuffer_unfreeze(from->output, 1);
    evbuffer_unfreeze(to->input, 0);
    evbuffer_remove_buffer(from->output, to->input, length);
    evbuffer_freeze(from->output, 1);
    evbuffer_freeze(to->input, 0);
    if (length) {
        stream_add_(&to->ev_read, &to->timeout_read);
        if (evbuffer_get_length(to->output))
            stream_add_(&to->ev_write, &to->timeout_write);
        else
            event_del(&to->ev_write);
    }
    bufferevent_trigger(to, EV_READ, 0);
    bufferevent_trigger(from, EV_WRITE, 0);
}

static void talk(struct stream *from, struct stream *to)
{
    if (from && to && from->bev.enabled & EV_WRITE &&
        to->bev.enabled & EV_READ && !to->too_full &&
        evbuffer_get_length(from->bev.output))
        pair_transfer_(&from->bev, &to->bev, 0);
}

static void output_cb(
    struct evbuffer *buf, const struct evbuffer_cb_info *info, void *arg)
{
    struct stream *stream = arg;

    if (info->n_added > info->n_deleted)
        talk(stream, stream->partner);
}

static void pair_enabled(struct bufferevent *bev, short events)
{
    if (events & EV_READ)
        talk(of_(bev)->partner, of_(bev));
    if (events & EV_WRITE)
        talk(of_(bev), of_(bev)->partner);
}

static const struct bufferevent_ops pair_ops = {pair_enabled};

static struct stream *half_new(struct event_base *base, int options)
{
    struct stream *stream = stream_new_(
        base, &pair_ops, options | BEV_OPT_DEFER_CALLBACKS, output_cb);

    if (!stream)
        return NULL;
    event_assign(&stream->bev.ev_read, base, -1, 0, read_timeout_cb, stream);
    event_assign(&stream->bev.ev_write, base, -1, 0, write_timeout_cb, stream);
    return stream;
}

int bufferevent_pair_new(
    struct event_base *base, int options, struct bufferevent *pair[2])
{
    struct stream *one = half_new(base, options);
    struct stream *two = one ? half_new(base, options) : NULL;

    if (one && !two)
        bufferevent_free(&one->bev);
    if (!two)
        return -1;
    one->partner = two;
    two->partner = one;
    pair[0] = &one->bev;
    pair[1] = &two->bev;
    return 0;
}
