/* socket.c -- a bufferevent with a socket
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stream.h"

#include <event2/bufferevent_compat.h>

static struct stream *of(struct bufferevent *bev)
{
    return (struct stream *)bev;
}

static int is_passing(int error)
{
    return error == EAGAIN || error == EINTR;
}

static void fail_reading(struct bufferevent *bev, short what)
{
    int error = errno;

    bufferevent_disable(bev, EV_READ);
    errno = error;
    stream_event_(bev, BEV_EVENT_READING | what, 0);
}

static void fail_writing(struct bufferevent *bev, short what)
{
    int error = errno;

    bufferevent_disable(bev, EV_WRITE);
    errno = error;
    stream_event_(bev, BEV_EVENT_WRITING | what, 0);
}

/* Both time-out and bytes: the bytes were in time. */
static void read_cb(evutil_socket_t fd, short what, void *arg)
{
    struct bufferevent *bev = arg;
    size_t most = of(bev)->max_read, length = evbuffer_get_length(bev->input);
    int got;

    if (what == EV_TIMEOUT) {
        fail_reading(bev, BEV_EVENT_TIMEOUT);
        return;
    }
    if (bev->wm_read.high && length >= bev->wm_read.high) {
        stream_full_(bev, 1);
        return;
    }
    if (bev->wm_read.high && bev->wm_read.high - length < most)
        most = bev->wm_read.high - length;
    stream_hold_(bev);
    evbuffer_unfreeze(bev->input, 0);
    got = evbuffer_read(bev->input, fd, most > INT32_MAX ? -1 : (int)most);
    evbuffer_freeze(bev->input, 0);
    if (got > 0)
        bufferevent_trigger(bev, EV_READ, 0);
    else if (got == 0)
        fail_reading(bev, BEV_EVENT_EOF);
    else if (!is_passing(errno))
        fail_reading(bev, BEV_EVENT_ERROR);
    stream_release_(bev);
}

/* Whether the connection is made; 0: not yet, or it has failed. */
static int finish_connect(struct bufferevent *bev, evutil_socket_t fd)
{
    int error = 0;
    socklen_t size = sizeof(error);

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
        error = errno;
    if (error == EINPROGRESS || error == EINTR)
        return 0;
    of(bev)->connecting = 0;
    if (error) {
        event_del(&bev->ev_write);
        event_del(&bev->ev_read);
        errno = error;
        stream_event_(bev, BEV_EVENT_ERROR, 0);
        return 0;
    }
    stream_event_(bev, BEV_EVENT_CONNECTED, 0);
    if (!(bev->enabled & EV_WRITE))
        event_del(&bev->ev_write);
    return bev->enabled & EV_WRITE;
}

static int send_some(struct bufferevent *bev, evutil_socket_t fd)
{
    int sent;

    evbuffer_unfreeze(bev->output, 1);
    sent =
        evbuffer_write_atmost(bev->output, fd, (ev_ssize_t)of(bev)->max_write);
    evbuffer_freeze(bev->output, 1);
    return sent;
}

static void write_cb_held(struct bufferevent *bev, evutil_socket_t fd)
{
    int was_connecting = of(bev)->connecting, sent = 0;

    if (was_connecting && !finish_connect(bev, fd))
        return;
    if (evbuffer_get_length(bev->output)) {
        sent = send_some(bev, fd);
        if (sent <= 0) {
            if (sent == 0)
                fail_writing(bev, BEV_EVENT_EOF);
            else if (!is_passing(errno))
                fail_writing(bev, BEV_EVENT_ERROR);
            return;
        }
    }
    if (evbuffer_get_length(bev->output) == 0)
        event_del(&bev->ev_write);
    if (sent || !was_connecting)
        bufferevent_trigger(bev, EV_WRITE, 0);
}

static void write_cb(evutil_socket_t fd, short what, void *arg)
{
    struct bufferevent *bev = arg;

    stream_hold_(bev);
    if (what == EV_TIMEOUT)
        fail_writing(bev, BEV_EVENT_TIMEOUT);
    else
        write_cb_held(bev, fd);
    stream_release_(bev);
}

/* The socket is watched for writing only while there is something to write. */
static void output_cb(
    struct evbuffer *buf, const struct evbuffer_cb_info *info, void *arg)
{
    struct bufferevent *bev = arg;

    if (info->n_added && bev->enabled & EV_WRITE &&
        !event_pending(&bev->ev_write, EV_WRITE, NULL))
        stream_add_(&bev->ev_write, &bev->timeout_write);
}

static void assign(struct bufferevent *bev, evutil_socket_t fd)
{
    event_assign(
        &bev->ev_read, bev->ev_base, fd, EV_READ | EV_PERSIST, read_cb, bev);
    event_assign(
        &bev->ev_write, bev->ev_base, fd, EV_WRITE | EV_PERSIST, write_cb, bev);
}

