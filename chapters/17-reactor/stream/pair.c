/* pair.c -- two bufferevents that talk to each other
 *
 * What one writes, the other reads, without a socket. Their events have no
 * descriptor: they serve for time-outs. Their callbacks always run from the
 * loop.
 */
#include "stream.h"

static const struct bufferevent_ops pair_ops;

static struct stream *of(struct bufferevent *bev)
{
    return (struct stream *)bev;
}

static void run_timer(struct event *ev, const struct timeval *timeout)
{
    if (timerisset(timeout))
        event_add(ev, timeout);
    else
        event_del(ev);
}

static void read_timeout_cb(evutil_socket_t fd, short what, void *arg)
{
    bufferevent_disable(arg, EV_READ);
    stream_event_(arg, BEV_EVENT_TIMEOUT | BEV_EVENT_READING, 0);
}

static void write_timeout_cb(evutil_socket_t fd, short what, void *arg)
{
    bufferevent_disable(arg, EV_WRITE);
    stream_event_(arg, BEV_EVENT_TIMEOUT | BEV_EVENT_WRITING, 0);
}

/* Up to the reader's high-water mark, or all of it. */
static void transfer(struct bufferevent *from, struct bufferevent *to, int all)
{
    size_t length = evbuffer_get_length(from->output);
    size_t high = to->wm_read.high, held = evbuffer_get_length(to->input);

    if (high && held < high)
        length = length < high - held ? length : high - held;
    else if (high && !all)
        return;
    evbuffer_unfreeze(from->output, 1);
    evbuffer_unfreeze(to->input, 0);
    evbuffer_remove_buffer(from->output, to->input, length);
    evbuffer_freeze(from->output, 1);
    evbuffer_freeze(to->input, 0);
    if (length) {
        run_timer(&to->ev_read, &to->timeout_read);
        if (evbuffer_get_length(to->output))
            run_timer(&to->ev_write, &to->timeout_write);
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
        transfer(&from->bev, &to->bev, 0);
}

static void output_cb(
    struct evbuffer *buf, const struct evbuffer_cb_info *info, void *arg)
{
    struct stream *stream = arg;

    if (info->n_added > info->n_deleted)
        talk(stream, stream->partner);
}

static int pair_enable(struct bufferevent *bev, short events)
{
    if (events & EV_READ)
        run_timer(&bev->ev_read, &bev->timeout_read);
    if (events & EV_WRITE && evbuffer_get_length(bev->output))
        run_timer(&bev->ev_write, &bev->timeout_write);
    if (events & EV_READ)
        talk(of(bev)->partner, of(bev));
    if (events & EV_WRITE)
        talk(of(bev), of(bev)->partner);
    return 0;
}

static int pair_disable(struct bufferevent *bev, short events)
{
    if (events & EV_READ)
        event_del(&bev->ev_read);
    if (events & EV_WRITE)
        event_del(&bev->ev_write);
    return 0;
}

static int pair_flush(
    struct bufferevent *bev, short events, enum bufferevent_flush_mode mode)
{
    struct stream *partner = of(bev)->partner;

    if (!partner)
        return -1;
    if (mode == BEV_NORMAL)
        return 0;
    if (events & EV_READ)
        transfer(&partner->bev, bev, 1);
    if (events & EV_WRITE)
        transfer(bev, &partner->bev, 1);
    if (mode == BEV_FINISHED)
        stream_event_(&partner->bev,
            BEV_EVENT_EOF | (events & EV_READ ? BEV_EVENT_WRITING : 0) |
                (events & EV_WRITE ? BEV_EVENT_READING : 0),
            0);
    return 0;
}

static void pair_destroy(struct bufferevent *bev)
{
    if (of(bev)->partner)
        of(bev)->partner->partner = NULL;
}

static int pair_renew_timeouts(struct bufferevent *bev)
{
    const struct timeval none = {0, 0};
    int reads = bev->enabled & EV_READ && !of(bev)->too_full;
    int writes = bev->enabled & EV_WRITE && evbuffer_get_length(bev->output);

    run_timer(&bev->ev_read, reads ? &bev->timeout_read : &none);
    run_timer(&bev->ev_write, writes ? &bev->timeout_write : &none);
    return 0;
}

static const struct bufferevent_ops pair_ops = {
    pair_enable,
    pair_disable,
    pair_flush,
    pair_destroy,
    pair_renew_timeouts,
};

static struct stream *half_new(struct event_base *base, int options)
{
    struct stream *stream =
        stream_new_(base, &pair_ops, options | BEV_OPT_DEFER_CALLBACKS);

    if (!stream)
        return NULL;
    event_assign(&stream->bev.ev_read, base, -1, 0, read_timeout_cb, stream);
    event_assign(&stream->bev.ev_write, base, -1, 0, write_timeout_cb, stream);
    if (!evbuffer_add_cb(stream->bev.output, output_cb, stream)) {
        bufferevent_free(&stream->bev);
        return NULL;
    }
    evbuffer_freeze(stream->bev.input, 0);
    evbuffer_freeze(stream->bev.output, 1);
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

struct bufferevent *bufferevent_pair_get_partner(struct bufferevent *bev)
{
    struct stream *partner = bev->be_ops == &pair_ops ? of(bev)->partner : NULL;

    return partner ? &partner->bev : NULL;
}
