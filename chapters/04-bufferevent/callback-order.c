/* callback-order.c -- shows when the callbacks of a bufferevent fire.
 *
 * Build: cc -o callback-order callback-order.c -levent_core
 * Run:   ./callback-order
 * Try:   set LOW to 0, then to 3000
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

enum { LOW = 1000 }; /* bytes: the write low-water mark of one scene */

static void usage(int status)
{
    fprintf(status ? stderr : stdout, "usage: callback-order\n");
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

static void read_cb(struct bufferevent *bev, void *name)
{
    printf("  %s: read callback, %zu bytes in the input\n", (const char *)name,
        input_length(bev));
    evbuffer_drain(bufferevent_get_input(bev), input_length(bev));
}

static void write_cb(struct bufferevent *bev, void *name)
{
    printf("  %s: write callback, %zu bytes in the output\n",
        (const char *)name, output_length(bev));
}

static void event_cb(struct bufferevent *bev, short what, void *name)
{
    printf("  %s: event callback,%s%s%s%s\n", (const char *)name,
        what & BEV_EVENT_READING ? " READING" : "",
        what & BEV_EVENT_WRITING ? " WRITING" : "",
        what & BEV_EVENT_EOF ? " EOF" : "",
        what & BEV_EVENT_ERROR ? " ERROR" : "");
}

/* Two bufferevents, "a" and "b", of which each reads what the other writes. */
static void set_callbacks(struct bufferevent *a, struct bufferevent *b)
{
    bufferevent_setcb(a, read_cb, write_cb, event_cb, "a");
    bufferevent_setcb(b, read_cb, write_cb, event_cb, "b");
    if (bufferevent_enable(a, EV_READ) < 0 ||
        bufferevent_enable(b, EV_READ) < 0)
        errx(1, "cannot enable reading");
}

static void send_bytes(struct bufferevent *bev, size_t length)
{
    static const char bytes[4096];

    printf("  a: bufferevent_write, %zu bytes\n", length);
    if (bufferevent_write(bev, bytes, length) < 0)
        errx(1, "cannot write");
    printf("  a: bufferevent_write has returned, %zu bytes in the output\n",
        output_length(bev));
}

/* Let the loop run until there is nothing left to do at once. */
static void turn(struct event_base *base)
{
    if (event_base_loop(base, EVLOOP_NONBLOCK) < 0)
        errx(1, "the event loop failed");
}

/* A pair has no descriptor below it: the bytes go straight across. */
static void show_pair(struct event_base *base)
{
    struct bufferevent *pair[2];

    printf("a pair:\n");
    if (bufferevent_pair_new(base, 0, pair) < 0)
        errx(1, "cannot make a pair");
    set_callbacks(pair[0], pair[1]);
    send_bytes(pair[0], 100);
    turn(base);
    printf("  a: bufferevent_flush, BEV_FINISHED\n");
    bufferevent_flush(pair[0], EV_WRITE, BEV_FINISHED);
    turn(base);
    bufferevent_free(pair[1]);
    bufferevent_free(pair[0]);
}

/* Two connected sockets with a bufferevent each, made with OPTIONS. */
static void make_sockets(
    struct event_base *base, int options, struct bufferevent **ends)
{
    evutil_socket_t fds[2];

    if (evutil_socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
        err(1, "socketpair");
    for (int i = 0; i < 2; i++) {
        if (evutil_make_socket_nonblocking(fds[i]) < 0)
            errx(1, "cannot make a socket non-blocking");
        ends[i] = bufferevent_socket_new(
            base, fds[i], options | BEV_OPT_CLOSE_ON_FREE);
        if (!ends[i])
            errx(1, "cannot make a bufferevent");
    }
    set_callbacks(ends[0], ends[1]);
}

static void show_sockets(struct event_base *base)
{
    struct bufferevent *ends[2];

    printf("sockets:\n");
    make_sockets(base, 0, ends);
    send_bytes(ends[0], 100);
    turn(base);
    printf("  a: freed, which closes its socket\n");
    bufferevent_free(ends[0]);
    turn(base);
    bufferevent_free(ends[1]);
}

/* The reader reads 600 bytes at a time, so that the writer's output shrinks in
 * steps: its callback fires from the step on that ends at LOW or below. */
static void show_low_water(struct event_base *base)
{
    struct bufferevent *pair[2];

    printf("a pair, a's write low-water mark at %d bytes:\n", LOW);
    if (bufferevent_pair_new(base, 0, pair) < 0)
        errx(1, "cannot make a pair");
    bufferevent_setwatermark(pair[0], EV_WRITE, LOW, 0);
    bufferevent_setwatermark(pair[1], EV_READ, 0, 600);
    set_callbacks(pair[0], pair[1]);
    send_bytes(pair[0], 2500);
    turn(base);
    bufferevent_free(pair[1]);
    bufferevent_free(pair[0]);
}

/* bufferevent_trigger calls a callback by hand: inside itself, or with the
 * option later, from the loop. */
static void show_trigger(struct event_base *base, int options)
{
    struct bufferevent *ends[2];

    printf("sockets, %s:\n", options & BEV_OPT_DEFER_CALLBACKS
                                 ? "BEV_OPT_DEFER_CALLBACKS"
                                 : "callbacks not deferred");
    make_sockets(base, options, ends);
    printf("  a: bufferevent_trigger\n");
    bufferevent_trigger(ends[0], EV_WRITE, 0);
    printf("  a: bufferevent_trigger has returned\n");
    turn(base);
    bufferevent_free(ends[1]);
    bufferevent_free(ends[0]);
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

    show_pair(base);
    show_sockets(base);
    show_low_water(base);
    show_trigger(base, 0);
    show_trigger(base, BEV_OPT_DEFER_CALLBACKS);

    event_base_free(base);
    check_output();
    return 0;
}
