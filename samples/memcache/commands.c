/* commands.c -- the commands of memcache, but for those that read. */
#include <limits.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "commands.h"

/* The memcached that memcache's answers are compared with, byte for byte. */
#define VERSION "1.6.18"

enum { FIRST_ROOM = 2048 }; /* bytes of a value that may never come */

/* The table has checked the number of words of these functions. */

static bool has_long_key(struct client *client, const struct words *words)
{
    if (strlen(words->at[1]) <= KEY_MAX)
        return false;
    reply(client, "CLIENT_ERROR bad command line format");
    return true;
}

static struct item *find_key(struct client *client, const struct words *words)
{
    return store_find(client->cache->store, words->at[1], strlen(words->at[1]));
}

/* set, add, replace, append, prepend KEY FLAGS EXPTIME SIZE, cas ... CAS: the
 * value comes next. */
static void run_store(struct client *client, const struct words *words, int how)
{
    struct store *store = client->cache->store;
    size_t key_size = strlen(words->at[1]);
    uint64_t flags;
    int32_t exptime, size;

    client->how = how;
    if (key_size > KEY_MAX || !parse_number(words->at[2], &flags) ||
        !parse_int(words->at[3], &exptime) || !parse_int(words->at[4], &size) ||
        (how == CAS && !parse_number(words->at[5], &client->cas)) || size < 0 ||
        size > INT_MAX - 2) {
        reply(client, "CLIENT_ERROR bad command line format");
        return;
    }
    client->filled = 0;
    client->room = size + 2 < FIRST_ROOM ? (size_t)size + 2 : FIRST_ROOM;
    bool fits = item_fits(key_size, (uint32_t)flags, (uint64_t)size);
    if (fits)
        client->item = item_new(words->at[1], key_size, (uint32_t)flags,
            store_expiry(store, exptime), (uint64_t)size, client->room);
    if (client->item)
        return;
    reply(client, fits ? "SERVER_ERROR out of memory storing object"
                       : "SERVER_ERROR object too large for cache");
    client->swallow = (size_t)size + 2;
    /* Rather no value than the old one, which the client wanted to replace. */
    struct item *old = how == SET ? find_key(client, words) : NULL;
    if (old)
        store_delete(store, old);
}

/* incr, decr KEY DELTA */
static void run_count(struct client *client, const struct words *words, int up)
{
    struct item *item = find_key(client, words);
    char text[NUMBER_MAX];
    uint64_t delta;

    if (has_long_key(client, words))
        return;
    if (!parse_number(words->at[2], &delta)) {
        reply(client, "CLIENT_ERROR invalid numeric delta argument");
        return;
    }
    if (!item) {
        reply(client, "NOT_FOUND");
        return;
    }
    switch (store_count(client->cache->store, item, up, delta, text)) {
    case STORED:
        reply(client, text);
        break;
    case NO_MEMORY:
        reply(client, "SERVER_ERROR out of memory");
        break;
    default:
        reply(client, "CLIENT_ERROR cannot increment or decrement non-numeric "
                      "value");
    }
}

/* touch KEY EXPTIME */
static void run_touch(
    struct client *client, const struct words *words, int unused)
{
    int32_t exptime;
    struct item *item;

    if (has_long_key(client, words))
        return;
    if (!parse_int(words->at[2], &exptime)) {
        reply(client, "CLIENT_ERROR invalid exptime argument");
        return;
    }
    item = find_key(client, words);
    reply(client, item ? "TOUCHED" : "NOT_FOUND");
    if (!item)
        return;
    item->expires = store_expiry(client->cache->store, exptime);
    store_use(client->cache->store, item);
}

/* delete KEY [0] [noreply]: once there was a time to wait. */
static void run_delete(
    struct client *client, const struct words *words, int unused)
{
    struct item *item;
    int expected = 2;

