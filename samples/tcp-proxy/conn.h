/* conn.h -- one connection through the proxy. */
#ifndef CONN_H
#define CONN_H

#include <sys/queue.h>
#include <sys/socket.h>

#include <event2/event.h>
#include <event2/util.h>

#include "listen.h"
#include "lookup.h"

struct upstream {
    const char *name; /* HOST:PORT, as it was given */
    char *host;
    const char *port;                /* in the memory of host, behind it */
    struct evutil_addrinfo *address; /* of a host that is a number, else NULL */
};

/* The number of checks in the time that a connection may be silent. */
enum { CHECKS = 4 };

/* What all connections share. */
struct proxy {
    struct event_base *base;
    struct lookups lookups;
    struct listeners *listeners; /* NULL after the first signal */
    int spare;                   /* descriptor of the next one's upstream */
    struct timeval limit;        /* for a name, and for each connect */
    const struct timeval *check; /* from one check for silence to the next */
    struct timeval grace;        /* for what is open at a signal */
    int count;                   /* of upstreams: 1 or 2 */
    struct upstream upstreams[2];
    LIST_HEAD(conn_list, conn) conns;
};

/* Take an accepted socket, which is the connection's from now on. */
void conn_new(struct proxy *proxy, evutil_socket_t fd,
    const struct sockaddr *address, socklen_t length);

/* Print the summary, and free it. */
void conn_end(struct conn *conn, const char *how);

#endif
