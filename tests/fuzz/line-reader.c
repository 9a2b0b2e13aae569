/* line-reader.c -- the fuzz target of line-reader: see scripts/fuzz.
 *
 * The same bytes are sent to the server in one piece and in many. It must not
 * crash, hang on to a connection, or give other answers to the pieces.
 */
#define main line_reader_main
#include "line-reader.c"
#undef main

enum { ANSWERS = 1 << 20 };

struct answers {
    char bytes[ANSWERS];
    size_t length;
};

static struct server server;

static void turn(void)
{
    if (event_base_loop(server.base, EVLOOP_NONBLOCK) < 0)
        abort();
}

/* Let the server work until it has nothing more to say. */
static void collect(int fd, struct answers *answers)
{
    ssize_t got;

    do {
        turn();
        got = read(
            fd, answers->bytes + answers->length, ANSWERS - answers->length);
        if (got > 0)
            answers->length += (size_t)got;
    } while (got > 0);
}

/* Send the bytes in pieces of 1 to MOST bytes, whose lengths follow from the
 * bytes themselves, and end the input. */
static void converse(
    const uint8_t *data, size_t size, size_t most, struct answers *answers)
{
    evutil_socket_t fds[2];
    size_t sent = 0;

    answers->length = 0;
    if (evutil_socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0 ||
        evutil_make_socket_nonblocking(fds[0]) < 0 ||
        evutil_make_socket_nonblocking(fds[1]) < 0)
        abort();
    accept_cb(NULL, fds[0], NULL, 0, &server);
    while (sent < size) {
        size_t piece = 1 + (data[sent] * 7 + sent) % most;

        piece = piece < size - sent ? piece : size - sent;
        if (write(fds[1], data + sent, piece) != (ssize_t)piece)
            break;
        sent += piece;
        collect(fds[1], answers);
    }
    shutdown(fds[1], SHUT_WR);
    collect(fds[1], answers);
    close(fds[1]);
    turn();
    turn();
    if (!LIST_EMPTY(&server.conns))
        abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    signal(SIGPIPE, SIG_IGN);
    server.base = event_base_new();
    if (!server.base)
        abort();
    server.rest_event =
        event_new(server.base, -1, EV_PERSIST, rest_cb, &server);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct answers whole, pieces;

    if (size > 65536)
        return 0;
    converse(data, size, 65536, &whole);
    /* Where EVBUFFER_EOL_ANY ends a line depends on the pieces. */
    if (memmem(data, size, "eol any", 7))
        return 0;
    converse(data, size, 9, &pieces);
    if (whole.length != pieces.length ||
        memcmp(whole.bytes, pieces.bytes, whole.length) != 0)
        abort();
    return 0;
}
