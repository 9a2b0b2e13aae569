/* clients.h -- the connections of hardened-server, and the limits that they
 * have to keep.
 */
#ifndef CLIENTS_H
#define CLIENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include <event2/event.h>

#include "client-gate.h"
#include "settings.h"

struct sockaddr;
struct ev_token_bucket_cfg;
struct bufferevent_rate_limit_group;

/* How many clients, since the start. */
struct client_counts {
    unsigned long served;
    unsigned long full, address_full;        /* refused at the gate */
    unsigned long idle, stuck, slow, memory; /* dropped */
    unsigned long failed;                    /* by an error */
};

struct clients {
    struct event_base *base;
    const struct settings *settings;
    void (*left)(void *arg); /* called after each client, or NULL */
    void *arg;

    struct gate gate;
    struct client_counts counts, told; /* and those in the log */
    unsigned long long bytes;          /* answered so far */
    size_t waiting;                    /* bytes of output of all clients */
    unsigned long long now; /* milliseconds that the loop has served */
    bool leaving; /* set it: each shall end, once it is answered and silent */
    struct ev_token_bucket_cfg *rate, *rate_all; /* NULL: no limit */
    struct bufferevent_rate_limit_group *group;
    LIST_HEAD(conns, conn) conns;
};

/* BASE, SETTINGS, LEFT and ARG are set. False if there is no memory. */
bool clients_open(struct clients *clients);

/* Serve FD, or refuse it and close it. */
void clients_add(struct clients *clients, evutil_socket_t fd,
    const struct sockaddr *address);

/* To be called each MILLISECONDS: drops clients whose time is up. */
void clients_tick(struct clients *clients, unsigned milliseconds);

/* Close all of them. Before the base is freed. */
void clients_close(struct clients *clients);

/* After the base is freed. */
void clients_free(struct clients *clients);

#endif
