/* bufferevent.c -- what sockets and pairs have in common
 *
 * A callback may free its bufferevent: then it goes when the callback has
 * returned. A callback that is to run later is run by an event of its own.
 */
#include <errno.h>
#include <string.h>

#include "stream.h"

enum { MAX_AT_ONCE = 16384 };

static struct stream *of(struct bufferevent *bev)
{
    return (struct stream *)bev;
}

void stream_hold_(struct bufferevent *bev)
{
    of(bev)->references++;
}

void stream_release_(struct bufferevent *bev)
{
    struct stream *stream = of(bev);

    if (--stream->references)
        return;
    event_del(&stream->later);
    event_del(&bev->ev_read);
    event_del(&bev->ev_write);
    bev->be_ops->destroy(bev);
    evbuffer_free(bev->input);
    evbuffer_free(bev->output);
    free_(stream);
}

void bufferevent_free(struct bufferevent *bev)
{
    bufferevent_setcb(bev, NULL, NULL, NULL, NULL);
    stream_release_(bev);
}

void bufferevent_incref(struct bufferevent *bev)
{
    stream_hold_(bev);
}

int bufferevent_decref(struct bufferevent *bev)
{
    int last = of(bev)->references == 1;

    stream_release_(bev);
    return last;
}

static void run_read(struct bufferevent *bev)
{
    if (!bev->readcb)
        return;
    bev->readcb(bev, bev->cbarg);
    /* The input may be above the mark still: then nobody reads, and nobody else
     * would call again. */
    if (bev->wm_read.high && bev->enabled & EV_READ &&
        evbuffer_get_length(bev->input) >= bev->wm_read.high)
        bufferevent_trigger(bev, EV_READ, BEV_TRIG_DEFER_CALLBACKS);
}

static void run_event(struct bufferevent *bev, short what)
{
    if (bev->errorcb)
        bev->errorcb(bev, what, bev->cbarg);
}

/* "Connected" came before any byte, so it is told first. */
static void later_cb(evutil_socket_t fd, short ignored, void *arg)
{
    struct bufferevent *bev = arg;
    struct stream *stream = arg;
    short what;

    stream_hold_(bev);
    if (stream->event_later & BEV_EVENT_CONNECTED) {
        stream->event_later &= ~BEV_EVENT_CONNECTED;
        run_event(bev, BEV_EVENT_CONNECTED);
    }
    if (stream->read_later) {
        stream->read_later = 0;
        run_read(bev);
    }
    if (stream->write_later) {
        stream->write_later = 0;
        if (bev->writecb)
            bev->writecb(bev, bev->cbarg);
    }
    what = stream->event_later;
    stream->event_later = 0;
    if (what) {
        errno = stream->errno_later;
        run_event(bev, what);
    }
    stream_release_(bev);
}

static void schedule(struct stream *stream)
{
    event_active(&stream->later, EV_TIMEOUT, 1);
}

void bufferevent_trigger(struct bufferevent *bev, short events, int options)
{
    struct stream *stream = of(bev);
    int later = (stream->options | options) & BEV_OPT_DEFER_CALLBACKS;
    int all = options & BEV_TRIG_IGNORE_WATERMARKS;
    int reads = events & EV_READ && bev->readcb &&
                (all || evbuffer_get_length(bev->input) >= bev->wm_read.low);
    int writes = events & EV_WRITE && bev->writecb &&
                 (all || evbuffer_get_length(bev->output) <= bev->wm_write.low);

    if (later) {
        stream->read_later |= reads != 0;
        stream->write_later |= writes != 0;
        if (reads || writes)
            schedule(stream);
        return;
    }
    stream_hold_(bev);
    if (reads)
        run_read(bev);
    if (writes && bev->writecb)
        bev->writecb(bev, bev->cbarg);
    stream_release_(bev);
}

void stream_event_(struct bufferevent *bev, short what, int options)
{
    struct stream *stream = of(bev);

    if (!bev->errorcb)
        return;
    if (!((stream->options | options) & BEV_OPT_DEFER_CALLBACKS)) {
        stream_hold_(bev);
        run_event(bev, what);
        stream_release_(bev);
        return;
    }
    stream->event_later |= what;
    stream->errno_later = errno;
    schedule(stream);
}

void bufferevent_trigger_event(struct bufferevent *bev, short what, int options)
{
    stream_event_(bev, what, options & BEV_TRIG_DEFER_CALLBACKS);
}

/* Reading stops while the input is at its high-water mark. */
void stream_full_(struct bufferevent *bev, int full)
{
    struct stream *stream = of(bev);

    if (full && !stream->too_full)
        bev->be_ops->disable(bev, EV_READ);
    if (full == stream->too_full)
        return;
    stream->too_full = (char)full;
    if (!full && bev->enabled & EV_READ)
        bev->be_ops->enable(bev, EV_READ);
}

static void mark_cb(
    struct evbuffer *buf, const struct evbuffer_cb_info *info, void *arg)
{
    struct bufferevent *bev = arg;

    stream_full_(bev, evbuffer_get_length(buf) >= bev->wm_read.high);
}

void bufferevent_setwatermark(
    struct bufferevent *bev, short events, size_t low, size_t high)
{
    struct stream *stream = of(bev);

