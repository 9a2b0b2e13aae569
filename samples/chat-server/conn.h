/* conn.h -- one client of a chat: its connection, and the person behind it. */
#ifndef CONN_H
#define CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/util.h>

#include "listen.h"
#include "rooms.h"
#include "telnet.h"

struct server {
    struct event_base *base;
    struct listeners *listeners; /* NULL after the first signal */
    struct rooms *rooms;
    LIST_HEAD(conn_list, conn) conns;
};

struct conn {
    struct server *server;
    struct person *person;   /* NULL once the client is leaving */
    struct bufferevent *bev; /* owns the fd */
    struct evbuffer *text;   /* input, with telnet's commands taken out */
    struct event *timer;     /* the end of a second, or of a time-out */
    struct telnet telnet;
    int lines;      /* lines, received in this second */
    bool warned;    /* of being too quick */
    bool slow;      /* more is queued than may be */
    bool failed;    /* nothing can be done for it: the timer is active */
    bool ended;     /* the peer has sent all that it will */
    size_t skipped; /* bytes of a line that was too long */
    size_t waiting; /* bytes for one that leaves, at the last check */
    LIST_ENTRY(conn) next;
};

/* Serve a client, whose socket FD is the connection's from now on. */
void conn_new(struct server *server, evutil_socket_t fd);

/* CONN may be only half made. The last connection ends a server that is
 * stopping. */
void conn_free(struct conn *conn);

/* CONN cannot be served any more: CANNOT says what failed. It is freed as soon
 * as the loop runs. */
void conn_fail(struct conn *conn, const char *cannot);

/* End CONN: read no more lines from it, and queue no more for it. It has some
 * time to read what is queued. The room is told HOW. */
void conn_leave(struct conn *conn, const char *how);

/* Tell the peer and the operator WHY it is dropped, and the room HOW. */
void conn_drop(struct conn *conn, const char *why, const char *how);

/* Show a line to the person behind ARG, a connection. */
void show_cb(void *arg, const char *text, size_t length);

/* A line has come, the first one in a second: count from now. */
void start_second(struct conn *conn);

void set_reading(struct conn *conn, bool on);

/* Handle the lines that have come. Lines that come too fast wait for the next
 * second, in the socket. */
void take_some_lines(struct conn *conn);

/* A second is over: handle the lines that have waited for it. */
void next_second(struct conn *conn);

#endif
