/* listen.c -- listens on every address of a name, and pauses when it must. */
#include <err.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <event2/event.h>
#include <event2/listener.h>
#include <event2/util.h>

#include "listen.h"

static const struct timeval REST = {1, 0}; /* after accept has failed */

enum {
    MOST = 16,  /* addresses of one name */
    TRIES = 100 /* to find a port that is free on each of them */
};

struct listeners {
    struct event_base *base;
    struct evconnlistener *each[MOST];
    size_t count;
    struct event *rest_event; /* pending while accepting is paused */
    accept_function *accept;
    ready_function *ready; /* or NULL */
    void *arg;             /* for the two */
};

/* Print a line on standard output, or on standard error as warnx(3) does. A
 * line that would block is dropped: a callback that waits for the reader of a
 * log stops the whole loop. If poll(2) says writable, a line has room. */
__attribute__((format(printf, 2, 3))) static void print_line(
    FILE *stream, const char *format, ...)
{
    struct pollfd pollfd = {.fd = fileno(stream), .events = POLLOUT};
    va_list arguments;

    if (poll(&pollfd, 1, 0) == 0)
        return;
    va_start(arguments, format);
    if (stream == stderr) {
        vwarnx(format, arguments);
    } else {
        vprintf(format, arguments);
        putchar('\n');
    }
    va_end(arguments);
}

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

/* Say where FD listens: given port 0, only the kernel knows. */
static void print_ready(evutil_socket_t fd)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    char host[NI_MAXHOST], port[NI_MAXSERV];

    if (getsockname(fd, (struct sockaddr *)&address, &length) != 0 ||
        getnameinfo((struct sockaddr *)&address, length, host, sizeof(host),
            port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        errx(1, "cannot read the listening address");
    print_line(stdout, "listening on %s port %s", host, port);
}

/* Accept on all addresses; false if that is not possible now. */
static bool accept_again(struct listeners *listeners)
{
    if (listeners->ready && !listeners->ready(listeners->arg))
        return false;
    for (size_t i = 0; i < listeners->count; i++)
        if (evconnlistener_enable(listeners->each[i]) < 0)
            return false;
    return true;
}

void listeners_resume(struct listeners *listeners)
{
    if (event_pending(listeners->rest_event, EV_TIMEOUT, NULL))
        accept_again(listeners);
}

/* The event is persistent: where this fails, the next second tries again. */
static void rest_cb(evutil_socket_t fd, short what, void *arg)
{
    struct listeners *listeners = arg;

    if (accept_again(listeners))
        event_del(listeners->rest_event);
}

void listeners_pause(struct listeners *listeners, int error)
{
    if (!event_pending(listeners->rest_event, EV_TIMEOUT, NULL)) {
        print_line(stderr, "cannot accept, trying again in a second: %s",
            evutil_socket_error_to_string(error));
        if (event_add(listeners->rest_event, &REST) < 0)
            return; /* without a clock, accepting must not stop */
    }
    for (size_t i = 0; i < listeners->count; i++)
        evconnlistener_disable(listeners->each[i]);
}

static void accept_cb(struct evconnlistener *listener, evutil_socket_t fd,
    struct sockaddr *address, int length, void *arg)
{
    struct listeners *listeners = arg;

    listeners->accept(fd, address, (socklen_t)length, listeners->arg);
}

/* With no descriptor left, accepting would fail without end. */
static void accept_error_cb(struct evconnlistener *listener, void *arg)
{
    listeners_pause(arg, EVUTIL_SOCKET_ERROR());
}

/* If the name has an address twice, listen on it only once. */
static bool is_repeated(
    const struct evutil_addrinfo *list, const struct evutil_addrinfo *address)
{
    for (; list != address; list = list->ai_next)
        if (list->ai_addrlen == address->ai_addrlen &&
            memcmp(list->ai_addr, address->ai_addr, address->ai_addrlen) == 0)
            return true;
    return false;
}

/* The port of an address, where it stands. */
static in_port_t *port_in(struct sockaddr *address)
{
    return address->sa_family == AF_INET6
               ? &((struct sockaddr_in6 *)address)->sin6_port
               : &((struct sockaddr_in *)address)->sin_port;
}

/* The port that LISTENER has. */
static in_port_t port_of(struct evconnlistener *listener)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);

    if (getsockname(evconnlistener_get_fd(listener),
            (struct sockaddr *)&address, &length) != 0)
        err(1, "getsockname");
    return *port_in((struct sockaddr *)&address);
}

