/* conn.h -- the connections of a load: each opens, sends, checks, counts. */
#ifndef CONN_H
#define CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include <event2/event.h>
#include <event2/util.h>

#include "result.h"
#include "script.h"

struct conn {
    struct pool *pool;
    struct event *read_event, *write_event;
    evutil_socket_t fd;          /* ours; -1 once it is closed */
    bool full;                   /* write_event is pending */
    bool free;                   /* is in the list of those with a free place */
    uint64_t heard;              /* when bytes came last, ns */
    size_t asked, sent, to_send; /* next request, bytes sent of it, requests */
    size_t wanted, got;          /* next answer, bytes that have come of it */
    uint64_t *due;               /* a ring: when those under way were due, ns */
    size_t first, under_way;
    TAILQ_ENTRY(conn) next;
};

/* What all connections have in common. The callbacks may close the connection
 * that they are told of, and open others. */
struct pool {
    struct event_base *base;
    const struct script *script;
    struct result *result;
    size_t pipeline; /* requests under way on each, at most */
    uint64_t *dues;  /* as many numbers for each */
    const struct evutil_addrinfo *address; /* the next one connects there */
    unsigned source;  /* addresses of ours that have no port left */
    size_t opened;    /* connections */
    size_t under_way; /* requests, on all of them */
    struct counts total;
    TAILQ_HEAD(conn_list, conn) free; /* with room for a request */

    void *arg; /* for the callbacks */
    /* Bytes were sent on a connection, so that it is connected. */
    void (*connected)(void *arg);
    /* One or more answers have come on CONN, at TIME. */
    void (*answered)(void *arg, struct conn *conn, uint64_t time);
    /* CONN cannot be used any more, because of ERROR or for another reason. */
    void (*lost)(void *arg, struct conn *conn, enum loss loss, int error);
};

/* Nanoseconds of a clock that only goes forward: see clock_gettime(2). */
uint64_t now(void);

/* Open CONN and send its first request: once the answer comes, the connection
 * has left the backlog. Returns 0, or the errno of the failure; conn_close
 * frees the parts of CONN then, if it counts as opened. */
int conn_open(struct pool *pool, struct conn *conn);

/* CONN has a request more to send, which was due at DUE (ns). */
void conn_give(struct conn *conn, uint64_t due);

/* Send the requests of CONN; those that follow each other in the ring go
 * together. Bytes that do not fit into the socket wait until it is writable. */
void conn_send(struct conn *conn);

/* Close CONN, which may be only half made, and give up its open requests. */
void conn_close(struct conn *conn);

#endif
