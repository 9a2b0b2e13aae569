/* client-loop.c -- the connections of one loop, and their lines of work.
 *
 * It is a part of worker-pool. client-loop.h says what it is for, and how it is
 * called.
 */
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>

#include "client-loop.h"

static const struct timeval GRACE = {2, 0}; /* from the signal to the end */
static const struct timeval QUIET = {0, 200000}; /* then a peer has finished */

/* Bytes that may wait, of output for a slow client or of input behind a line of
 * work: reading stops above HIGH and goes on below LOW. */
enum { HIGH = 256 * 1024, LOW = 64 * 1024 };

enum { MOST_WORK = 10000000 };

/* A connection. It belongs to its loop for ever, and so no lock guards it. */
struct conn {
    struct client_loop *loop;
    struct bufferevent *bev;
    struct count *count; /* the primes that are being counted, or NULL */
    bool mid_line; /* the last byte that was answered did not end its line */
    bool ended;    /* the peer has sent all that it will */
    bool finished; /* and the server has half-closed too */
    LIST_ENTRY(conn) next;
};

/* The job for a line of work. */
struct count {
    struct job job;
    struct conn *conn; /* NULL: it is closed. Only the loop's thread uses it. */
    unsigned long limit, result;
};

/* Print a line on standard output, or on standard error as warnx(3) does. A
 * line that would block is dropped: a callback that waits for the reader of a
 * log stops the whole loop. If poll(2) says writable, a line has room. */
__attribute__((format(printf, 2, 3))) static void print_line(
    FILE *stream, const char *format, ...)
{
    struct pollfd pollfd = {.fd = fileno(stream), .events = POLLOUT};
    va_list arguments;

    if (poll(&pollfd, 1, 0) == 0)
        return;
    va_start(arguments, format);
    if (stream == stderr) {
        vwarnx(format, arguments);
    } else {
        vprintf(format, arguments);
        putchar('\n');
    }
    va_end(arguments);
}

/* Send small answers at once: with Nagle's algorithm on, the end of a long
 * answer would wait up to 40 ms for the peer's delayed acknowledgement. */
static void set_nodelay(evutil_socket_t fd)
{
    int on = 1;

    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)
        print_line(stderr, "cannot set TCP_NODELAY: %s", strerror(errno));
}

/* Runs in a thread of the pool. It stands for any call that blocks or takes
 * long. */
static void count_primes(struct job *job)
{
    struct count *count = (struct count *)job;

    for (unsigned long n = 2; n < count->limit && !job->unwanted; n++) {
        bool prime = true;

        for (unsigned long d = 2; d * d <= n && prime; d++)
            prime = n % d != 0;
        count->result += prime;
    }
}

/* Close the descriptor here, not with BEV_OPT_CLOSE_ON_FREE, which closes it
 * after this callback: a thread that waits for a free one would wake too
 * early. */
static void conn_free(struct conn *conn)
{
    struct client_loop *loop = conn->loop;
    struct count *count = conn->count;
    evutil_socket_t fd = bufferevent_getfd(conn->bev);

    LIST_REMOVE(conn, next);
    if (count) {
        count->conn = NULL;
        if (job_pool_take_back(loop->pool, &count->job))
            free(count);
    }
    bufferevent_setfd(conn->bev, -1); /* takes it out of the epoll set */
    bufferevent_free(conn->bev);
    evutil_closesocket(fd);
    free(conn);
    if (loop->descriptor_free)
        loop->descriptor_free(loop->arg);
    if (loop->stopping && LIST_EMPTY(&loop->conns))
        event_base_loopbreak(loop->base);
}

/* A failure for one client must not end the server. */
static void conn_fail(struct conn *conn, const char *what)
{
    print_line(stderr, "cannot %s a client: %s", what, strerror(errno));
    conn_free(conn);
}

/* Say that no more answers will come. The peer closes in turn, and event_cb
 * frees the connection. */
static void conn_finish(struct conn *conn)
{
    conn->finished = true;
    if (bufferevent_set_timeouts(conn->bev, NULL, NULL) < 0 ||
        bufferevent_enable(conn->bev, EV_READ) < 0 ||
        (shutdown(bufferevent_getfd(conn->bev), SHUT_WR) != 0 &&
            errno != ENOTCONN))
        conn_fail(conn, "half-close the connection of");
}

