/* bufferevent.c -- what sockets and pairs have in common
 *
 * A callback may free its bufferevent: then it goes when the callback has
 * returned. A callback that is to run later is run by an event of its own.
 */
#include <errno.h>
#include <unistd.h>

#include "stream.h"

static void discard(struct stream *stream)
{
    if (stream->bev.input)
        evbuffer_free(stream->bev.input);
    if (stream->bev.output)
        evbuffer_free(stream->bev.output);
    free_(stream);
}

void stream_release_(struct bufferevent *bev)
{
    struct stream *stream = of_(bev);
    int fd = stream->options & BEV_OPT_CLOSE_ON_FREE ? bev->ev_read.ev_fd : -1;

    if (--stream->references)
        return;
    event_del(&stream->later);
    event_del(&bev->ev_read);
    event_del(&bev->ev_write);
    if (stream->partner)
        stream->partner->partner = NULL;
    if (fd >= 0)
        close(fd);
    discard(stream);
}

void bufferevent_free(struct bufferevent *bev)
{
    bufferevent_setcb(bev, NULL, NULL, NULL, NULL);
    stream_release_(bev);
}

static void run_data(struct bufferevent *bev, short events)
{
    if (events & EV_READ && bev->readcb) {
        bev->readcb(bev, bev->cbarg);
        /* The input may be above the mark still: then nobody reads, and nobody
         * else would call again. */
        if (bev->readcb && bev->wm_read.high && bev->enabled & EV_READ &&
            evbuffer_get_length(bev->input) >= bev->wm_read.high)
            bufferevent_trigger(bev, EV_READ, BEV_TRIG_DEFER_CALLBACKS);
    }
    if (events & EV_WRITE && bev->writecb)
        bev->writecb(bev, bev->cbarg);
}

static void run_event(struct bufferevent *bev, short what)
{
    if (what && bev->errorcb)
        bev->errorcb(bev, what, bev->cbarg);
}

static short take(short *from, int bits)
{
    short taken = (short)(*from & bits);

    *from &= (short)~bits;
    return taken;
}

/* "Connected" came before any byte, so it is told first. */
static void later_cb(evutil_socket_t fd, short ignored, void *arg)
{
    struct bufferevent *bev = arg;
    struct stream *stream = arg;

    stream->references++;
    run_event(bev, take(&stream->event_later, BEV_EVENT_CONNECTED));
    run_data(bev, take(&stream->data_later, EV_READ));
    run_data(bev, take(&stream->data_later, EV_WRITE));
    errno = stream->errno_later;
    run_event(bev, take(&stream->event_later, ~0));
    stream_release_(bev);
}

void bufferevent_trigger(struct bufferevent *bev, short events, int options)
{
    struct stream *stream = of_(bev);
    int all = options & BEV_TRIG_IGNORE_WATERMARKS;

    if (!bev->readcb ||
        (!all && evbuffer_get_length(bev->input) < bev->wm_read.low))
        events &= ~EV_READ;
    if (!bev->writecb ||
        (!all && evbuffer_get_length(bev->output) > bev->wm_write.low))
        events &= ~EV_WRITE;
    if (!(events & (EV_READ | EV_WRITE)))
        return;
    if ((stream->options | options) & BEV_OPT_DEFER_CALLBACKS) {
        stream->data_later |= events;
        event_active(&stream->later, EV_TIMEOUT, 1);
        return;
    }
    stream->references++;
    run_data(bev, events);
    stream_release_(bev);
}

void stream_event_(struct bufferevent *bev, short what, int options)
{
    struct stream *stream = of_(bev);

    if (!bev->errorcb)
        return;
    if ((stream->options | options) & BEV_OPT_DEFER_CALLBACKS) {
        stream->event_later |= what;
        stream->errno_later = errno;
        event_active(&stream->later, EV_TIMEOUT, 1);
        return;
    }
    stream->references++;
    run_event(bev, what);
    stream_release_(bev);
}

/* One direction is over, or its time-out is. */
void stream_stop_(struct bufferevent *bev, short direction, short what)
{
    int error = errno;

    bufferevent_disable(bev, direction);
    errno = error;
    what |= direction == EV_READ ? BEV_EVENT_READING : BEV_EVENT_WRITING;
    stream_event_(bev, what, 0);
}

int stream_add_(struct event *ev, const struct timeval *timeout)
{
    if (timerisset(timeout))
        return event_add(ev, timeout);
    event_remove_timer(ev);
    return event_add(ev, NULL);
}

