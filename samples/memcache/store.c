/* store.c -- the items of memcache: a hash table, a list by use, a clock. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "store.h"

enum {
    ITEM_COST = 57,      /* what an item counts beside its key and value */
    FLAGS_COST = 4,      /* and if it has flags */
    BYTES_A_BUCKET = 64, /* so there is a bucket for the smallest items, too */
};
static const int32_t MONTH = 60 * 60 * 24 * 30;

static bool is_end(char c)
{
    return c == '\0' || isspace((unsigned char)c);
}

bool parse_number(const char *text, uint64_t *number)
{
    char *end;

    errno = 0;
    *number = strtoull(text, &end, 10);
    if (errno == ERANGE || end == text || !is_end(*end))
        return false;
    /* strtoull takes -1 for the largest number of all. */
    return *number <= INT64_MAX || !strchr(text, '-');
}

bool parse_int(const char *text, int32_t *number)
{
    char *end;

    errno = 0;
    *number = (int32_t)strtoll(text, &end, 10);
    return errno != ERANGE && end != text && is_end(*end);
}

static int64_t monotonic_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

void store_tick(struct store *store)
{
    store->now = (uint32_t)(monotonic_seconds() - store->epoch);
}

uint32_t store_expiry(const struct store *store, int32_t exptime)
{
    if (exptime == 0)
        return 0;
    if (exptime < 0)
        return LONG_AGO;
    if (exptime <= MONTH)
        return store->now + (uint32_t)exptime;
    int64_t second = store->now + (exptime - (int64_t)time(NULL));
    return second < LONG_AGO ? LONG_AGO : (uint32_t)second;
}

static uint64_t item_cost(size_t key_size, uint32_t flags, uint64_t size)
{
    return ITEM_COST + key_size + (flags ? FLAGS_COST : 0) + size + 2;
}

static uint64_t cost_of(const struct item *item)
{
    return item_cost(item->key_size, item->flags, item->size);
}

bool item_fits(size_t key_size, uint32_t flags, uint64_t size)
{
    return item_cost(key_size, flags, size) <= ITEM_MAX;
}

/* FNV-1a: a byte at a time, and good enough for keys that people choose. */
static uint32_t hash_of(const char *key, size_t key_size)
{
    uint64_t hash = 0xcbf29ce484222325;

    for (size_t i = 0; i < key_size; i++)
        hash = (hash ^ (unsigned char)key[i]) * 0x100000001b3;
    return (uint32_t)(hash ^ hash >> 32);
}

static bool is_flushed(const struct store *store, const struct item *item)
{
    return store->flush_at && store->flush_at <= store->now &&
           (item->stored <= store->flush_at || item->cas < store->flushed);
}

static bool is_dead(const struct store *store, const struct item *item)
{
    return is_flushed(store, item) ||
           (item->expires && item->expires <= store->now);
}

/* The place that points, or would point, to the item of that name. */
static struct item **find_place(
    struct store *store, const char *key, size_t key_size, uint32_t hash)
{
    struct item **place = &store->buckets[hash & store->mask];

    while (
        *place && ((*place)->hash != hash || (*place)->key_size != key_size ||
                      memcmp((*place)->data, key, key_size) != 0))
        place = &(*place)->next;
    return place;
}

void item_free(struct store *store, struct item *item)
{
    store->bytes -= cost_of(item);
    free(item);
}

void store_delete(struct store *store, struct item *item)
{
    struct item **place =
        find_place(store, item->data, item->key_size, item->hash);

    *place = item->next;
    TAILQ_REMOVE(&store->recent, item, recent);
    store->items--;
    item_free(store, item);
}

static void insert(struct store *store, struct item *item)
{
    struct item **bucket = &store->buckets[item->hash & store->mask];

    item->cas = ++store->cas;
    item->stored = store->now;
    item->next = *bucket;
    *bucket = item;
    TAILQ_INSERT_HEAD(&store->recent, item, recent);
    store->items++;
    store->stored++;
}

/* Evict from the cold end until COST more bytes are allowed; KEEP stays. */
static bool make_room(struct store *store, uint64_t cost, struct item *keep)
{
    while (store->bytes + cost > store->limit) {
        struct item *last = TAILQ_LAST(&store->recent, item_list);

        if (last && last == keep)
            last = TAILQ_PREV(last, item_list, recent);
        if (!last)
            return false;
        store->evictions += !is_dead(store, last);
        store_delete(store, last);
    }
    return true;
}

static struct item *item_new_beside(struct store *store, const char *key,
    size_t key_size, uint32_t flags, uint32_t expires, uint64_t size,
    struct item *keep)
{
    struct item *item;

    if (!item_fits(key_size, flags, size) ||
        !make_room(store, item_cost(key_size, flags, size), keep))
        return NULL;
    item = malloc(offsetof(struct item, data) + key_size + size + 3);
    if (!item)
        return NULL;
    item->hash = hash_of(key, key_size);
    item->expires = expires;
    item->flags = flags;
    item->size = (uint32_t)size;
    item->key_size = (uint8_t)key_size;
    memcpy(item->data, key, key_size);
    memcpy(item_value(item) + size, "\r\n", 3);
    store->bytes += cost_of(item);
    return item;
}

