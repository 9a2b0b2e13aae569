/* stdin-client.c -- sends standard input to a server and prints its replies.
 *
 * Build: cc -o stdin-client stdin-client.c -levent_core
 * Run:   ./stdin-client ADDRESS PORT
 * Try:   ./stdin-client 127.0.0.1 9995, type, end with Ctrl-D
 */
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/util.h>

/* Bytes that may wait for a slow server: standard input is not read above HIGH,
 * and again below LOW. A reply line longer than HIGH is printed in parts. */
enum { HIGH = 64 * 1024, LOW = 16 * 1024 };

struct client {
    struct event_base *base;
    struct bufferevent *bev;   /* owns the socket */
    struct event *input_event; /* standard input is readable */
    bool connected;
    bool input_ended; /* and the last of it is in the output buffer */
    bool peer_ended;  /* no more replies will come */
    bool finished;    /* all was sent, all replies were printed */
    int error;        /* why the connection failed, an errno value */
};

static void usage(int status)
{
    fprintf(status ? stderr : stdout, "usage: stdin-client ADDRESS PORT\n");
    exit(status);
}

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

/* Open what is missing of standard input, output and error: the numbers would
 * otherwise go to libevent's own descriptors, and what we print with them.
 * Opened for reading alone, so that printing fails as it did. */
static void open_standard_fds(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            open("/dev/null", O_RDONLY); /* gets the lowest number, FD */
}

/* Output that could not be written, because the disk is full or standard output
 * is closed, is a failure of a program whose output is its result. */
static void check_output(void)
{
    if (fflush(stdout) != 0 || ferror(stdout))
        err(1, "cannot write to standard output");
}

/* Give up: the connection is of no more use. Where libevent itself had no
 * memory, ERROR may be 0. */
static void client_fail(struct client *client, int error)
{
    client->error = error ? error : ENOMEM;
    event_base_loopbreak(client->base);
}

/* All input was sent, and all replies have arrived. */
static void client_finish(struct client *client)
{
    client->finished = true;
    event_base_loopbreak(client->base);
}

/* With no more input and the last of it in the kernel, half-close: the server
 * learns that no more will come, and we go on reading its replies. A reset
 * after our last write means that the server did not read everything. It is
 * asked for last, since it can arrive before shutdown, which then says only
 * that there is no connection. */
static void half_close(struct client *client)
{
    evutil_socket_t fd = bufferevent_getfd(client->bev);
    int error = 0;
    socklen_t length = sizeof(error);

    if (evbuffer_get_length(bufferevent_get_output(client->bev)) > 0)
        return; /* write_cb comes here again */
    int failed = shutdown(fd, SHUT_WR) == 0 ? 0 : errno;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0 || !error)
        error = failed;
    if (error)
        client_fail(client, error);
    else if (client->peer_ended)
        client_finish(client);
}

static void input_end(struct client *client)
{
    client->input_ended = true;
    if (event_del(client->input_event) < 0)
        errx(1, "cannot stop watching standard input");
    half_close(client);
}

/* Standard input goes to the output buffer. It is left blocking, since whether
 * reads block is a property that we would share with the shell. One read for
 * each callback blocks only if another program takes the bytes before us. */
static void stdin_cb(evutil_socket_t fd, short what, void *arg)
{
    char chunk[16384];
    struct client *client = arg;
    ssize_t length = read(fd, chunk, sizeof(chunk));

    if (length > 0) {
        /* EV_WRITE is on anyway; enabling it again fails if the socket cannot
         * be watched, which bufferevent_write does not report. */
        if (bufferevent_write(client->bev, chunk, (size_t)length) < 0 ||
            bufferevent_enable(client->bev, EV_WRITE) < 0)
            errx(1, "cannot queue the input");
        if (evbuffer_get_length(bufferevent_get_output(client->bev)) > HIGH &&
            event_del(client->input_event) < 0)
            errx(1, "cannot stop watching standard input");
    } else if (length == 0) {
        input_end(client);
    } else if (errno != EAGAIN && errno != EINTR) {
        err(1, "cannot read standard input");
    }
}

static void print_reply(const void *bytes, size_t length)
{
    fputs("recv ", stdout);
    fwrite(bytes, 1, length, stdout);
    fputs(" from server\n", stdout);
    check_output();
}

/* Print the complete lines of INPUT, and with REST what follows them too. The
 * bytes are not a string: a NUL among them is printed like any other. */
