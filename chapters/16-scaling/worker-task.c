/* worker-task.c -- what a worker process begins with, see worker-task.h.
 */
#include <err.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/listener.h>
#include <event2/util.h>

#include "worker-task.h"

/* The addresses of HOST and PORT for a stream socket, to be freed with
 * evutil_freeaddrinfo. A name that has none ends the program. */
static struct evutil_addrinfo *resolve(const char *host, const char *port)
{
    struct evutil_addrinfo *list;
    struct evutil_addrinfo hints = {
        .ai_socktype = SOCK_STREAM, .ai_flags = EVUTIL_AI_NUMERICSERV};
    int error = evutil_getaddrinfo(host, port, &hints, &list);

    if (error)
        errx(1, "cannot resolve %s: %s", host, evutil_gai_strerror(error));
    return list;
}

/* SO_REUSEPORT has to be set on each of the sockets before it is bound. */
static int open_listening(
    const struct sockaddr *address, socklen_t length, bool reuseport)
{
    int fd = socket(
        address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;

    if (fd < 0 || evutil_make_listen_socket_reuseable(fd) < 0 ||
        (reuseport && evutil_make_listen_socket_reuseable_port(fd) < 0) ||
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)) != 0 ||
        bind(fd, address, length) != 0 || listen(fd, SOMAXCONN) != 0)
        return -1;
    return fd;
}

/* With SO_REUSEPORT a second server of the same user could take the same port
 * unnoticed, and with it a part of the clients. So a socket without the option
 * shows first that the port is free. */
int worker_socket_first(const char *host, const char *port, bool more)
{
    struct evutil_addrinfo *list = resolve(host, port);
    socklen_t length = (socklen_t)list->ai_addrlen;
    int fd = open_listening(list->ai_addr, length, false);

    if (fd >= 0 && more) {
        close(fd);
        fd = open_listening(list->ai_addr, length, true);
    }
    if (fd < 0)
        err(1, "cannot listen on %s port %s", host, port);
    evutil_freeaddrinfo(list);
    return fd;
}

int worker_socket_next(int first)
{
    struct sockaddr_storage bound;
    struct sockaddr *address = (struct sockaddr *)&bound;
    socklen_t length = sizeof(bound);
    int fd = -1;

    if (getsockname(first, address, &length) == 0)
        fd = open_listening(address, length, true);
    if (fd < 0)
        err(1, "cannot listen on the port a second time");
    return fd;
}

void task_begin(struct task *task, int fd)
{
    task->base = event_base_new();
    if (task->base)
        task->listener = evconnlistener_new(task->base, NULL, NULL,
            LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_DISABLED, 0,
            fd);
    if (!task->listener)
        errx(1, "cannot make an event base and a listener");
}

int task_ready(const struct task *task)
{
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    return write(task->control, "r", 1) == 1 ? 0 : -1;
}

void task_end(void)
{
    sigset_t all;

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
}
