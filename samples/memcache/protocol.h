/* protocol.h -- memcached's text protocol: bytes in, bytes out, no socket. */
#ifndef PROTOCOL_H
#define PROTOCOL_H

#include "store.h"

enum {
    GET_SIZE = 1 << 20, /* of a get, which may name many keys */
    HIGH = 64 * 1024,   /* of answers; the next ones wait till these are sent */
};

/* What `stats` prints, beside the numbers of the store. */
struct counts {
    uint64_t connections, cmd_get, cmd_set, get_hits, get_misses;
};

/* What all clients share. They take turns, one at a time, so one place is
 * enough to collect the answers of a turn. */
struct cache {
    struct store *store;
    unsigned connections; /* now; the other counts all that ever connected */
    struct counts counts;
    size_t answered; /* bytes of answers */
    char answers[HIGH + ITEM_MAX + 4096];
};

/* A get whose line has come. Its keys are gone through twice: first one that is
 * too long is looked for, which would spoil them all, then they are answered.
 */
struct get {
    size_t left; /* bytes of its line, still to be taken; 0: there is no get */
    size_t checked; /* bytes of them in which no key is too long */
    bool any;       /* a key has been seen */
    bool with_cas;
    bool touch; /* the time when the items that are found end */
    uint32_t expires;
};

/* The state of the protocol with one client. */
struct client {
    struct cache *cache;
    struct item *item;   /* its value is on the way */
    size_t room;         /* bytes of it for which there is memory */
    size_t filled;       /* bytes of it that have come */
    enum how how;        /* the command that stores it then */
    uint64_t cas;        /* and if it is CAS */
    size_t swallow;      /* bytes of a refused value, still to come */
    const char *verdict; /* the error to send when they have come, or NULL */
    size_t scanned;      /* bytes of a line that has no end so far */
    struct get get;
    bool noreply; /* the command wants no answer */
    bool closing; /* no more input is read from this client */
};

/* Begin a turn: no answers are collected, no work is done. */
void turn_begin(struct cache *cache);
/* Whether a turn has enough answers, or has done enough work. */
bool turn_is_over(const struct cache *cache);

/* Answer the INPUT of a client, until the turn is over. Returns how many bytes
 * of it were used; the caller passes the rest again, with the bytes that
 * follow. */
size_t client_take(struct client *client, char *input, size_t size);

/* Bytes of memory for the value that is on the way. */
size_t client_holds(const struct client *client);
/* Give up that value, to free its memory. */
void client_give_up(struct client *client);
/* Give up the client's unfinished command: the client is gone. */
void client_end(struct client *client);

#endif