/* The events of a pair have only their time-outs, and that of writing runs
 * while there is something to write. */
static int start(struct bufferevent *bev, short events)
{
    struct stream *stream = of_(bev);
    int status = 0;

    if (events & EV_READ && !stream->too_full)
        status |= stream_add_(&bev->ev_read, &bev->timeout_read);
    if (events & EV_WRITE &&
        (bev->be_ops == &socket_ops_ || evbuffer_get_length(bev->output)))
        status |= stream_add_(&bev->ev_write, &bev->timeout_write);
    stream->references++;
    if (status == 0 && bev->be_ops->enabled)
        bev->be_ops->enabled(bev, events);
    stream_release_(bev);
    return status;
}

/* While it is connecting, a socket has to be watched for writing. */
static int stop(struct bufferevent *bev, short events)
{
    int status = 0;

    if (events & EV_READ)
        status |= event_del(&bev->ev_read);
    if (events & EV_WRITE && !of_(bev)->connecting)
        status |= event_del(&bev->ev_write);
    return status;
}

/* Reading stops while the input is at its high-water mark. */
static void set_full(struct bufferevent *bev, char full)
{
    if (full == of_(bev)->too_full)
        return;
    of_(bev)->too_full = full;
    if (full)
        stop(bev, EV_READ);
    else
        start(bev, bev->enabled & EV_READ);
}

static void mark_cb(
    struct evbuffer *buf, const struct evbuffer_cb_info *info, void *arg)
{
    struct bufferevent *bev = arg;
    size_t high = bev->wm_read.high;

    set_full(bev, high && evbuffer_get_length(bev->input) >= high);
}

void bufferevent_setwatermark(
    struct bufferevent *bev, short events, size_t low, size_t high)
{
    if (events & EV_WRITE)
        bev->wm_write = (struct event_watermark){low, high};
    if (!(events & EV_READ))
        return;
    bev->wm_read = (struct event_watermark){low, high};
    if (high && !of_(bev)->mark_cb)
        of_(bev)->mark_cb = evbuffer_add_cb(bev->input, mark_cb, bev);
    mark_cb(bev->input, NULL, bev);
}

/* Only the bufferevent itself adds to its input, and takes from its output. */
struct stream *stream_new_(struct event_base *base,
    const struct bufferevent_ops *ops, int options, evbuffer_cb_func output_cb)
{
    int possible = BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS;
    struct stream *stream = NULL;

    if (options & BEV_OPT_DEFER_CALLBACKS)
        possible |= BEV_OPT_UNLOCK_CALLBACKS;
    if (options & ~possible)
        warn_(0, "a bufferevent with an option that is not possible");
    else
        stream = alloc_(sizeof(*stream));
    if (!stream)
        return NULL;
    stream->bev.input = evbuffer_new();
    stream->bev.output = evbuffer_new();
    if (!stream->bev.input || !stream->bev.output ||
        !evbuffer_add_cb(stream->bev.output, output_cb, stream)) {
        discard(stream);
        return NULL;
    }
    evbuffer_freeze(stream->bev.input, 0);
    evbuffer_freeze(stream->bev.output, 1);
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

int bufferevent_enable(struct bufferevent *bev, short events)
{
    bev->enabled |= events;
    return start(bev, events);
}

int bufferevent_disable(struct bufferevent *bev, short events)
{
    bev->enabled &= ~events;
    return stop(bev, events);
}

struct evbuffer *bufferevent_get_input(struct bufferevent *bev)
{
    return bev->input;
}

struct evbuffer *bufferevent_get_output(struct bufferevent *bev)
{
    return bev->output;
}

int bufferevent_write(struct bufferevent *bev, const void *data, size_t size)
{
    return evbuffer_add(bev->output, data, size);
}

size_t bufferevent_read(struct bufferevent *bev, void *data, size_t size)
{
    return (size_t)evbuffer_remove(bev->input, data, size);
}

int bufferevent_set_timeouts(struct bufferevent *bev,
    const struct timeval *read, const struct timeval *write)
{
    const struct timeval none = {0, 0};
    short events = bev->enabled;

    if (bev->be_ops == &socket_ops_)
        events = (short)(event_pending(&bev->ev_read, EV_READ, NULL) |
                         event_pending(&bev->ev_write, EV_WRITE, NULL));
    bev->timeout_read = read ? *read : none;
    bev->timeout_write = write ? *write : none;
    return start(bev, events);
}
