/* server.h -- what accepts connections, and what it does for each of them. */
#ifndef SERVER_H
#define SERVER_H

#include <event2/event.h>
#include <event2/util.h>

#include "listen.h"
#include "protocol.h"

enum {
    READ_SIZE = 64 * 1024, /* bytes that one read takes at the most */
};

/* The connections take turns, so one input is enough for all of them. */
struct server {
    struct event_base *base;
    struct listeners *listeners;
    struct event *patrol; /* pending while clients hold memory */
    struct cache cache;
    LIST_HEAD(conn_list, conn) conns;
    TAILQ_HEAD(holder_list, conn) holders; /* silent for longest: first */
    size_t held;                           /* by all of them */
    size_t held_most;
    uint32_t patience; /* seconds in which an unfinished command has to go on */
    char input[READ_SIZE];
};

/* Serve a client, whose descriptor is the connection's from now on. NULL if
 * there is no memory: then it is closed. */
struct conn *conn_new(struct server *server, evutil_socket_t fd);
void conn_free(struct conn *conn);

/* Each second: drop clients whose unfinished command does not go on. */
void patrol_cb(evutil_socket_t fd, short what, void *arg);

#endif