struct item *item_new(struct store *store, const char *key, size_t key_size,
    uint32_t flags, uint32_t expires, uint64_t size)
{
    return item_new_beside(store, key, key_size, flags, expires, size, NULL);
}

struct item *store_find(struct store *store, const char *key, size_t key_size)
{
    struct item *item =
        *find_place(store, key, key_size, hash_of(key, key_size));

    if (!item || !is_dead(store, item))
        return item;
    store_delete(store, item);
    return NULL;
}

void store_use(struct store *store, struct item *item)
{
    TAILQ_REMOVE(&store->recent, item, recent);
    TAILQ_INSERT_HEAD(&store->recent, item, recent);
}

/* An item with the values of both, first FIRST's: named, flagged and timed
 * like OLD. NULL if there is no room for it. */
static struct item *join(struct store *store, struct item *old,
    struct item *first, struct item *second)
{
    struct item *item = item_new_beside(store, old->data, old->key_size,
        old->flags, old->expires, (uint64_t)first->size + second->size, old);

    if (!item)
        return NULL;
    memcpy(item_value(item), item_value(first), first->size);
    memcpy(item_value(item) + first->size, item_value(second), second->size);
    return item;
}

static void replace(struct store *store, struct item *old, struct item *item)
{
    store_delete(store, old);
    insert(store, item);
}

static enum outcome put_joined(
    struct store *store, struct item *old, struct item *item, bool append)
{
    struct item *joined =
        append ? join(store, old, old, item) : join(store, old, item, old);

    item_free(store, item);
    if (!joined)
        return NOT_STORED;
    replace(store, old, joined);
    return STORED;
}

enum outcome store_put(
    struct store *store, struct item *item, enum how how, uint64_t cas)
{
    struct item *old = store_find(store, item->data, item->key_size);
    enum outcome refused = how == CAS ? old ? EXISTS : NOT_FOUND : NOT_STORED;

    if (old && (how == APPEND || how == PREPEND))
        return put_joined(store, old, item, how == APPEND);
    if (old &&
        (how == SET || how == REPLACE || (how == CAS && cas == old->cas))) {
        replace(store, old, item);
        return STORED;
    }
    if (!old && (how == SET || how == ADD)) {
        insert(store, item);
        return STORED;
    }
    if (old && how == ADD)
        store_use(store, old);
    item_free(store, item);
    return refused;
}

/* Where the new number is shorter than the old value, blanks fill the rest:
 * the item stays as it is. */
enum outcome store_count(
    struct store *store, struct item *item, bool up, uint64_t delta, char *text)
{
    uint64_t number;
    struct item *wider;

    if (item->size == 0 || cost_of(item) > ITEM_MAX / 2 ||
        !parse_number(item_value(item), &number))
        return NON_NUMERIC;
    number = up ? number + delta : number > delta ? number - delta : 0;
    uint32_t size = (uint32_t)snprintf(text, NUMBER_MAX, "%" PRIu64, number);
    if (size <= item->size) {
        memcpy(item_value(item), text, size);
        memset(item_value(item) + size, ' ', item->size - size);
        item->cas = ++store->cas;
        store_use(store, item);
        return STORED;
    }
    wider = item_new_beside(store, item->data, item->key_size, item->flags,
        item->expires, size, item);
    if (!wider)
        return NO_MEMORY;
    memcpy(item_value(wider), text, size);
    replace(store, item, wider);
    return STORED;
}

/* Nothing is freed here, or a million items would keep everybody waiting: a
 * dead item goes when it is asked for, or when it is the oldest. */
void store_flush(struct store *store, int32_t exptime)
{
    store->flush_at =
        (exptime > 0 ? store_expiry(store, exptime) : store->now) - 1;
    if (store->flush_at <= store->now)
        store->flushed = ++store->cas;
}

struct store *store_new(uint64_t limit)
{
    struct store *store = calloc(1, sizeof(*store));
    uint64_t buckets = 1;

    if (!store)
        return NULL;
    while (buckets < limit / BYTES_A_BUCKET)
        buckets *= 2;
    /* Memory from calloc costs nothing until it is touched. The table is made
     * for as many items as can come, so that it never has to grow. */
    store->buckets = calloc(buckets, sizeof(*store->buckets));
    if (!store->buckets) {
        free(store);
        return NULL;
    }
    store->mask = buckets - 1;
    store->limit = limit;
    store->epoch = monotonic_seconds() - START;
    TAILQ_INIT(&store->recent);
    store_tick(store);
    return store;
}

void store_free(struct store *store)
{
    struct item *item;

    while ((item = TAILQ_FIRST(&store->recent))) {
        TAILQ_REMOVE(&store->recent, item, recent);
        free(item);
    }
    free(store->buckets);
    free(store);
}
