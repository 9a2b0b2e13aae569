/* item.h -- an item of memcache: a key with its value.
 *
 * It counts bytes as memcached does, so that the same items fit and the same
 * ones are too large.
 */
#ifndef ITEM_H
#define ITEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

enum {
    KEY_MAX = 250,
    ITEM_MAX = 1 << 20, /* bytes that an item may count */
};

struct item {
    TAILQ_ENTRY(item) recent; /* used most recently: first */
    struct item *next;        /* in the same bucket */
    uint64_t cas;             /* another one after each change */
    uint32_t hash;
    uint32_t stored;  /* the second in which it was put into the table */
    uint32_t expires; /* the second in which it ends; 0: never */
    uint32_t flags;   /* the client's, kept for it */
    uint32_t size;    /* of the value, without CR LF */
    uint8_t key_size;
    char data[]; /* key, value, CR LF, NUL */
};

/* What an item counts, with a key of KEY_SIZE and a value of SIZE bytes. */
uint64_t item_cost(size_t key_size, uint32_t flags, uint64_t size);
uint64_t cost_of(const struct item *item);

/* FNV-1a: a byte at a time, and good enough for keys that people choose. */
uint32_t hash_of(const char *key, size_t key_size);

/* Whether an item of that kind may ever be stored. */
bool item_fits(size_t key_size, uint32_t flags, uint64_t size);

/* An item that is not in the table yet, with ROOM bytes for its value and CR
 * LF. NULL if there is no memory. */
struct item *item_new(const char *key, size_t key_size, uint32_t flags,
    uint32_t expires, uint64_t size, size_t room);
/* The item, moved, with more room; or NULL, and it is unchanged. */
struct item *item_grow(struct item *item, size_t room);
/* Give up an item that is not in the table. */
void item_free(struct item *item);

static inline char *item_value(struct item *item)
{
    return item->data + item->key_size;
}

/* An item that will replace OLD, with a value of another size. NULL if there is
 * no memory. */
struct item *item_like(const struct item *old, uint32_t size);

#endif
