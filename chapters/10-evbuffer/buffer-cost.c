/* buffer-cost.c -- measures what the ways to fill and move a buffer cost.
 *
 * Build: cc -o buffer-cost buffer-cost.c -levent_core
 * Run:   ./buffer-cost
 * Try:   1000 times "hello" instead of "x"
 */
#include <err.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

enum { COUNT = 1000, LARGE = 64 << 20 }; /* pieces, and bytes, of a scene */

static size_t live; /* bytes that libevent has allocated and not freed */

static void usage(int status)
{
    fprintf(status ? stderr : stdout, "usage: buffer-cost\n");
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

static struct evbuffer *new_buffer(void)
{
    struct evbuffer *buffer = evbuffer_new();

    if (!buffer)
        errx(1, "cannot make a buffer");
    return buffer;
}

/* The program ends if a call that has to succeed fails. */
static void must(int result)
{
    if (result < 0)
        errx(1, "a call failed");
}

/* libevent calls these functions in place of malloc(3), realloc(3) and free(3).
 * The size stands before each block, in as many bytes as alignment needs. */
enum { FRONT = 16 };

static void *counting_realloc(void *block, size_t size)
{
    char *front = block ? (char *)block - FRONT : NULL;
    size_t before = 0;

    if (front)
        memcpy(&before, front, sizeof(before));
    front = realloc(front, FRONT + size);
    if (!front)
        return NULL;
    memcpy(front, &size, sizeof(size));
    live += size - before;
    return front + FRONT;
}

static void *counting_malloc(size_t size)
{
    return counting_realloc(NULL, size);
}

static void counting_free(void *block)
{
    size_t size;

    if (!block)
        return;
    memcpy(&size, (char *)block - FRONT, sizeof(size));
    live -= size;
    free((char *)block - FRONT);
}

/* Print how much memory a buffer has, and free it. */
static void report(const char *what, struct evbuffer *buffer, size_t before)
{
    printf("  %-44s %4d pieces, %7zu bytes\n", what,
        evbuffer_peek(buffer, -1, NULL, NULL, 0), live - before);
    evbuffer_free(buffer);
}

static void show_adding(void)
{
    static const char bytes[COUNT];
    size_t before = live;
    struct evbuffer *buffer = new_buffer();

    printf("memory of 1000 bytes:\n");
    must(evbuffer_add(buffer, bytes, sizeof(bytes)));
    report("one evbuffer_add", buffer, before);
    buffer = new_buffer();
    for (int i = 0; i < COUNT; i++)
        must(evbuffer_add(buffer, "x", 1));
    report("1000 times evbuffer_add", buffer, before);
    buffer = new_buffer();
    for (int i = 0; i < COUNT; i++)
        must(evbuffer_add_reference(buffer, "x", 1, NULL, NULL));
    report("1000 times evbuffer_add_reference", buffer, before);
}

/* Each piece comes from a socket, as with a client that sends slowly, and goes
 * on to another buffer: moved, or copied. */
static void show_passing_on(bool moved)
{
    char copy;
    evutil_socket_t fds[2];
    size_t before = live;
    struct evbuffer *input = new_buffer(), *output = new_buffer();

    if (evutil_socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
        err(1, "socketpair");
    for (int i = 0; i < COUNT; i++) {
        if (write(fds[1], "x", 1) != 1)
            err(1, "cannot write to a socket");
        must(evbuffer_read(input, fds[0], -1));
        if (moved) {
            must(evbuffer_add_buffer(output, input));
        } else {
            must(evbuffer_remove(input, &copy, 1));
            must(evbuffer_add(output, &copy, 1));
        }
    }
    evbuffer_free(input);
    report(moved ? "1000 times evbuffer_read, each piece moved"
                 : "1000 times evbuffer_read, each piece copied",
        output, before);
    evutil_closesocket(fds[0]);
    evutil_closesocket(fds[1]);
}

static void print_time(const char *what, clock_t began)
{
    printf(
        "  %-44s %9.3f ms\n", what, (clock() - began) * 1e3 / CLOCKS_PER_SEC);
}

static void show_time(void)
{
    struct evbuffer *from = new_buffer(), *to = new_buffer();
    static char bytes[LARGE];
    clock_t began;

    memset(bytes, 'x', LARGE); /* so that the kernel provides the memory now */
    printf("time for 64 MiB:\n");
    began = clock();
    must(evbuffer_add(from, bytes, LARGE));
    print_time("copied by evbuffer_add", began);
    began = clock();
    must(evbuffer_add_buffer(to, from));
    print_time("moved by evbuffer_add_buffer", began);
    began = clock();
    must(evbuffer_add_reference(from, bytes, LARGE, NULL, NULL));
    print_time("referred to by evbuffer_add_reference", began);
    evbuffer_free(from);
    evbuffer_free(to);
}

static void read_cb(struct bufferevent *bev, void *arg)
{
    printf("  read callback: %zu bytes in the input\n",
        evbuffer_get_length(bufferevent_get_input(bev)));
}

/* A stream has no messages: what one call has written is read in steps. */
static void show_reading(void)
{
    static const char bytes[10000];
    evutil_socket_t fds[2];
    struct event_base *base = event_base_new();

    printf("10000 bytes, written by one call, and read by a bufferevent:\n");
    if (!base || evutil_socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
        err(1, "cannot make a pair of sockets");
    must(evutil_make_socket_nonblocking(fds[0]));
    struct bufferevent *bev =
        bufferevent_socket_new(base, fds[0], BEV_OPT_CLOSE_ON_FREE);
    if (!bev || write(fds[1], bytes, sizeof(bytes)) != sizeof(bytes))
        err(1, "cannot write to a socket");
    must(bufferevent_set_max_single_read(bev, 65536)); /* no effect in 2.1 */
    bufferevent_setcb(bev, read_cb, NULL, NULL, NULL);
    must(bufferevent_enable(bev, EV_READ));
    for (int i = 0; i < 3; i++)
        must(event_base_loop(base, EVLOOP_NONBLOCK));
    bufferevent_free(bev);
    evutil_closesocket(fds[1]);
    event_base_free(base);
}

int main(int argc, char **argv)
{
    open_standard_fds();
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        usage(0);
    if (argc != 1)
        usage(2);
    /* before any other call of libevent */
    event_set_mem_functions(counting_malloc, counting_realloc, counting_free);

    show_adding();
    show_passing_on(true);
    show_passing_on(false);
    show_reading();
    show_time();

    check_output();
    return 0;
}
