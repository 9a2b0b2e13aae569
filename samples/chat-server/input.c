/* input.c -- handles the lines of a client, in order, and limits their rate. */
#include <stdbool.h>

#include <event2/buffer.h>

#include "conn.h"

enum {
    LINES = 10,           /* lines that a client may send in a second */
    ENDLESS = 1024 * 1024 /* a line of more bytes is too long */
};

/* Forget LENGTH bytes of a line that is too long, and say so once. */
static void skip(struct conn *conn, size_t length)
{
    if (conn->skipped == 0) {
        static const char text[] = "* that line was refused: it is too long\n";
        show_cb(conn, text, sizeof(text) - 1);
    }
    evbuffer_drain(conn->text, length);
    conn->skipped += length;
    if (conn->skipped > ENDLESS)
        conn_drop(conn, "a line went on without end", "was dropped");
}

/* Count a line, or a question of telnet, which is answered like one. */
static void count_line(struct conn *conn)
{
    if (conn->lines++ == 0)
        start_second(conn);
}

/* Pass a line of LENGTH bytes, and NEWLINE more, to the rooms. */
static void take_line(struct conn *conn, size_t length, size_t newline)
{
    char text[LINE];

    count_line(conn);
    if (conn->skipped > 0 || length > LINE) {
        skip(conn, length + newline);
        conn->skipped = 0;
        return;
    }
    evbuffer_remove(conn->text, text, length);
    evbuffer_drain(conn->text, newline);
    if (!person_line(conn->person, text, length))
        conn_leave(conn, "has left");
}

/* Handle a line, or a part of one that is too long, and return true; or false
 * if too few bytes have come to decide. */
static bool take_from_text(struct conn *conn)
{
    size_t newline;
    struct evbuffer_ptr end =
        evbuffer_search_eol(conn->text, NULL, &newline, EVBUFFER_EOL_CRLF);
    size_t length = evbuffer_get_length(conn->text);

    if (end.pos >= 0)
        take_line(conn, (size_t)end.pos, newline);
    else if (length > LINE + 1 || (length > 0 && conn->skipped > 0))
        skip(conn, length);
    else
        return false;
    return true;
}

/* Do what the last command of telnet asks for; returns false if it asks for
 * nothing. */
static bool take_wish(struct conn *conn)
{
    static const char here[] = "* yes, the server is here\n";
    struct telnet *telnet = &conn->telnet;
    enum telnet_wish wish = telnet->wish;

    telnet->wish = TELNET_NONE;
    if (wish == TELNET_NONE)
        return false;
    if (wish == TELNET_ENDLESS) {
        conn_drop(conn, "a telnet command went on without end", "was dropped");
        return true;
    }
    count_line(conn);
    if (wish == TELNET_REPLY)
        show_cb(conn, (char *)telnet->reply, sizeof(telnet->reply));
    else
        show_cb(conn, here, sizeof(here) - 1);
    return true;
}

/* Move some input to the text; returns false if there is none. */
static bool take_input(struct conn *conn)
{
    struct evbuffer *input = bufferevent_get_input(conn->bev);
    unsigned char bytes[1024], text[sizeof(bytes) + 1];
    ssize_t length = evbuffer_copyout(input, bytes, sizeof(bytes));
    size_t taken, count;

    if (length <= 0)
        return false;
    taken = telnet_take(&conn->telnet, bytes, (size_t)length, text, &count);
    evbuffer_drain(input, taken);
    if (count > 0 && evbuffer_add(conn->text, text, count) < 0)
        conn_fail(conn, "keep a line");
    return true;
}

/* Handle all bytes that have come, in order, but no more lines than allowed. */
static void take_lines(struct conn *conn)
{
    while (conn->person && !conn->slow && !conn->failed && conn->lines < LINES)
        if (!take_from_text(conn) && !take_wish(conn) && !take_input(conn))
            return;
}

/* Whether there is more to handle. */
static bool has_more(struct conn *conn)
{
    return evbuffer_get_length(conn->text) > 0 ||
           conn->telnet.wish != TELNET_NONE ||
           evbuffer_get_length(bufferevent_get_input(conn->bev)) > 0;
}

/* Lines that come too fast wait for the next second, in the socket, where they
 * slow down their sender and no other client. */
void take_some_lines(struct conn *conn)
{
    static const char text[] = "* too fast: your other lines have to wait\n";

    take_lines(conn);
    if (!conn->person || conn->lines < LINES)
        return;
    set_reading(conn, false);
    if (conn->warned || !has_more(conn))
        return;
    show_cb(conn, text, sizeof(text) - 1);
    conn->warned = true;
}

void next_second(struct conn *conn)
{
    conn->warned = conn->lines == LINES;
    conn->lines = 0;
    set_reading(conn, true);
    take_some_lines(conn);
}