/* ASCII alone: toupper(3) would follow the locale and damage UTF-8. */
static void make_upper(unsigned char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = bytes[i];

        bytes[i] = c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c;
    }
}

/* Whether BYTES begin with a line "work N", or may be the beginning of one.
 * NUMBER is N if the line is whole, and 0 otherwise. */
static bool begins_work(
    const unsigned char *bytes, size_t length, unsigned long *number)
{
    static const char word[] = "work ";
    unsigned long value = 0;
    size_t i = sizeof(word) - 1;

    *number = 0;
    if (memcmp(bytes, word, length < i ? length : i) != 0)
        return false;
    for (; i < length && isdigit(bytes[i]) && value <= MOST_WORK; i++)
        value = 10 * value + bytes[i] - '0';
    if (i >= length)
        return value <= MOST_WORK;
    *number = value;
    return bytes[i] == '\n' && value > 0 && value <= MOST_WORK;
}

/* How many of the bytes come before a line of work, of which NUMBER is the
 * number. The beginning of such a line waits for its end, unless the input has
 * ended. */
static size_t plain_length(struct conn *conn, const unsigned char *bytes,
    size_t length, unsigned long *number)
{
    size_t plain = 0;

    *number = 0;
    while (plain < length) {
        if (!conn->mid_line &&
            begins_work(bytes + plain, length - plain, number) &&
            (*number > 0 || !conn->ended))
            return plain;
        *number = 0;
        const unsigned char *end = memchr(bytes + plain, '\n', length - plain);
        conn->mid_line = !end;
        plain = end ? (size_t)(end - bytes) + 1 : length;
    }
    return plain;
}

/* The job is back, in the thread of its loop. The connection goes on with the
 * input behind the line of work. */
static void receive_count(struct message *message, void *owner)
{
    struct count *count = (struct count *)message;
    struct conn *conn = count->conn;
    char answer[64];
    int length = snprintf(answer, sizeof(answer), "%lu PRIMES BELOW %lu\n",
        count->result, count->limit);

    free(count);
    if (!conn)
        return;
    conn->count = NULL;
    if (bufferevent_write(conn->bev, answer, (size_t)length) < 0 ||
        bufferevent_enable(conn->bev, EV_WRITE) < 0 ||
        (!conn->ended && bufferevent_enable(conn->bev, EV_READ) < 0))
        conn_fail(conn, "queue an answer for");
    else
        bufferevent_trigger(conn->bev, EV_READ, 0); /* calls read_cb */
}

/* Give a line of work to the pool. */
static bool start_count(struct conn *conn, unsigned long limit)
{
    struct count *count = calloc(1, sizeof(*count));

    if (!count)
        return false;
    count->job.message.receive = receive_count;
    count->job.back = &conn->loop->mailbox;
    count->job.work = count_primes;
    count->conn = conn;
    count->limit = limit;
    conn->count = count;
    job_pool_add(conn->loop->pool, &count->job);
    return true;
}

/* Answer the input up to a line of work, and give that to the pool. */
static bool answer(struct conn *conn, struct evbuffer *input)
{
    size_t length = evbuffer_get_length(input);
    unsigned char *bytes = evbuffer_pullup(input, -1);
    unsigned long number;

    if (length > 0 && !bytes)
        return false;
    size_t plain = plain_length(conn, bytes, length, &number);
    make_upper(bytes, plain);
    if (bufferevent_write(conn->bev, bytes, plain) < 0 ||
        bufferevent_enable(conn->bev, EV_WRITE) < 0)
        return false;
    if (number == 0) {
        evbuffer_drain(input, plain);
        return true;
    }
    unsigned char *end = memchr(bytes + plain, '\n', length - plain);
    evbuffer_drain(input, (size_t)(end - bytes) + 1);
    return start_count(conn, number);
}

/* While a thread of the pool works for this connection, or a lot of output
 * waits, the input has to wait, and above HIGH the peer. At the end of the
 * input event_cb calls this as well, and after a job receive_count. */
