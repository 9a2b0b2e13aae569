/* conn.h -- one connection, and the load that all of them make. */
#ifndef CONN_H
#define CONN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include <event2/event.h>
#include <event2/util.h>

#include "frame.h"

enum phase { SET_UP, WARM_UP, MEASURE, DRAIN };

struct conn {
    struct load *load;
    struct event *read_event, *write_event;
    evutil_socket_t fd;          /* ours; -1 once it is closed */
    int full;                    /* write_event is pending */
    int heard;                   /* bytes have come for the last answers */
    int free;                    /* is in the list of those with a free place */
    size_t asked, sent, to_send; /* next request, bytes sent of it, requests */
    size_t wanted, got;          /* next answer, bytes that have come of it */
    uint64_t *due;               /* a ring: when those under way were due, ns */
    size_t first, under_way;
    TAILQ_ENTRY(conn) next;
};

struct load {
    struct options options;
    struct script script;
    struct event_base *base;
    struct event *phase_event, *due_event;
    struct evutil_addrinfo *addresses, *address; /* all; the one in use */
    int connected;                               /* to that one */
    int failed;      /* it has come to nothing; somebody has said why */
    unsigned source; /* addresses of ours that have no port left */
    struct conn *conns;
    uint64_t *dues;
    size_t opened, ready, lost; /* connections */
    size_t under_way;           /* requests, on all of them */
    TAILQ_HEAD(conn_list, conn) free;
    enum phase phase;
    uint64_t from, until;  /* what is due between these counts, ns */
    uint64_t start, given; /* with a rate: when the first was due; how many */
    int armed;             /* due_event is pending */
    struct counts total, before; /* the latter: when the measuring began */
    uint64_t ticked;             /* answers at the last tick */
    int ticks;                   /* without an answer, in the set-up */
    struct result result;
};

/* conn.c */
uint64_t now(void);
int conn_open(struct load *load, struct conn *conn);
void conn_give(struct conn *conn, uint64_t due);
void conn_send(struct conn *conn);
void conn_close(struct conn *conn);

/* load-gen.c */
void load_connected(struct load *load);
void load_answered(struct conn *conn, uint64_t time);
void load_lost(struct conn *conn, enum loss loss, int error);
void count_unanswered(struct load *load, uint64_t due, uint64_t time);

#endif
