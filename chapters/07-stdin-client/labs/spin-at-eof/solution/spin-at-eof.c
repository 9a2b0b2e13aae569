/* Starter and solution in one: look once you have passed (make compare-NN). */
/* spin-at-eof.c -- sends standard input to a server and prints its replies.
 *
 * Build: cc -o spin-at-eof spin-at-eof.c -levent_core
 * Run:   ./spin-at-eof PORT               (on 127.0.0.1)
 * Try:   nc -l 127.0.0.1 8888 in one terminal, ./spin-at-eof 8888 in another
 */
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/util.h>

/* Bytes that may wait for a slow server: above HIGH, standard input is not
 * read, and below LOW it is again. */
enum { HIGH = 64 * 1024, LOW = 16 * 1024 };

struct client {
    struct event_base *base;
    struct bufferevent *bev;   /* owns the socket */
    struct event *input_event; /* standard input is readable */
#ifdef SOLUTION
    int ended; /* standard input has */
#endif
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

/* Make EVENT pending, at start-up: an event that cannot be added ends the
 * program. */
static void add_event(struct event *event)
{
    if (!event || event_add(event, NULL) < 0)
        errx(1, "cannot add an event");
}

#ifdef SOLUTION
/* Tell the server that no more will come, but go on reading its replies. */
static void half_close(struct client *client)
{
    if (shutdown(bufferevent_getfd(client->bev), SHUT_WR) != 0)
        warn("cannot half-close the connection");
}

/* No more input: once the last of it is in the kernel, half-close. */
static void input_end(struct client *client)
{
    client->ended = 1;
    event_del(client->input_event);
    if (evbuffer_get_length(bufferevent_get_output(client->bev)) == 0)
        half_close(client);
}

#endif
/* Standard input goes to the output buffer. It is left blocking, since it may
 * be shared with the shell; one read for each callback blocks only if another
 * program that shares it has read the bytes. */
static void stdin_cb(evutil_socket_t fd, short what, void *arg)
{
    char chunk[16384];
    struct client *client = arg;
    ssize_t length = read(fd, chunk, sizeof(chunk));

    if (length < 0) {
        if (errno != EAGAIN && errno != EINTR)
            err(1, "cannot read standard input");
        return;
    }
#ifdef SOLUTION
    if (length == 0) {
        input_end(client);
        return;
    }
#endif
    if (bufferevent_write(client->bev, chunk, (size_t)length) < 0)
        errx(1, "cannot queue the input");
    if (evbuffer_get_length(bufferevent_get_output(client->bev)) > HIGH)
        event_del(client->input_event);
}

/* Print the server's replies, byte for byte, as they come. */
static void read_cb(struct bufferevent *bev, void *arg)
{
    char reply[4096];
    size_t length;

    while ((length = bufferevent_read(bev, reply, sizeof(reply))) > 0) {
        if (fwrite(reply, 1, length, stdout) != length || fflush(stdout) != 0)
            err(1, "cannot write standard output");
    }
}

/* The output has drained to LOW or below. */
static void write_cb(struct bufferevent *bev, void *arg)
{
    struct client *client = arg;

#ifdef SOLUTION
    if (client->ended) {
        if (evbuffer_get_length(bufferevent_get_output(bev)) == 0)
            half_close(client);
        return;
    }
#endif
    add_event(client->input_event);
}

static void event_cb(struct bufferevent *bev, short what, void *arg)
{
    int error = EVUTIL_SOCKET_ERROR(); /* before a call can change it */
    struct client *client = arg;

    if (what & BEV_EVENT_CONNECTED) {
        add_event(client->input_event);
        return;
    }
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

    bufferevent_setcb(client->bev, read_cb, write_cb, event_cb, client);
    bufferevent_setwatermark(client->bev, EV_WRITE, LOW, 0);
    if (bufferevent_enable(client->bev, EV_READ) < 0)
        errx(1, "cannot watch the connection");
    if (bufferevent_socket_connect(
            client->bev, (struct sockaddr *)&address, sizeof(address)) < 0)
        client->error = EVUTIL_SOCKET_ERROR();
    else if (event_base_dispatch(client->base) < 0)
        errx(1, "the event loop failed");
}

/* A base that can watch files too: epoll refuses a regular file or /dev/null
 * as standard input, poll and select take them. */
static struct event_base *base_for_files(void)
{
    struct event_config *config = event_config_new();

    if (!config || event_config_require_features(config, EV_FEATURE_FDS) < 0)
        errx(1, "cannot configure the event base");
    struct event_base *base = event_base_new_with_config(config);
    if (!base)
        errx(1, "cannot make an event base that watches files");
    event_config_free(config);
    return base;
}

int main(int argc, char **argv)
{
    int port = argc == 2 ? parse_port(argv[1]) : -1;

    signal(SIGPIPE, SIG_IGN);
    if (port < 1) {
        fprintf(stderr, "usage: spin-at-eof PORT\n");
        return 2;
    }

    struct client client = {.base = base_for_files()};
    client.bev = bufferevent_socket_new(client.base, -1, BEV_OPT_CLOSE_ON_FREE);
    client.input_event = event_new(
        client.base, STDIN_FILENO, EV_READ | EV_PERSIST, stdin_cb, &client);
    if (!client.bev || !client.input_event)
        errx(1, "cannot prepare the client");
    client_run(&client, port);
    size_t unsent = evbuffer_get_length(bufferevent_get_output(client.bev));

    event_free(client.input_event);
    bufferevent_free(client.bev);
    event_base_free(client.base);
    if (client.error)
        errx(1, "the connection failed: %s",
            evutil_socket_error_to_string(client.error));
    if (unsent > 0)
        errx(1, "the server closed before %zu bytes were sent", unsent);
    return 0;
}
