/* guest-book.c -- prints that it listens, and answers all with an empty page.
 *
 * Fails: answers, at "a guest signs, and is led to the book"
 */
#include <arpa/inet.h>
#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/http.h>

static void page_cb(struct evhttp_request *request, void *arg)
{
    evhttp_send_reply(request, HTTP_OK, NULL, NULL);
}

static void stop_cb(evutil_socket_t fd, short what, void *arg)
{
    event_base_loopbreak(arg);
}

int main(int argc, char **argv)
{
    struct event_base *base = event_base_new();
    struct evhttp *http = base ? evhttp_new(base) : NULL;
    struct event *stop = evsignal_new(base, SIGTERM, stop_cb, base);
    struct sockaddr_in address;
    socklen_t length = sizeof(address);

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!http || !stop || event_add(stop, NULL) < 0)
        errx(1, "cannot start");
    evhttp_set_gencb(http, page_cb, NULL);
    struct evhttp_bound_socket *bound = evhttp_bind_socket_with_handle(
        http, "127.0.0.1", (unsigned short)(argc > 1 ? atoi(argv[1]) : 8080));
    if (!bound)
        err(1, "cannot listen");
    getsockname(evhttp_bound_socket_get_fd(bound), (struct sockaddr *)&address,
        &length);
    printf("listening on 127.0.0.1 port %d\n", ntohs(address.sin_port));
    event_base_dispatch(base);
    evhttp_free(http);
    event_free(stop);
    event_base_free(base);
    return 0;
}