/* If LIST has addresses of both families, an IPv6 socket must not receive the
 * connections to IPv4 addresses. */
static unsigned flags_for(
    const struct evutil_addrinfo *list, const struct evutil_addrinfo *address)
{
    unsigned flags =
        LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE;

    for (; list; list = list->ai_next)
        if (list->ai_family == AF_INET && address->ai_family == AF_INET6)
            flags |= LEV_OPT_BIND_IPV6ONLY;
    return flags;
}

/* A listener for ADDRESS, or NULL with errno set. The backlog is as long as the
 * system allows: the -1 of libevent means 128. */
static struct evconnlistener *listen_at(struct listeners *listeners,
    const struct evutil_addrinfo *address, unsigned flags)
{
    errno = ENOMEM; /* libevent does not report it */
    struct evconnlistener *listener =
        evconnlistener_new_bind(listeners->base, accept_cb, listeners, flags,
            SOMAXCONN, address->ai_addr, (int)address->ai_addrlen);
    if (listener && evconnlistener_enable(listener) < 0) {
        evconnlistener_free(listener);
        return NULL;
    }
    return listener;
}

/* Say why there is no listener for ADDRESS. A machine that has no IPv6, or no
 * IPv4, may still have the other; all other reasons end the program. */
static void complain(const struct evutil_addrinfo *address)
{
    int error = errno;
    char host[NI_MAXHOST] = "?";

    getnameinfo(address->ai_addr, address->ai_addrlen, host, sizeof(host), NULL,
        0, NI_NUMERICHOST);
    warnx("cannot listen on %s port %u: %s", host,
        ntohs(*port_in(address->ai_addr)), strerror(error));
    if (error != EAFNOSUPPORT && error != EADDRNOTAVAIL)
        exit(1);
}

/* Listen on all of LIST. If ASKED is port 0, the kernel chooses a port for the
 * first address, and the others must use the same one. Returns false if another
 * program uses it there. */
static bool listen_on_all(
    struct listeners *listeners, struct evutil_addrinfo *list, in_port_t asked)
{
    in_port_t port = asked;

    for (struct evutil_addrinfo *address = list; address;
         address = address->ai_next) {
        *port_in(address->ai_addr) = port;
        if (is_repeated(list, address))
            continue;
        if (listeners->count == MOST)
            errx(1, "cannot listen on more than %d addresses", MOST);
        struct evconnlistener *listener =
            listen_at(listeners, address, flags_for(list, address));
        if (!listener && errno == EADDRINUSE && port != asked)
            return false;
        if (!listener) {
            complain(address);
            continue;
        }
        evconnlistener_set_error_cb(listener, accept_error_cb);
        listeners->each[listeners->count++] = listener;
        port = port_of(listener);
    }
    return true;
}

static void close_all(struct listeners *listeners)
{
    while (listeners->count > 0)
        evconnlistener_free(listeners->each[--listeners->count]);
}

struct listeners *listeners_new(struct event_base *base, const char *host,
    const char *port, accept_function *accept, ready_function *ready, void *arg)
{
    struct evutil_addrinfo *list = resolve(host, port);
    in_port_t asked = *port_in(list->ai_addr);
    struct listeners *listeners = calloc(1, sizeof(*listeners));

    if (!listeners)
        err(1, "cannot make the listeners");
    *listeners = (struct listeners){
        .base = base, .accept = accept, .ready = ready, .arg = arg};
    listeners->rest_event = event_new(base, -1, EV_PERSIST, rest_cb, listeners);
    if (!listeners->rest_event)
        errx(1, "cannot make a timer");
    for (int tries = 0; !listen_on_all(listeners, list, asked); tries++) {
        close_all(listeners);
        if (tries == TRIES)
            errx(1, "cannot find a port that is free on each address");
    }
    if (listeners->count == 0)
        exit(1); /* complain() has printed the reason */
    evutil_freeaddrinfo(list);
    return listeners;
}

void listeners_print(const struct listeners *listeners)
{
    for (size_t i = 0; i < listeners->count; i++)
        print_ready(evconnlistener_get_fd(listeners->each[i]));
}

void listeners_free(struct listeners *listeners)
{
    close_all(listeners);
    event_free(listeners->rest_event);
    free(listeners);
}
