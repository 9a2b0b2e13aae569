/* Starter and solution in one: look once you have passed (make compare-NN). */
/* reconnect.c -- sends standard input to a server, whenever that is there.
 *
 * Build: cc -o reconnect reconnect.c -levent_core
 * Run:   ./reconnect PORT TRIES           (on 127.0.0.1)
 * Try:   ./reconnect 8888 10, then nc -l 127.0.0.1 8888 in another terminal
 */
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/util.h>

/* Bytes that may wait to be sent: above HIGH, standard input is not read, and
 * below LOW it is again. */
enum { HIGH = 64 * 1024, LOW = 16 * 1024 };

/* Milliseconds before the first new try, and before each of the late ones. */
enum { FIRST_PAUSE = 50, LAST_PAUSE = 400 };

struct client {
    struct event_base *base;
    struct sockaddr_in server;
    struct bufferevent *bev;   /* owns the socket; NULL during a pause */
    struct evbuffer *queue;    /* read while there was no connection */
    struct event *input_event; /* standard input is readable */
    struct event *pause_event; /* the pause is over */
    int tries;                 /* failures in a row until we give up */
    int failed;                /* tries in a row */
    int pause;                 /* the next one, milliseconds */
    int connected;
    int ended;       /* standard input has */
    int half_closed; /* and the server knows */
    int status;      /* to exit with */
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

static void finish(struct client *client, int status)
{
    client->status = status;
    event_base_loopbreak(client->base);
}

/* The buffer for standard input: the connection's, or one that waits for it. */
static struct evbuffer *target(struct client *client)
{
    return client->connected ? bufferevent_get_output(client->bev)
                             : client->queue;
}

#ifdef SOLUTION
/* There is room: read more input. If it has ended and the last of it is in the
 * kernel, half-close, and wait until the server has received all. */
static void go_on(struct client *client)
{
    if (!client->ended) {
        if (event_add(client->input_event, NULL) < 0)
            errx(1, "cannot watch standard input");
        return;
    }
    if (evbuffer_get_length(target(client)) > 0 || client->half_closed)
        return;
    if (shutdown(bufferevent_getfd(client->bev), SHUT_WR) != 0)
        warn("cannot half-close the connection");
    client->half_closed = 1;
}

#endif
/* Queue standard input. It is left blocking, since it may be shared with the
 * shell; one read for each callback blocks only if another program that shares
 * it has read the bytes. */
static void stdin_cb(evutil_socket_t fd, short what, void *arg)
{
    char chunk[16384];
    struct client *client = arg;
    ssize_t length = read(fd, chunk, sizeof(chunk));

    if (length > 0) {
        if (evbuffer_add(target(client), chunk, (size_t)length) < 0)
            errx(1, "cannot queue the input");
        if (evbuffer_get_length(target(client)) > HIGH)
            event_del(client->input_event);
    } else if (length == 0) {
        client->ended = 1;
        event_del(client->input_event);
#ifdef SOLUTION
        if (client->connected)
            go_on(client);
#else
        /* yours: if all has been sent, tell the server that this was the end */
#endif
    } else if (errno != EAGAIN && errno != EINTR) {
        err(1, "cannot read standard input");
    }
}

#ifdef SOLUTION
/* The connection has ended, or could not be made. Any callback of BEV may call
 * this: it must not use BEV afterwards. */
static void try_later(struct client *client)
{
    struct timeval pause = {0, client->pause * 1000};

    bufferevent_free(client->bev);
    client->bev = NULL;
    if (client->connected)
        printf("lost\n");
    else
        client->failed++;
    client->connected = 0;
    if (client->failed == client->tries) {
        warnx("no server after %d tries", client->failed);
        finish(client, 1);
        return;
    }
    printf("trying again in %d ms\n", client->pause);
    if (event_add(client->pause_event, &pause) < 0)
        errx(1, "cannot wait");
    if (client->pause < LAST_PAUSE)
        client->pause *= 2;
}

/* Discard the server's bytes: if they stayed in the socket, we would not see
 * its end of the connection. */
static void read_cb(struct bufferevent *bev, void *arg)
{
    struct evbuffer *input = bufferevent_get_input(bev);

    evbuffer_drain(input, evbuffer_get_length(input));
}

/* The output has drained to LOW or below. */
static void write_cb(struct bufferevent *bev, void *arg)
{
    go_on(arg);
}

static void event_cb(struct bufferevent *bev, short what, void *arg)
{
    struct client *client = arg;

    if (what & BEV_EVENT_CONNECTED) {
        printf("connected\n");
        client->connected = 1;
        client->failed = 0;
        client->pause = FIRST_PAUSE;
        if (bufferevent_write_buffer(bev, client->queue) < 0)
            errx(1, "cannot queue the input");
        go_on(client);
    } else if (client->half_closed) {
        finish(client, what & BEV_EVENT_EOF ? 0 : 1);
    } else {
        try_later(client);
    }
}

/* Begin to connect. */
static void try_now(struct client *client)
{
    client->bev =
        bufferevent_socket_new(client->base, -1, BEV_OPT_CLOSE_ON_FREE);
    if (!client->bev)
        errx(1, "cannot make a bufferevent");
    bufferevent_setcb(client->bev, read_cb, write_cb, event_cb, client);
    bufferevent_setwatermark(client->bev, EV_WRITE, LOW, 0);
    if (bufferevent_enable(client->bev, EV_READ) < 0)
        errx(1, "cannot watch the connection");
    if (bufferevent_socket_connect(client->bev,
            (struct sockaddr *)&client->server, sizeof(client->server)) < 0)
        try_later(client);
}
#else
/* yours: the callbacks of a connection, and what has to be done when it is
 * made, ends, or cannot be made */

/* Begin to connect. */
static void try_now(struct client *client)
{
    /* yours: make client->bev and connect it to client->server */
}
#endif

static void pause_cb(evutil_socket_t fd, short what, void *arg)
{
    try_now(arg);
}

static void signal_cb(evutil_socket_t signum, short what, void *arg)
{
    finish(arg, 0);
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
    int port = argc == 3 ? parse_port(argv[1]) : -1;
    int tries = argc == 3 ? parse_port(argv[2]) : -1; /* a number too */

    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    if (port < 1 || tries < 1) {
        fprintf(stderr, "usage: reconnect PORT TRIES\n");
        return 2;
    }

    struct client client = {
        .base = base_for_files(),
        .server.sin_family = AF_INET,
        .server.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .server.sin_port = htons((in_port_t)port),
        .queue = evbuffer_new(),
        .tries = tries,
        .pause = FIRST_PAUSE,
    };
    client.input_event = event_new(
        client.base, STDIN_FILENO, EV_READ | EV_PERSIST, stdin_cb, &client);
    client.pause_event = evtimer_new(client.base, pause_cb, &client);
    struct event *terminate =
        evsignal_new(client.base, SIGTERM, signal_cb, &client);
    if (!client.queue || !client.pause_event)
        errx(1, "cannot prepare the client");
    add_event(client.input_event);
    add_event(terminate);

    try_now(&client);
    if (event_base_dispatch(client.base) < 0)
        errx(1, "the event loop failed");

    if (client.bev)
        bufferevent_free(client.bev);
    event_free(terminate);
    event_free(client.pause_event);
    event_free(client.input_event);
    evbuffer_free(client.queue);
    event_base_free(client.base);
    return client.status;
}
