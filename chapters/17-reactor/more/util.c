/* util.c -- small helpers for sockets
 *
 * libevent has them since systems differ; here there is one system.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/util.h>

int evutil_closesocket(evutil_socket_t fd)
{
    return close(fd);
}

int evutil_socketpair(
    int family, int type, int protocol, evutil_socket_t fds[2])
{
    return socketpair(family, type, protocol, fds);
}

int evutil_make_socket_nonblocking(evutil_socket_t fd)
{
    int flags = fcntl(fd, F_GETFL);

    return flags < 0 ? -1 : fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

int evutil_make_socket_closeonexec(evutil_socket_t fd)
{
    int flags = fcntl(fd, F_GETFD);

    return flags < 0 ? -1 : fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
}

static int set_option(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof(value));
}

int evutil_make_listen_socket_reuseable(evutil_socket_t fd)
{
    return set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
}

int evutil_make_listen_socket_reuseable_port(evutil_socket_t fd)
{
    return set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
}

int evutil_make_listen_socket_ipv6only(evutil_socket_t fd)
{
    return set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
}

int evutil_make_tcp_listen_socket_deferred(evutil_socket_t fd)
{
    return set_option(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, 1);
}

int evutil_getaddrinfo(const char *node, const char *service,
    const struct evutil_addrinfo *hints, struct evutil_addrinfo **result)
{
    return getaddrinfo(node, service, hints, result);
}

void evutil_freeaddrinfo(struct evutil_addrinfo *result)
{
    freeaddrinfo(result);
}

const char *evutil_gai_strerror(int error)
{
    return gai_strerror(error);
}

int evutil_vsnprintf(char *text, size_t size, const char *format, va_list ap)
{
    int length = vsnprintf(text, size, format, ap);

    if (size > 0)
        text[size - 1] = '\0';
    return length;
}

int evutil_snprintf(char *text, size_t size, const char *format, ...)
{
    va_list ap;
    int length;

    va_start(ap, format);
    length = evutil_vsnprintf(text, size, format, ap);
    va_end(ap);
    return length;
}

int evutil_ascii_strcasecmp(const char *a, const char *b)
{
    return strcasecmp(a, b);
}

int evutil_ascii_strncasecmp(const char *a, const char *b, size_t size)
{
    return strncasecmp(a, b, size);
}

const char *evutil_inet_ntop(
    int family, const void *from, char *to, size_t size)
{
    return inet_ntop(family, from, to, (socklen_t)size);
}

int evutil_inet_pton(int family, const char *from, void *to)
{
    return inet_pton(family, from, to);
}
