/* watermarks.c -- shows what the four watermarks of a bufferevent do.
 *
 * Build: cc -o watermarks watermarks.c -levent_core
 * Run:   ./watermarks
 * Try:   write 9 bytes in the first scene instead of 10
 */
#include <err.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

static int read_calls; /* of the read callback, in this scene */

static void usage(int status)
{
    fprintf(status ? stderr : stdout, "usage: watermarks\n");
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

static void show_read_low(struct event_base *base)
{
    evutil_socket_t peer;
    struct bufferevent *bev = make(base, &peer);

    printf("read low-water mark 10: no callback below it\n");
    bufferevent_setwatermark(bev, EV_READ, 10, 0);
    peer_sends(base, peer, "1234567");
    peer_sends(base, peer, "890");
    peer_sends(base, peer, "x");
    bufferevent_free(bev);
    close(peer);
}

/* For fewer bytes than the mark at the end of file, only the event callback is
 * called: it has to check the input. */
static void show_read_low_end(struct event_base *base)
{
    evutil_socket_t peer;
    struct bufferevent *bev = make(base, &peer);

    printf("read low-water mark 10, the peer ends before it is reached:\n");
    bufferevent_setwatermark(bev, EV_READ, 10, 0);
    peer_sends(base, peer, "1234567");
    close(peer);
    turn(base);
    printf("  left: %zu bytes, for which no read callback was called\n",
        input_length(bev));
    bufferevent_free(bev);
}

/* A callback that drains nothing is called again and again; one that removes
 * bytes makes room, and reading goes on. */
static void drain_some_cb(struct bufferevent *bev, void *arg)
{
    char bytes[4];

    look_cb(bev, arg);
    bufferevent_read(bev, bytes, sizeof(bytes));
}

static void show_read_high(struct event_base *base)
{
    evutil_socket_t peer;
    struct bufferevent *bev = make(base, &peer);

    printf("read high-water mark 8: the input never grows past it\n");
    bufferevent_setcb(bev, drain_some_cb, NULL, event_cb, NULL);
    bufferevent_setwatermark(bev, EV_READ, 0, 8);
    peer_sends(base, peer, "12345678901234567890");
    printf("  left: %zu bytes: no new byte came\n", input_length(bev));
    bufferevent_free(bev);
    close(peer);
}

/* The write high-water mark limits nothing; the low one decides when the
 * callback is called. Unsent data waits in the output, however much it is. */
static void show_write(struct event_base *base)
{
    static const char bytes[1000000];
    evutil_socket_t peer;
    struct bufferevent *bev = make(base, &peer);

    printf("write high-water mark 10, 1000000 bytes written, no reader:\n");
    bufferevent_setwatermark(bev, EV_WRITE, 0, 10);
    if (bufferevent_write(bev, bytes, sizeof(bytes)) < 0)
        errx(1, "cannot write");
    printf("  in the output: %zu bytes\n", output_length(bev));
    turn(base);
    printf("  when the kernel is full: %s\n",
        output_length(bev) > 10 ? "more than 10 bytes, no callback"
                                : "10 bytes or fewer");
    printf("  the peer closes\n");
    close(peer);
    turn(base);
    bufferevent_free(bev);
}

int main(int argc, char **argv)
{
    open_standard_fds();
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        usage(0);
    if (argc != 1)
        usage(2);
    signal(SIGPIPE, SIG_IGN); /* a peer that closed is an error, not our end */
    struct event_base *base = event_base_new();
    if (!base)
        errx(1, "cannot make an event base");

    show_read_low(base);
    show_read_low_end(base);
    show_read_high(base);
    show_write(base);

    event_base_free(base);
    check_output();
    return 0;
}