static void read_cb(struct bufferevent *bev, void *arg)
{
    struct conn *conn = arg;
    struct evbuffer *input = bufferevent_get_input(bev);
    struct evbuffer *output = bufferevent_get_output(bev);

    if (conn->finished) { /* it came after our goodbye: read and forgotten */
        evbuffer_drain(input, evbuffer_get_length(input));
    } else if (!conn->count && !answer(conn, input)) {
        conn_fail(conn, "queue an answer for");
        return;
    }
    if (evbuffer_get_length(input) > HIGH || evbuffer_get_length(output) > HIGH)
        bufferevent_disable(bev, EV_READ);
    if (conn->ended && !conn->count && evbuffer_get_length(output) == 0)
        conn_free(conn);
}

/* The output has drained to LOW or below: read on, or end. */
static void write_cb(struct bufferevent *bev, void *arg)
{
    struct conn *conn = arg;

    if (conn->count)
        return; /* receive_count goes on */
    if (!conn->ended && bufferevent_enable(bev, EV_READ) < 0)
        conn_fail(conn, "watch");
    else if (conn->ended &&
             evbuffer_get_length(bufferevent_get_output(bev)) == 0)
        conn_free(conn);
}

static void event_cb(struct bufferevent *bev, short what, void *arg)
{
    int error = EVUTIL_SOCKET_ERROR(); /* before a call can change it */
    struct conn *conn = arg;

    if (what & BEV_EVENT_EOF) {
        conn->ended = true;
        read_cb(bev, conn);
        return;
    }
    if (what & BEV_EVENT_TIMEOUT) { /* we are leaving, and the peer is quiet */
        if (!conn->count &&
            evbuffer_get_length(bufferevent_get_output(bev)) == 0)
            conn_finish(conn);
        return; /* else reading goes on later, and there will be a next time */
    }
    print_line(stderr, "got an error on the connection: %s",
        evutil_socket_error_to_string(error));
    conn_free(conn);
}

void client_loop_serve(struct client_loop *loop, evutil_socket_t fd)
{
    struct conn *conn = calloc(1, sizeof(*conn));

    if (conn)
        conn->bev = bufferevent_socket_new(loop->base, fd, 0);
    if (!conn || !conn->bev) {
        print_line(stderr, "cannot serve a client: %s", strerror(errno));
        evutil_closesocket(fd);
        free(conn);
        return;
    }
    conn->loop = loop;
    LIST_INSERT_HEAD(&loop->conns, conn, next);
    loop->clients++;
    set_nodelay(fd);
    bufferevent_setcb(conn->bev, read_cb, write_cb, event_cb, conn);
    bufferevent_setwatermark(conn->bev, EV_WRITE, LOW, 0);
    if (bufferevent_enable(conn->bev, EV_READ) < 0)
        conn_fail(conn, "watch");
}

/* A connection whose time-out cannot be set is open until the deadline; a
 * deadline that cannot be set is now. */
static void receive_order(struct message *message, void *owner)
{
    struct client_loop *loop = owner;
    struct conn *conn;

    if (loop->stopping || LIST_EMPTY(&loop->conns) ||
        event_base_loopexit(loop->base, &GRACE) < 0) {
        event_base_loopbreak(loop->base);
        return;
    }
    loop->stopping = true;
    LIST_FOREACH (conn, &loop->conns, next)
        bufferevent_set_timeouts(conn->bev, &QUIET, NULL);
}

bool client_loop_open(struct client_loop *loop)
{
    LIST_INIT(&loop->conns);
    loop->orders[0].receive = loop->orders[1].receive = receive_order;
    loop->base = event_base_new();
    return loop->base && mailbox_open(&loop->mailbox, loop->base, loop);
}

void client_loop_run(struct client_loop *loop)
{
    if (event_base_dispatch(loop->base) < 0)
        errx(1, "an event loop has failed");
    while (!LIST_EMPTY(&loop->conns))
        conn_free(LIST_FIRST(&loop->conns));
}

void client_loop_stop(struct client_loop *loop, bool at_once)
{
    mailbox_post(&loop->mailbox, &loop->orders[at_once]);
}

void client_loop_close(struct client_loop *loop)
{
    mailbox_close(&loop->mailbox);
    event_base_free(loop->base);
}
