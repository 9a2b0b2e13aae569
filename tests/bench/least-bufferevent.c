/* least-bufferevent.c -- the least bufferevent program that answers as the
 * uppercase server does: what scripts/bench holds its cost against.
 *
 * Build: cc -o least-bufferevent least-bufferevent.c -levent_core
 * Run:   ./least-bufferevent ADDRESS PORT
 * Try:   echo hello | nc 127.0.0.1 PORT
 *
 * It has none of what makes a server fit for service: no limit on what waits
 * for a slow client, no time-outs, no list of its connections, no signals.
 */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

static void read_cb(struct bufferevent *bev, void *arg)
{
    struct evbuffer *input = bufferevent_get_input(bev);
    size_t length = evbuffer_get_length(input);
    unsigned char *bytes = evbuffer_pullup(input, -1);

    for (size_t i = 0; i < length; i++)
        if (bytes[i] >= 'a' && bytes[i] <= 'z')
            bytes[i] = bytes[i] - 'a' + 'A';
    bufferevent_write(bev, bytes, length);
    evbuffer_drain(input, length);
}

static void event_cb(struct bufferevent *bev, short what, void *arg)
{
    bufferevent_free(bev);
}

static void accept_cb(struct evconnlistener *listener, evutil_socket_t fd,
    struct sockaddr *address, int length, void *arg)
{
    struct bufferevent *bev =
        bufferevent_socket_new(arg, fd, BEV_OPT_CLOSE_ON_FREE);
    int on = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    bufferevent_setcb(bev, read_cb, NULL, event_cb, NULL);
    bufferevent_enable(bev, EV_READ);
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof(address);

    if (argc != 3 || inet_pton(AF_INET, argv[1], &address.sin_addr) != 1) {
        fprintf(stderr, "usage: least-bufferevent ADDRESS PORT\n");
        return 2;
    }
    address.sin_port = htons((uint16_t)atoi(argv[2]));
    signal(SIGPIPE, SIG_IGN);

    struct event_base *base = event_base_new();
    struct evconnlistener *listener = evconnlistener_new_bind(base, accept_cb,
        base, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, SOMAXCONN,
        (struct sockaddr *)&address, sizeof(address));
    if (!listener)
        err(1, "cannot listen");
    getsockname(
        evconnlistener_get_fd(listener), (struct sockaddr *)&address, &length);
    printf("listening on %s port %d\n", argv[1], ntohs(address.sin_port));
    fflush(stdout);
    return event_base_dispatch(base);
}
