/* side.h -- a connection through the proxy and its two sides: what the parts
 * that serve it know of each other.
 */
#ifndef SIDE_H
#define SIDE_H

#include <netdb.h>
#include <stdbool.h>

#include <event2/buffer.h>

#include "conn.h"

/* One of the two sockets of a connection. What is read on the other one is
 * written here; as long as some of it waits, no more is read there. */
struct side {
    const char *name;
    struct conn *conn;
    struct side *other;
    evutil_socket_t fd;        /* -1: none yet */
    struct event *read_event;  /* pending unless we wait for the other side */
    struct event *write_event; /* pending while something waits */
    struct evbuffer *waiting;  /* bytes not sent yet */
    unsigned long long bytes;  /* received from here */
    bool ended;                /* the peer has sent all that it will */
    int error;                 /* why the peer accepts no more, or 0 */
};

struct conn {
    struct proxy *proxy;
    char peer[NI_MAXHOST + NI_MAXSERV + 4]; /* the client, for the summary */
    double began;
    struct side client, upstream;
    struct event *idle;       /* checks, once both are there, for silence: */
    unsigned long long moved; /* bytes read and written so far */
    unsigned long long seen;  /* of these, at the last check */
    int unsent;               /* bytes in the kernel at the last check */
    int quiet;                /* checks since then without a byte */
    int which;                /* upstream it is, or is tried; -1: none yet */
    int failure;              /* errno of the last try */
    struct event *step;       /* made active to try on; the limit on a name */
    struct event *connecting; /* pending while the upstream connects */
    struct asker asker;       /* of the upstream's name */
    struct evutil_addrinfo **untried; /* addresses of the upstream */
    double deadline;                  /* for its name */
    int late; /* how often the deadline has been seen to have passed */
    LIST_ENTRY(conn) next;
};

/* Make the events and the buffer of a side that has its socket. Returns whether
 * there is memory for them. */
bool side_open(struct side *side);

/* Close a side, which may be only half made. */
void side_close(struct side *side);

/* Make EVENT pending, for LIMIT at most. A failure ends only the connection. */
bool watch(struct event *event, const struct timeval *limit);

/* Try the next address of the upstream; without one, the next upstream. */
void step_cb(evutil_socket_t fd, short what, void *conn);

#endif
