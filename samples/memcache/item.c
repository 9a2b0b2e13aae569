/* item.c -- an item of memcache: a key with its value. */
#include <stdlib.h>
#include <string.h>

#include "item.h"

enum {
    ITEM_COST = 57, /* bytes that an item counts beside its key and value */
    FLAGS_COST = 4, /* and if it has flags */
};

uint64_t item_cost(size_t key_size, uint32_t flags, uint64_t size)
{
    return ITEM_COST + key_size + (flags ? FLAGS_COST : 0) + size + 2;
}

uint64_t cost_of(const struct item *item)
{
    return item_cost(item->key_size, item->flags, item->size);
}

bool item_fits(size_t key_size, uint32_t flags, uint64_t size)
{
    return item_cost(key_size, flags, size) <= ITEM_MAX;
}

/* FNV-1a: a byte at a time, and good enough for keys that people choose. */
uint32_t hash_of(const char *key, size_t key_size)
{
    uint64_t hash = 0xcbf29ce484222325;

    for (size_t i = 0; i < key_size; i++)
        hash = (hash ^ (unsigned char)key[i]) * 0x100000001b3;
    return (uint32_t)(hash ^ hash >> 32);
}

void item_free(struct item *item)
{
    free(item);
}

static size_t item_bytes(size_t key_size, size_t room)
{
    return offsetof(struct item, data) + key_size + room + 1;
}

struct item *item_new(const char *key, size_t key_size, uint32_t flags,
    uint32_t expires, uint64_t size, size_t room)
{
    struct item *item = malloc(item_bytes(key_size, room));

    if (!item)
        return NULL;
    item->hash = hash_of(key, key_size);
    item->expires = expires;
    item->flags = flags;
    item->size = (uint32_t)size;
    item->key_size = (uint8_t)key_size;
    memcpy(item->data, key, key_size);
    return item;
}

struct item *item_grow(struct item *item, size_t room)
{
    return realloc(item, item_bytes(item->key_size, room));
}

/* An item that will replace OLD, with a value of another size. */
struct item *item_like(const struct item *old, uint32_t size)
{
    struct item *item = item_new(old->data, old->key_size, old->flags,
        old->expires, size, (size_t)size + 2);

    if (item)
        memcpy(item_value(item) + size, "\r\n", 3);
    return item;
}
