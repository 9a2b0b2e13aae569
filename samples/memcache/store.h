/* store.h -- a hash table of items that forgets what was not used for long.
 *
 * An item counts when it is in the table. The store knows nothing of
 * connections.
 */
#ifndef STORE_H
#define STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "item.h"
#include "number.h"

enum {
    WORK = 16 * 1024, /* that a turn may take; a unit is a nanosecond or so */
};

struct store {
    uint64_t limit;     /* bytes that all items may count together */
    uint64_t bytes;     /* and do now */
    uint64_t items;     /* in the table now */
    uint64_t stored;    /* ever put there */
    uint64_t evictions; /* live ones that were evicted */
    uint64_t cas;       /* the last number given */
    uint64_t flushed;  /* a flush that is due ends items of a smaller number, */
    uint32_t flush_at; /* and those up to this second; 0: there is no flush */
    uint32_t now;      /* seconds since the start, plus START */
    int64_t epoch;     /* the monotonic clock when now was 0 */
    uint64_t work;     /* that was done since it was last set to 0 */
    TAILQ_HEAD(item_list, item) recent;
    uint64_t mask; /* of a hash: its bucket */
    struct item **buckets;
};

/* 0 means never. A date of more than a minute before the start is long ago. */
enum { LONG_AGO = 1, START = 62 };

enum how { SET, ADD, REPLACE, APPEND, PREPEND, CAS };
enum outcome { STORED, NOT_STORED, EXISTS, NOT_FOUND, NON_NUMERIC, NO_MEMORY };

/* NULL if there is no memory for the table. */
struct store *store_new(uint64_t limit);
void store_free(struct store *store);

/* Read the clock; all other functions use that time. */
void store_tick(struct store *store);

/* The second that a client means by EXPTIME: 0 is never, up to 30 days count
 * from now, more is a date, less than 0 is at once. */
uint32_t store_expiry(const struct store *store, int32_t exptime);

/* The live item of that name, or NULL. */
struct item *store_find(struct store *store, const char *key, size_t key_size);
/* Note that it was used, so that it stays longer. */
void store_use(struct store *store, struct item *item);
void store_delete(struct store *store, struct item *item);

/* Evict what was not used for longest, until there is room for a filled item,
 * if HOW and what is there allow it; CAS is the number that the client has
 * seen. False if it takes more work than is left: then call again. */
bool store_make_room(
    struct store *store, struct item *item, enum how how, uint64_t cas);
/* Put the item into the table, when there is room. It is the store's from now
 * on. */
enum outcome store_put(
    struct store *store, struct item *item, enum how how, uint64_t cas);

/* Add to or take from the number that is an item's value, and write the new
 * one to TEXT. Below 0 it does not go, beyond 64 bits it starts again. */
enum outcome store_count(struct store *store, struct item *item, bool up,
    uint64_t delta, char *text);

/* All items of now are dead, at once or in the second before the one that
 * EXPTIME means. The last flush counts: it takes back an earlier one. */
void store_flush(struct store *store, int32_t exptime);

#endif