    if (events & EV_WRITE)
        bev->wm_write = (struct event_watermark){low, high};
    if (!(events & EV_READ))
        return;
    bev->wm_read = (struct event_watermark){low, high};
    if (high && !stream->mark_cb)
        stream->mark_cb = evbuffer_add_cb(bev->input, mark_cb, bev);
    if (stream->mark_cb && high)
        evbuffer_cb_set_flags(bev->input, stream->mark_cb, EVBUFFER_CB_ENABLED);
    if (stream->mark_cb && !high)
        evbuffer_cb_clear_flags(
            bev->input, stream->mark_cb, EVBUFFER_CB_ENABLED);
    stream_full_(bev, high && evbuffer_get_length(bev->input) >= high);
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

struct stream *stream_new_(
    struct event_base *base, const struct bufferevent_ops *ops, int options)
{
    struct stream *stream = NULL;

    if (options & BEV_OPT_THREADSAFE ||
        (options & (BEV_OPT_DEFER_CALLBACKS | BEV_OPT_UNLOCK_CALLBACKS)) ==
            BEV_OPT_UNLOCK_CALLBACKS)
        warn_(0, "a bufferevent with an option that is not possible");
    else
        stream = alloc_(sizeof(*stream));
    if (!stream)
        return NULL;
    stream->bev.input = evbuffer_new();
    stream->bev.output = evbuffer_new();
    if (!stream->bev.input || !stream->bev.output) {
        if (stream->bev.input)
            evbuffer_free(stream->bev.input);
        if (stream->bev.output)
            evbuffer_free(stream->bev.output);
        free_(stream);
        return NULL;
    }
    stream->bev.ev_base = base;
    stream->bev.be_ops = ops;
    stream->bev.enabled = EV_WRITE;
    stream->options = options;
    stream->references = 1;
    stream->max_read = stream->max_write = MAX_AT_ONCE;
    event_assign(&stream->later, base, -1, 0, later_cb, stream);
    return stream;
}

void bufferevent_setcb(struct bufferevent *bev, bufferevent_data_cb readcb,
    bufferevent_data_cb writecb, bufferevent_event_cb eventcb, void *arg)
{
    bev->readcb = readcb;
    bev->writecb = writecb;
    bev->errorcb = eventcb;
    bev->cbarg = arg;
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

int bufferevent_enable(struct bufferevent *bev, short events)
{
    short now = of(bev)->too_full ? events & ~EV_READ : events;
    int status = 0;

    stream_hold_(bev);
    bev->enabled |= events;
    if (now)
        status = bev->be_ops->enable(bev, now);
    stream_release_(bev);
    return status;
}

int bufferevent_disable(struct bufferevent *bev, short events)
{
    bev->enabled &= ~events;
    return bev->be_ops->disable(bev, events);
}

short bufferevent_get_enabled(struct bufferevent *bev)
{
    return bev->enabled;
}

int bufferevent_flush(
    struct bufferevent *bev, short events, enum bufferevent_flush_mode mode)
{
    return bev->be_ops->flush(bev, events, mode);
}

struct evbuffer *bufferevent_get_input(struct bufferevent *bev)
{
    return bev->input;
}

struct evbuffer *bufferevent_get_output(struct bufferevent *bev)
{
    return bev->output;
}

struct event_base *bufferevent_get_base(struct bufferevent *bev)
{
    return bev->ev_base;
}

int bufferevent_get_priority(const struct bufferevent *bev)
{
    return event_get_priority(&bev->ev_read);
}

int bufferevent_write(struct bufferevent *bev, const void *data, size_t size)
{
    return evbuffer_add(bev->output, data, size);
}

int bufferevent_write_buffer(struct bufferevent *bev, struct evbuffer *buf)
{
    return evbuffer_add_buffer(bev->output, buf);
}

size_t bufferevent_read(struct bufferevent *bev, void *data, size_t size)
{
    return (size_t)evbuffer_remove(bev->input, data, size);
}

int bufferevent_read_buffer(struct bufferevent *bev, struct evbuffer *buf)
{
    return evbuffer_add_buffer(buf, bev->input);
}

int stream_add_(struct event *ev, const struct timeval *timeout)
{
    return event_add(ev, timerisset(timeout) ? timeout : NULL);
}

int bufferevent_set_timeouts(struct bufferevent *bev,
    const struct timeval *read, const struct timeval *write)
{
    const struct timeval none = {0, 0};

    bev->timeout_read = read ? *read : none;
    bev->timeout_write = write ? *write : none;
    return bev->be_ops->renew_timeouts(bev);
}

static size_t at_most(size_t size)
{
    return size == 0 || size > EV_SSIZE_MAX ? MAX_AT_ONCE : size;
}

int bufferevent_set_max_single_read(struct bufferevent *bev, size_t size)
{
    of(bev)->max_read = at_most(size);
    return 0;
}

int bufferevent_set_max_single_write(struct bufferevent *bev, size_t size)
{
    of(bev)->max_write = at_most(size);
    return 0;
}

ev_ssize_t bufferevent_get_max_single_read(struct bufferevent *bev)
{
    return (ev_ssize_t)of(bev)->max_read;
}

ev_ssize_t bufferevent_get_max_single_write(struct bufferevent *bev)
{
    return (ev_ssize_t)of(bev)->max_write;
}