static int socket_enable(struct bufferevent *bev, short events)
{
    if (events & EV_READ && stream_add_(&bev->ev_read, &bev->timeout_read) < 0)
        return -1;
    if (events & EV_WRITE &&
        stream_add_(&bev->ev_write, &bev->timeout_write) < 0)
        return -1;
    return 0;
}

/* While connecting, the socket has to be watched for writing. */
static int socket_disable(struct bufferevent *bev, short events)
{
    int status = 0;

    if (events & EV_READ)
        status |= event_del(&bev->ev_read);
    if (events & EV_WRITE && !of(bev)->connecting)
        status |= event_del(&bev->ev_write);
    return status;
}

/* Like libevent's, it does nothing: what has to be sent goes when it can. */
static int socket_flush(
    struct bufferevent *bev, short events, enum bufferevent_flush_mode mode)
{
    return 0;
}

static void socket_destroy(struct bufferevent *bev)
{
    evutil_socket_t fd = event_get_fd(&bev->ev_read);

    if (of(bev)->options & BEV_OPT_CLOSE_ON_FREE && fd >= 0)
        close(fd);
}

static int renew(struct event *ev, short events, const struct timeval *timeout)
{
    if (!event_pending(ev, events, NULL))
        return 0;
    return timerisset(timeout) ? event_add(ev, timeout)
                               : event_remove_timer(ev);
}

static int socket_renew_timeouts(struct bufferevent *bev)
{
    return renew(&bev->ev_read, EV_READ, &bev->timeout_read) |
           renew(&bev->ev_write, EV_WRITE, &bev->timeout_write);
}

const struct bufferevent_ops socket_ops_ = {
    socket_enable,
    socket_disable,
    socket_flush,
    socket_destroy,
    socket_renew_timeouts,
};

struct bufferevent *bufferevent_socket_new(
    struct event_base *base, evutil_socket_t fd, int options)
{
    struct stream *stream = stream_new_(base, &socket_ops_, options);

    if (!stream)
        return NULL;
    assign(&stream->bev, fd);
    if (!evbuffer_add_cb(stream->bev.output, output_cb, stream)) {
        stream->options = 0; /* the descriptor stays the caller's */
        bufferevent_free(&stream->bev);
        return NULL;
    }
    evbuffer_freeze(stream->bev.input, 0);
    evbuffer_freeze(stream->bev.output, 1);
    return &stream->bev;
}

int bufferevent_setfd(struct bufferevent *bev, evutil_socket_t fd)
{
    if (bev->be_ops != &socket_ops_)
        return -1;
    event_del(&bev->ev_read);
    event_del(&bev->ev_write);
    assign(bev, fd);
    if (fd >= 0)
        bufferevent_enable(bev, bev->enabled);
    return 0;
}

evutil_socket_t bufferevent_getfd(struct bufferevent *bev)
{
    return bev->be_ops == &socket_ops_ ? event_get_fd(&bev->ev_read) : -1;
}

int bufferevent_priority_set(struct bufferevent *bev, int priority)
{
    if (bev->be_ops != &socket_ops_ ||
        event_priority_set(&bev->ev_read, priority) < 0 ||
        event_priority_set(&bev->ev_write, priority) < 0)
        return -1;
    of(bev)->later.ev_priority = (ev_uint8_t)priority;
    return 0;
}

int bufferevent_base_set(struct event_base *base, struct bufferevent *bev)
{
    if (bev->be_ops != &socket_ops_)
        return -1;
    bev->ev_base = base;
    of(bev)->later.ev_base = base;
    return event_base_set(base, &bev->ev_read) |
           event_base_set(base, &bev->ev_write);
}

/* What the connection comes to, the event callback is told from the loop. */
static int start_connect(struct bufferevent *bev, evutil_socket_t fd,
    const struct sockaddr *sa, int size)
{
    int status = sa ? connect(fd, sa, (socklen_t)size) : 0, error = errno;

    if (status < 0 && !is_passing(error) && error != EINPROGRESS &&
        error != ECONNREFUSED)
        return -1;
    bufferevent_setfd(bev, fd);
    if (status < 0 && error == ECONNREFUSED) {
        errno = error;
        stream_event_(bev, BEV_EVENT_ERROR, BEV_OPT_DEFER_CALLBACKS);
        bufferevent_disable(bev, EV_WRITE | EV_READ);
        return 0;
    }
    of(bev)->connecting = 1;
    return socket_enable(bev, EV_WRITE);
}

int bufferevent_socket_connect(
    struct bufferevent *bev, const struct sockaddr *sa, int size)
{
    evutil_socket_t fd = bufferevent_getfd(bev), own = -1;
    int status;

    if (fd < 0 && sa)
        fd = own = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    stream_hold_(bev);
    status = start_connect(bev, fd, sa, size);
    stream_release_(bev);
    if (status < 0 && own >= 0)
        close(own);
    return status;
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
