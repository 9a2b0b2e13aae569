/* socket.c -- a bufferevent with a socket
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stream.h"

/* Both time-out and bytes: the bytes were in time. */
static void read_cb(evutil_socket_t fd, short what, void *arg)
{
    struct bufferevent *bev = arg;
    size_t most = of_(bev)->max_read, length = evbuffer_get_length(bev->input);
    int got;

    if (what == EV_TIMEOUT) {
        stream_stop_(bev, EV_READ, BEV_EVENT_TIMEOUT);
        return;
    }
    if (bev->wm_read.high > length)
        most = least_(most, bev->wm_read.high - length);
    of_(bev)->references++;
    evbuffer_unfreeze(bev->input, 0);
    got = evbuffer_read(bev->input, fd, most > INT32_MAX ? -1 : (int)most);
    evbuffer_freeze(bev->input, 0);
    if (got > 0)
        bufferevent_trigger(bev, EV_READ, 0);
    else if (got == 0)
        stream_stop_(bev, EV_READ, BEV_EVENT_EOF);
    else if (!is_passing_(errno))
        stream_stop_(bev, EV_READ, BEV_EVENT_ERROR);
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
    of_(bev)->connecting = 0;
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

static void write_some(struct bufferevent *bev, evutil_socket_t fd)
{
    int was_connecting = of_(bev)->connecting, sent = 1;

    if (was_connecting && !finish_connect(bev, fd))
        return;
    if (evbuffer_get_length(bev->output)) {
        was_connecting = 0;
        evbuffer_unfreeze(bev->output, 1);
        sent = evbuffer_write_atmost(
            bev->output, fd, (ev_ssize_t)of_(bev)->max_write);
        evbuffer_freeze(bev->output, 1);
    }
    if (sent < 0 && is_passing_(errno))
        return;
    if (sent <= 0) {
        stream_stop_(
            bev, EV_WRITE, sent == 0 ? BEV_EVENT_EOF : BEV_EVENT_ERROR);
        return;
    }
    if (evbuffer_get_length(bev->output) == 0)
        event_del(&bev->ev_write);
    if (!was_connecting)
        bufferevent_trigger(bev, EV_WRITE, 0);
}

static void write_cb(evutil_socket_t fd, short what, void *arg)
{
    struct bufferevent *bev = arg;

    of_(bev)->references++;
    if (what == EV_TIMEOUT)
        stream_stop_(bev, EV_WRITE, BEV_EVENT_TIMEOUT);
    else
        write_some(bev, fd);
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

const struct bufferevent_ops socket_ops_ = {NULL};

struct bufferevent *bufferevent_socket_new(
    struct event_base *base, evutil_socket_t fd, int options)
{
    struct stream *stream = stream_new_(base, &socket_ops_, options, output_cb);

    if (!stream)
        return NULL;
    assign(&stream->bev, fd);
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

/* What the connection comes to, the event callback is told from the loop. */
static int start_connect(struct bufferevent *bev, evutil_socket_t fd,
    const struct sockaddr *sa, int size)
{
    int status = sa ? connect(fd, sa, (socklen_t)size) : 0, error = errno;

    if (status < 0 && !is_passing_(error) && error != EINPROGRESS &&
        error != ECONNREFUSED)
        return -1;
    bufferevent_setfd(bev, fd);
    if (status < 0 && error == ECONNREFUSED) {
        errno = error;
        stream_event_(bev, BEV_EVENT_ERROR, BEV_OPT_DEFER_CALLBACKS);
        bufferevent_disable(bev, EV_WRITE | EV_READ);
        return 0;
    }
    of_(bev)->connecting = 1;
    return stream_add_(&bev->ev_write, &bev->timeout_write);
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
    of_(bev)->references++;
    status = start_connect(bev, fd, sa, size);
    stream_release_(bev);
    if (status < 0 && own >= 0)
        close(own);
    return status;
}
