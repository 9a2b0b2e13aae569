/* bufferevent-calls.c -- shows disable, read, write and timeouts at work.
 *
 * Build: cc -o bufferevent-calls bufferevent-calls.c -levent_core
 * Run:   ./bufferevent-calls
 * Try:   send 3 bytes in the second scene instead of 12
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

static const struct timeval TIMEOUT = {0, 100000}; /* 0.1 s */

static int read_calls; /* of the read callback, in this scene */

static void usage(int status)
{
    fprintf(status ? stderr : stdout, "usage: bufferevent-calls\n");
    exit(status);
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

static size_t input_length(struct bufferevent *bev)
{
    return evbuffer_get_length(bufferevent_get_input(bev));
}

static size_t output_length(struct bufferevent *bev)
{
    return evbuffer_get_length(bufferevent_get_output(bev));
}

/* Leaves the input as it is, to show what that does. */
static void look_cb(struct bufferevent *bev, void *arg)
{
    read_calls++;
    printf("  read callback %d: %zu bytes in the input\n", read_calls,
        input_length(bev));
}

static void write_cb(struct bufferevent *bev, void *arg)
{
    printf("  write callback: %zu bytes in the output\n", output_length(bev));
}

static void event_cb(struct bufferevent *bev, short what, void *arg)
{
    printf("  event callback:%s%s%s%s%s\n",
        what & BEV_EVENT_READING ? " READING" : "",
        what & BEV_EVENT_WRITING ? " WRITING" : "",
        what & BEV_EVENT_EOF ? " EOF" : "",
        what & BEV_EVENT_ERROR ? " ERROR" : "",
        what & BEV_EVENT_TIMEOUT ? " TIMEOUT" : "");
}

/* A bufferevent on one end of a socket pair; *PEER is the other, bare end. */
static struct bufferevent *make(struct event_base *base, evutil_socket_t *peer)
{
    evutil_socket_t fds[2];

    if (evutil_socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
        err(1, "socketpair");
    if (evutil_make_socket_nonblocking(fds[0]) < 0)
        errx(1, "cannot make a socket non-blocking");
    struct bufferevent *bev =
        bufferevent_socket_new(base, fds[0], BEV_OPT_CLOSE_ON_FREE);
    if (!bev)
        errx(1, "cannot make a bufferevent");
    bufferevent_setcb(bev, look_cb, write_cb, event_cb, NULL);
    if (bufferevent_enable(bev, EV_READ) < 0)
        errx(1, "cannot enable reading");
    read_calls = 0;
    *peer = fds[1];
    return bev;
}

/* Let the loop run until there is nothing left to do at once. */
static void turn(struct event_base *base)
{
    if (event_base_loop(base, EVLOOP_NONBLOCK) < 0)
        errx(1, "the event loop failed");
}

/* The peer sends TEXT; then the loop runs until nothing is left to do. */
static void peer_sends(
    struct event_base *base, evutil_socket_t peer, const char *text)
{
    printf("  the peer sends %zu bytes\n", strlen(text));
    if (send(peer, text, strlen(text), 0) != (ssize_t)strlen(text))
        err(1, "send");
    turn(base);
}

static void show_disable(struct event_base *base)
{
    evutil_socket_t peer;
    struct bufferevent *bev = make(base, &peer);

    printf("bufferevent_disable(EV_READ): bytes and end of file wait\n");
    if (bufferevent_disable(bev, EV_READ) < 0)
        errx(1, "cannot disable reading");
    peer_sends(base, peer, "hello");
    close(peer);
    turn(base);
    printf("  bufferevent_enable(EV_READ)\n");
    if (bufferevent_enable(bev, EV_READ) < 0)
        errx(1, "cannot enable reading");
    turn(base);
    bufferevent_free(bev);
}

/* The four ways to move bytes: by copy, or by moving whole buffers. */
static void show_moves(struct event_base *base)
{
    evutil_socket_t peer;
    char text[6] = "";
    struct bufferevent *bev = make(base, &peer);
    struct evbuffer *buffer = evbuffer_new();

    if (!buffer)
        errx(1, "cannot make a buffer");
    printf("bufferevent_read copies, bufferevent_read_buffer moves:\n");
    peer_sends(base, peer, "hello, world");
    printf("  read: %zu bytes, \"%s\"\n",
        bufferevent_read(bev, text, sizeof(text) - 1), text);
    if (bufferevent_read_buffer(bev, buffer) < 0)
        errx(1, "cannot read");
    printf("  read_buffer: %zu bytes, input %zu\n", evbuffer_get_length(buffer),
        input_length(bev));
    if (bufferevent_write(bev, text, 5) < 0 ||
        bufferevent_write_buffer(bev, buffer) < 0)
        errx(1, "cannot write");
    printf("  write and write_buffer: output %zu bytes, buffer %zu\n",
        output_length(bev), evbuffer_get_length(buffer));
    turn(base);
    evbuffer_free(buffer);
    bufferevent_free(bev);
    close(peer);
}

static void show_settings(struct event_base *base)
{
    struct bufferevent *pair[2];
    bufferevent_data_cb read, write;
    bufferevent_event_cb event;
    size_t low, high;

    printf("what a bufferevent tells of itself:\n");
    if (bufferevent_pair_new(base, 0, pair) < 0)
        errx(1, "cannot make a pair");
    bufferevent_setcb(pair[0], look_cb, NULL, event_cb, NULL);
    bufferevent_getcb(pair[0], &read, &write, &event, NULL);
    printf("  getcb: %s for reading, %s for writing\n",
        read == look_cb ? "look_cb" : "another", write ? "another" : "none");
    bufferevent_setwatermark(pair[0], EV_READ, 2, 10);
    if (bufferevent_getwatermark(pair[0], EV_READ, &low, &high) < 0)
        errx(1, "cannot get the watermarks");
    printf("  getwatermark: low %zu, high %zu\n", low, high);
    printf("  trigger_event:\n");
    bufferevent_trigger_event(pair[0], BEV_EVENT_ERROR, 0);
    turn(base); /* the callbacks of a pair are deferred */
    printf("  pair_get_partner: %s\n",
        bufferevent_pair_get_partner(pair[0]) == pair[1] ? "the other end"
                                                         : "another");
    bufferevent_free(pair[1]);
    printf("  after it is freed: %s\n",
        bufferevent_pair_get_partner(pair[0]) ? "an end" : "NULL");
    bufferevent_free(pair[0]);
}

static void show_timeout(struct event_base *base)
{
    evutil_socket_t peer;
    struct bufferevent *bev = make(base, &peer);

    printf("bufferevent_set_timeouts, 0.1 s without a byte to read:\n");
    if (bufferevent_set_timeouts(bev, &TIMEOUT, NULL) < 0 ||
        event_base_dispatch(base) < 0)
        errx(1, "cannot wait for the timeout");
    printf("  EV_READ is now %s\n",
        bufferevent_get_enabled(bev) & EV_READ ? "enabled" : "disabled");
    bufferevent_free(bev);
    close(peer);
}

int main(int argc, char **argv)
{
    open_standard_fds();
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        usage(0);
    if (argc != 1)
        usage(2);
    struct event_base *base = event_base_new();
    if (!base)
        errx(1, "cannot make an event base");

    show_disable(base);
    show_moves(base);
    show_settings(base);
    show_timeout(base);

    event_base_free(base);
    check_output();
    return 0;
}
