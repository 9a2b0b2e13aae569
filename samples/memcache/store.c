/* store.c -- the items of memcache: a hash table, a list by use, a clock. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "store.h"

enum {
    BYTES_A_BUCKET = 64, /* so there is a bucket for the smallest items, too */
    EVICTION_WORK = 100, /* what it takes to evict one, and */
    COPIES = 16,         /* how many bytes are copied for a unit of work */
};
static const int32_t MONTH = 60 * 60 * 24 * 30;

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

void store_delete(struct store *store, struct item *item)
{
    struct item **place =
        find_place(store, item->data, item->key_size, item->hash);

    *place = item->next;
    TAILQ_REMOVE(&store->recent, item, recent);
    store->items--;
    store->bytes -= cost_of(item);
    item_free(item);
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
    store->bytes += cost_of(item);
    store->stored++;
}

/* Evict what was not used for longest; KEEP stays. */
static void evict(struct store *store, const struct item *keep)
{
    struct item *last = TAILQ_LAST(&store->recent, item_list);

    if (last == keep)
        last = TAILQ_PREV(last, item_list, recent);
    store->evictions += !is_dead(store, last);
    store_delete(store, last);
    store->work += EVICTION_WORK;
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

static bool joins(enum how how)
{
    return how == APPEND || how == PREPEND;
}

static uint64_t cost_of_joined(const struct item *old, const struct item *item)
{
    return item_cost(
        old->key_size, old->flags, (uint64_t)old->size + item->size);
}

/* An item with the values of OLD and of ITEM: named, flagged and timed like
 * OLD. NULL if it would be too large, or if there is no memory. */
static struct item *join(
    struct store *store, struct item *old, struct item *item, enum how how)
{
    struct item *first = how == APPEND ? old : item;
    struct item *second = how == APPEND ? item : old;
    struct item *joined;

    if (cost_of_joined(old, item) > ITEM_MAX ||
        !(joined = item_like(old, old->size + item->size)))
        return NULL;
    memcpy(item_value(joined), item_value(first), first->size);
    memcpy(item_value(joined) + first->size, item_value(second), second->size);
    store->work += joined->size / COPIES;
    return joined;
}

/* The answer for an item that replaces OLD, or that is new if OLD is NULL. */
static enum outcome judge(const struct item *old, enum how how, uint64_t cas)
{
    switch (how) {
    case SET:
        return STORED;
    case ADD:
        return old ? NOT_STORED : STORED;
    case CAS:
        return !old ? NOT_FOUND : old->cas == cas ? STORED : EXISTS;
    default:
        return old ? STORED : NOT_STORED;
    }
}

bool store_make_room(
    struct store *store, struct item *item, enum how how, uint64_t cas)
{
    struct item *old = store_find(store, item->data, item->key_size);
    uint64_t given = old ? cost_of(old) : 0;
    uint64_t cost =
        old && joins(how) ? cost_of_joined(old, item) : cost_of(item);

    if (judge(old, how, cas) != STORED || cost > ITEM_MAX)
        return true;
    while (store->bytes - given + cost > store->limit) {
        if (store->work >= WORK)
            return false;
        evict(store, old);
    }
    return true;
}

enum outcome store_put(
    struct store *store, struct item *item, enum how how, uint64_t cas)
{
    struct item *old = store_find(store, item->data, item->key_size), *joined;
    enum outcome outcome = judge(old, how, cas);

    if (outcome == STORED && joins(how)) {
        joined = join(store, old, item, how);
        item_free(item);
        if (!joined)
            return NOT_STORED;
        item = joined;
    }
    if (outcome == STORED) {
        if (old)
            store_delete(store, old);
        insert(store, item);
        return STORED;
    }
    if (old && how == ADD)
        store_use(store, old);
    item_free(item);
    return outcome;
}

/* If the new number is shorter than the old value, blanks fill the rest: the
 * item keeps its size. */
static void write_number(
    struct store *store, struct item *item, const char *text, uint32_t size)
{
    memcpy(item_value(item), text, size);
    memset(item_value(item) + size, ' ', item->size - size);
    item->cas = ++store->cas;
    store_use(store, item);
}

enum outcome store_count(
    struct store *store, struct item *item, bool up, uint64_t delta, char *text)
{
    uint64_t number;
    struct item *wider;

    store->work += item->size; /* blanks, all of which may have to be read */
    if (item->size == 0 || cost_of(item) > ITEM_MAX / 2 ||
        !parse_number(item_value(item), &number))
        return NON_NUMERIC;
    number = up ? number + delta : number > delta ? number - delta : 0;
    uint32_t size = (uint32_t)snprintf(text, NUMBER_MAX, "%" PRIu64, number);
    if (size <= item->size) {
        write_number(store, item, text, size);
        return STORED;
    }
    wider = item_like(item, size);
    if (!wider)
        return NO_MEMORY;
    memcpy(item_value(wider), text, size);
    while (store->bytes - cost_of(item) + cost_of(wider) > store->limit)
        evict(store, item);
    store_delete(store, item);
    insert(store, wider);
    return STORED;
}

/* Nothing is freed here, or a million items would keep all clients waiting: a
 * dead item is freed when it is looked up, or when it is the oldest. */
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