    client->noreply = client->noreply && words->count > 2;
    expected += client->noreply;
    expected += words->count > 2 && strcmp(words->at[2], "0") == 0;
    if (words->count != expected) {
        reply(client, "CLIENT_ERROR bad command line format.  "
                      "Usage: delete <key> [noreply]");
        return;
    }
    if (has_long_key(client, words))
        return;
    item = find_key(client, words);
    reply(client, item ? "DELETED" : "NOT_FOUND");
    if (item)
        store_delete(client->cache->store, item);
}

/* flush_all [EXPTIME] */
static void run_flush(
    struct client *client, const struct words *words, int unused)
{
    int32_t exptime = 0;

    if (words->count != 1 + client->noreply &&
        !parse_int(words->at[1], &exptime)) {
        reply(client, "CLIENT_ERROR invalid exptime argument");
        return;
    }
    store_flush(client->cache->store, exptime);
    reply(client, "OK");
}

static void answer_stat(struct client *client, const char *name, uint64_t value)
{
    answer(client, "STAT ", 5);
    answer(client, name, strlen(name));
    answer(client, " ", 1);
    answer_number(client, value);
    answer(client, "\r\n", 2);
}

static void reset_stats(struct client *client)
{
    client->cache->counts = (struct counts){0};
    client->cache->store->stored = client->cache->store->evictions = 0;
    reply(client, "RESET");
}

static void run_stats(
    struct client *client, const struct words *words, int unused)
{
    struct cache *cache = client->cache;
    struct store *store = cache->store;
    struct counts *counts = &cache->counts;

    if (words->count > 1) {
        if (strcmp(words->at[1], "reset") == 0)
            reset_stats(client);
        else
            reply(client, "ERROR");
        return;
    }
    answer_stat(client, "pid", (uint64_t)getpid());
    answer_stat(client, "uptime", store->now - START);
    answer_stat(client, "time", (uint64_t)time(NULL));
    reply(client, "STAT version " VERSION);
    answer_stat(client, "curr_connections", cache->connections);
    answer_stat(client, "total_connections", counts->connections);
    answer_stat(client, "cmd_get", counts->cmd_get);
    answer_stat(client, "cmd_set", counts->cmd_set);
    answer_stat(client, "get_hits", counts->get_hits);
    answer_stat(client, "get_misses", counts->get_misses);
    answer_stat(client, "limit_maxbytes", store->limit);
    answer_stat(client, "bytes", store->bytes);
    answer_stat(client, "curr_items", store->items);
    answer_stat(client, "total_items", store->stored);
    answer_stat(client, "evictions", store->evictions);
    reply(client, "END");
}

/* verbosity LEVEL: accepted, without effect. */
static void run_verbosity(
    struct client *client, const struct words *words, int unused)
{
    uint64_t level;

    reply(client, parse_number(words->at[1], &level)
                      ? "OK"
                      : "CLIENT_ERROR bad command line format");
}

static void run_version(
    struct client *client, const struct words *words, int unused)
{
    reply(client, "VERSION " VERSION);
}

static void run_quit(
    struct client *client, const struct words *words, int unused)
{
    client->closing = true;
}

static const struct command COMMANDS[] = {
    {"set", 5, 6, run_store, SET},
    {"add", 5, 6, run_store, ADD},
    {"replace", 5, 6, run_store, REPLACE},
    {"append", 5, 6, run_store, APPEND},
    {"prepend", 5, 6, run_store, PREPEND},
    {"cas", 6, 7, run_store, CAS},
    {"incr", 3, 4, run_count, true},
    {"decr", 3, 4, run_count, false},
    {"touch", 3, 4, run_touch, 0},
    {"delete", 2, 4, run_delete, 0},
    {"flush_all", 1, 3, run_flush, 0},
    {"stats", 1, WORDS, run_stats, 0},
    {"verbosity", 2, 3, run_verbosity, 0},
    {"version", 1, WORDS, run_version, 0},
    {"quit", 1, WORDS, run_quit, 0},
};

const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < sizeof(COMMANDS) / sizeof(*COMMANDS); i++)
        if (strcmp(COMMANDS[i].name, name) == 0)
            return &COMMANDS[i];
    return NULL;
}