static void print_lines(struct evbuffer *input, bool rest)
{
    size_t length;
    char *line;

    while ((line = evbuffer_readln(input, &length, EVBUFFER_EOL_LF))) {
        print_reply(line, length);
        free(line);
    }
    length = evbuffer_get_length(input);
    if (length > HIGH || (rest && length > 0)) {
        unsigned char *bytes = evbuffer_pullup(input, -1);

        if (!bytes)
            errx(1, "cannot read the input buffer");
        print_reply(bytes, length);
        evbuffer_drain(input, length);
    }
}

static void read_cb(struct bufferevent *bev, void *arg)
{
    print_lines(bufferevent_get_input(bev), false);
}

/* The output has drained to LOW or below: there is room for more input, or
 * the last of it has gone. */
static void write_cb(struct bufferevent *bev, void *arg)
{
    struct client *client = arg;

    if (client->input_ended)
        half_close(client);
    else if (event_add(client->input_event, NULL) < 0)
        errx(1, "cannot watch standard input");
}

/* The server sends no more, but it may still read: what we have is sent. On a
 * terminal a user would not go on typing, so its input ends too. */
static void peer_end(struct client *client)
{
    printf("connection closed\n");
    client->peer_ended = true;
    if (!client->input_ended && isatty(STDIN_FILENO))
        input_end(client);
    else if (client->input_ended &&
             evbuffer_get_length(bufferevent_get_output(client->bev)) == 0)
        client_finish(client);
}

static void event_cb(struct bufferevent *bev, short what, void *arg)
{
    int error = EVUTIL_SOCKET_ERROR(); /* before a call can change it */
    struct client *client = arg;

    if (what & BEV_EVENT_CONNECTED) {
        client->connected = true;
        printf("the client has connected to server\n");
        if (event_add(client->input_event, NULL) < 0)
            errx(1, "cannot watch standard input");
        return;
    }
    print_lines(bufferevent_get_input(bev), true);
    if (what & BEV_EVENT_EOF)
        peer_end(client);
    else
        client_fail(client, error);
}

/* Connect to ADDRESS and, if that succeeds, serve until the connection ends. */
static void client_run(
    struct client *client, const struct evutil_addrinfo *address)
{
    client->bev =
        bufferevent_socket_new(client->base, -1, BEV_OPT_CLOSE_ON_FREE);
    if (!client->bev)
        errx(1, "cannot make a bufferevent");
    bufferevent_setcb(client->bev, read_cb, write_cb, event_cb, client);
    bufferevent_setwatermark(client->bev, EV_WRITE, LOW, 0);
    if (bufferevent_enable(client->bev, EV_READ) < 0)
        errx(1, "cannot watch the connection");
    client->error = ECONNABORTED; /* unless something else ends the loop */
    if (bufferevent_socket_connect(
            client->bev, address->ai_addr, (int)address->ai_addrlen) < 0)
        client->error = errno;
    else if (event_base_dispatch(client->base) < 0)
        errx(1, "the event loop failed");
    event_del(client->input_event);
    bufferevent_free(client->bev);
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
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        usage(0);
    if (argc != 3 || parse_port(argv[2]) < 1)
        usage(2);
    signal(SIGPIPE, SIG_IGN); /* writing to a closed connection must fail */
    if (fcntl(STDIN_FILENO, F_GETFD) < 0)
        err(1, "cannot read standard input");
    open_standard_fds();

    //> prepare
    struct evutil_addrinfo *addresses = resolve(argv[1], argv[2]);
    struct client client = {.base = base_for_files()};
    client.input_event = event_new(
        client.base, STDIN_FILENO, EV_READ | EV_PERSIST, stdin_cb, &client);
    if (!client.input_event)
        errx(1, "cannot watch standard input");

    //> connect
    struct evutil_addrinfo *address = addresses;
    for (; address && !client.connected; address = address->ai_next)
        client_run(&client, address);

    //> clean-up
    event_free(client.input_event);
    event_base_free(client.base);
    evutil_freeaddrinfo(addresses);
    if (!client.finished) {
        warnx("%s %s port %s: %s",
            client.connected ? "lost the connection to" : "cannot connect to",
            argv[1], argv[2], evutil_socket_error_to_string(client.error));
        return 1;
    }
    printf("finished\n");
    check_output();
    return 0;
}
