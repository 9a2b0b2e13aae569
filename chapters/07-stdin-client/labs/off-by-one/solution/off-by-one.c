/* Starter and solution in one: look once you have passed (make compare-NN). */
/* off-by-one.c -- prints what a server says, byte for byte, until it closes.
 *
 * Build: cc -o off-by-one off-by-one.c -levent_core
 * Run:   ./off-by-one PORT                (on 127.0.0.1)
 * Try:   nc -lN 127.0.0.1 8888 in one terminal, ./off-by-one 8888 in another
 */
#include <ctype.h>
#include <err.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/util.h>

struct client {
    struct event_base *base;
    struct bufferevent *bev; /* owns the socket */
    int error; /* why the connection failed, an errno value, or 0 */
};

/* The port that TEXT names, 0 to 65535, or -1 if it names none. The resolver
 * would not report it: getaddrinfo(3) reads 70000 as 4464. */
static int parse_port(const char *text)
{
    char *end;
    long port = strtol(text, &end, 10);

    if (!isdigit((unsigned char)text[0]) || *end != '\0' || port > 65535)
        return -1;
    return (int)port;
}

/* Print the input, and flush it at once: the end of a line may come much
 * later. */
static void read_cb(struct bufferevent *bev, void *arg)
{
    char reply[1024];
    size_t length;

    while ((length = bufferevent_read(bev, reply, sizeof(reply))) > 0) {
#ifdef SOLUTION
        if (fwrite(reply, 1, length, stdout) != length || fflush(stdout) != 0)
            err(1, "cannot write standard output");
#else
        reply[length] = '\0';
        if (printf("%s", reply) < 0 || fflush(stdout) != 0)
            err(1, "cannot write standard output");
#endif
    }
}

static void event_cb(struct bufferevent *bev, short what, void *arg)
{
    int error = EVUTIL_SOCKET_ERROR(); /* before a call can change it */
    struct client *client = arg;

    if (what & BEV_EVENT_CONNECTED)
        return;
    if (!(what & BEV_EVENT_EOF))
        client->error = error;
    event_base_loopbreak(client->base);
}

/* Connect to PORT of this machine, and serve until the connection ends. */
static void client_run(struct client *client, int port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons((in_port_t)port),
    };

    bufferevent_setcb(client->bev, read_cb, NULL, event_cb, client);
    if (bufferevent_enable(client->bev, EV_READ) < 0)
        errx(1, "cannot watch the connection");
    if (bufferevent_socket_connect(
            client->bev, (struct sockaddr *)&address, sizeof(address)) < 0)
        client->error = EVUTIL_SOCKET_ERROR();
    else if (event_base_dispatch(client->base) < 0)
        errx(1, "the event loop failed");
}

int main(int argc, char **argv)
{
    int port = argc == 2 ? parse_port(argv[1]) : -1;

    if (port < 1) {
        fprintf(stderr, "usage: off-by-one PORT\n");
        return 2;
    }

    struct client client = {.base = event_base_new()};
    if (!client.base)
        errx(1, "cannot make an event base");
    client.bev = bufferevent_socket_new(client.base, -1, BEV_OPT_CLOSE_ON_FREE);
    if (!client.bev)
        errx(1, "cannot make a bufferevent");
    client_run(&client, port);

    bufferevent_free(client.bev);
    event_base_free(client.base);
    if (client.error)
        errx(1, "the connection failed: %s",
            evutil_socket_error_to_string(client.error));
    return 0;
}
