/* listener.c -- accepting connections
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stream.h"

enum { USUAL_BACKLOG = 128 };

static void release(struct evconnlistener *listener)
{
    if (--listener->references)
        return;
    event_del(&listener->ev);
    if (listener->flags & LEV_OPT_CLOSE_ON_FREE)
        close(event_get_fd(&listener->ev));
    free_(listener);
}

static void tell_error(struct evconnlistener *listener, int error)
{
    if (is_passing_(error) || error == ECONNABORTED)
        return;
    if (listener->error_callback)
        listener->error_callback(listener, listener->arg);
    else
        warn_(error, "cannot accept a connection");
}

/* Accept all that wait, until the callback disables or frees the listener. */
static void accept_cb(evutil_socket_t fd, short what, void *arg)
{
    struct evconnlistener *listener = arg;
    unsigned options = listener->flags;
    int flags = (options & LEV_OPT_LEAVE_SOCKETS_BLOCKING ? 0 : SOCK_NONBLOCK) |
                (options & LEV_OPT_CLOSE_ON_EXEC ? SOCK_CLOEXEC : 0);

    listener->references++;
    while (listener->enabled && listener->callback) {
        struct sockaddr_storage address = {0};
        socklen_t size = sizeof(address);
        int conn = accept4(fd, (struct sockaddr *)&address, &size, flags);

        if (conn < 0) {
            tell_error(listener, errno);
            break;
        }
        listener->callback(listener, conn, (struct sockaddr *)&address,
            (int)size, listener->arg);
    }
    release(listener);
}

struct evconnlistener *evconnlistener_new(struct event_base *base,
    evconnlistener_cb callback, void *arg, unsigned flags, int backlog,
    evutil_socket_t fd)
{
    struct evconnlistener *listener = NULL;

    if (flags & LEV_OPT_THREADSAFE) {
        warn_(0, "a listener with LEV_OPT_THREADSAFE is not possible");
        return NULL;
    }
    if (backlog && listen(fd, backlog > 0 ? backlog : USUAL_BACKLOG) < 0)
        return NULL;
    listener = alloc_(sizeof(*listener));
    if (!listener)
        return NULL;
    listener->callback = callback;
    listener->arg = arg;
    listener->flags = flags;
    listener->references = 1;
    event_assign(
        &listener->ev, base, fd, EV_READ | EV_PERSIST, accept_cb, listener);
    if (!(flags & LEV_OPT_DISABLED) && evconnlistener_enable(listener) < 0) {
        free_(listener);
        return NULL;
    }
    return listener;
}

static int set_options(int fd, unsigned flags)
{
    int on = 1, status;

    status = setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    if (flags & LEV_OPT_REUSEABLE)
        status |= evutil_make_listen_socket_reuseable(fd);
    if (flags & LEV_OPT_REUSEABLE_PORT)
        status |= evutil_make_listen_socket_reuseable_port(fd);
    if (flags & LEV_OPT_DEFERRED_ACCEPT)
        status |= evutil_make_tcp_listen_socket_deferred(fd);
    if (flags & LEV_OPT_BIND_IPV6ONLY)
        status |= evutil_make_listen_socket_ipv6only(fd);
    return status;
}

struct evconnlistener *evconnlistener_new_bind(struct event_base *base,
    evconnlistener_cb callback, void *arg, unsigned flags, int backlog,
    const struct sockaddr *sa, int size)
{
    int type = SOCK_STREAM | SOCK_NONBLOCK |
               (flags & LEV_OPT_CLOSE_ON_EXEC ? SOCK_CLOEXEC : 0);
    struct evconnlistener *listener = NULL;
    int fd = backlog ? socket(sa ? sa->sa_family : AF_UNSPEC, type, 0) : -1;
    int error;

    if (fd < 0)
        return NULL;
    if (set_options(fd, flags) == 0 &&
        (!sa || bind(fd, sa, (socklen_t)size) == 0))
        listener = evconnlistener_new(base, callback, arg, flags, backlog, fd);
    if (!listener) {
        error = errno;
        close(fd);
        errno = error;
    }
    return listener;
}

void evconnlistener_free(struct evconnlistener *listener)
{
    listener->callback = NULL;
    listener->error_callback = NULL;
    listener->enabled = 0;
    event_del(&listener->ev);
    release(listener);
}

/* Without a callback it waits for one. */
int evconnlistener_enable(struct evconnlistener *listener)
{
    listener->enabled = 1;
    return listener->callback ? event_add(&listener->ev, NULL) : 0;
}

int evconnlistener_disable(struct evconnlistener *listener)
{
    listener->enabled = 0;
    return event_del(&listener->ev);
}

void evconnlistener_set_error_cb(
    struct evconnlistener *listener, evconnlistener_errorcb callback)
{
    listener->error_callback = callback;
}

evutil_socket_t evconnlistener_get_fd(struct evconnlistener *listener)
{
    return event_get_fd(&listener->ev);
}
