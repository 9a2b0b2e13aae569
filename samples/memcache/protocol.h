/* protocol.h -- memcached's text protocol: bytes in, bytes out, no socket. */
#ifndef PROTOCOL_H
#define PROTOCOL_H

#include "store.h"

enum {
    GET_SIZE = 1 << 20, /* of a get, which may name many keys */
    HIGH = 64 * 1024,   /* of answers; the next ones wait till these are sent */
};

/* What `stats` tells, beside what the store knows. */
struct counts {
    uint64_t connections, cmd_get, cmd_set, get_hits, get_misses;
};

/* What all clients share. They take turns, one at a time, so one place is
 * enough to collect the answers of a turn. */
struct cache {
    struct store *store;
    unsigned connections; /* now; the count is of all that ever were */
    struct counts counts;
    size_t answered; /* bytes of answers */
    char answers[HIGH + ITEM_MAX + 4096];
};

/* How far the conversation with one client has come. */
struct client {
    struct cache *cache;
    struct item *item; /* its value is on the way */
    size_t filled;     /* so much of it has come */
    enum how how;      /* what is to be done with it then */
    uint64_t cas;      /* and if it is CAS */
    size_t swallow;    /* bytes of a refused value, still to come */
    bool noreply;      /* the command wants no answer */
    bool closing;      /* nothing more is to be heard from this client */
};

/* Answer the INPUT of a client, until there are answers enough for one turn.
 * Returns how much of it that was; the rest is to be given again, with what
 * follows it. */
size_t client_take(struct client *client, char *input, size_t size);

/* Give up what the client has begun. */
void client_end(struct client *client);

#endif
