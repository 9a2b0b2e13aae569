/* protocol.c -- the commands of memcache, and what is answered to them. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "protocol.h"

/* The memcached that this is held against, byte for byte. */
#define VERSION "1.6.18"

enum {
    LINE_SIZE = 2048,   /* of a line whose end has not come yet */
    WORDS = 23,         /* of a line, as many as memcached looks at */
    FIRST_ROOM = 2048,  /* for a value, of which nothing may ever come */
    COMMAND_WORK = 100, /* what it takes to look for a key and to answer */
    SCANS = 16, /* bytes that are looked at, or copied, in a unit of work */
};

/* A line cut up, each word ended by a NUL. Words beyond WORDS are left out. */
struct words {
    int count;
    char *at[WORDS];
};

void turn_begin(struct cache *cache)
{
    cache->answered = 0;
    cache->store->work = 0;
}

bool turn_is_over(const struct cache *cache)
{
    return cache->answered >= HIGH || cache->store->work >= WORK;
}

static void spend(struct client *client, size_t work)
{
    client->cache->store->work += work;
}

/* There is room for it: a turn stops at HIGH, and no answer or value is
 * larger than what lies beyond. */
static void answer(struct client *client, const char *bytes, size_t size)
{
    struct cache *cache = client->cache;

    memcpy(cache->answers + cache->answered, bytes, size);
    cache->answered += size;
}

static void answer_number(struct client *client, uint64_t number)
{
    char digits[NUMBER_MAX], *first = digits + sizeof(digits);

    do
        *--first = (char)('0' + number % 10);
    while (number /= 10);
    answer(client, first, (size_t)(digits + sizeof(digits) - first));
}

/* Answer with a line, unless the client did not want to hear. */
static void reply(struct client *client, const char *line)
{
    if (client->noreply)
        return;
    answer(client, line, strlen(line));
    answer(client, "\r\n", 2);
}

static void answer_value(
    struct client *client, struct item *item, bool with_cas)
{
    answer(client, "VALUE ", 6);
    answer(client, item->data, item->key_size);
    answer(client, " ", 1);
    answer_number(client, item->flags);
    answer(client, " ", 1);
    answer_number(client, item->size);
    if (with_cas) {
        answer(client, " ", 1);
        answer_number(client, item->cas);
    }
    answer(client, "\r\n", 2);
    answer(client, item_value(item), item->size + 2);
}

static void get_one(struct client *client, const char *key, size_t size)
{
    const struct get *get = &client->get;
    struct counts *counts = &client->cache->counts;
    struct item *item = store_find(client->cache->store, key, size);

    if (!get->touch) {
        counts->cmd_get++;
        counts->get_hits += item != NULL;
        counts->get_misses += item == NULL;
    }
    if (!item)
        return;
    if (get->touch)
        item->expires = get->expires;
    store_use(client->cache->store, item);
    answer_value(client, item, get->with_cas);
}

/* The size of the word that TEXT starts with; KEY_MAX + 1 if it is longer. */
static size_t word_size(const char *text)
{
    size_t size = 0;

    while (size <= KEY_MAX && text[size] && text[size] != ' ')
        size++;
    return size;
}

/* Go on with the check of the keys. Returns what is wrong with them, or NULL.
 */
static const char *check_keys(struct client *client, const char *keys)
{
    struct get *get = &client->get;

    while (keys[get->checked] && !turn_is_over(client->cache)) {
        size_t size = word_size(keys + get->checked);

        if (size > KEY_MAX)
            return "CLIENT_ERROR bad command line format";
        get->any |= size > 0;
        get->checked += size > 0 ? size : 1;
        spend(client, size + 1);
    }
    return keys[get->checked] || get->any ? NULL : "ERROR";
}

/* Answer for each key, then END, in as many turns as it takes. */
static size_t take_keys(struct client *client, const char *keys)
{
    struct get *get = &client->get;
    const char *error = check_keys(client, keys);
    size_t taken = 0;

    while (!error && keys[taken] && !turn_is_over(client->cache)) {
        size_t size = word_size(keys + taken);

        if (size > 0)
            get_one(client, keys + taken, size);
        taken += size > 0 ? size : 1;
        spend(client, size > 0 ? COMMAND_WORK : 1);
    }
    if (error || !keys[taken]) {
        reply(client, error ? error : "END");
        taken = get->left;
    }
    get->left -= taken;
    get->checked -= taken;
    return taken;
}

/* get and gets KEY..., gat and gats EXPTIME KEY...: NAME is the first word of
 * the LEFT bytes of a line. Returns how many of these are before the keys. */
static size_t run_get(struct client *client, char *name, size_t left)
{
    bool touch = name[1] == 'a';
    char *keys = name + word_size(name);
    int32_t exptime = 0;

    if (touch) {
        char *word = keys + strspn(keys, " ");

        keys = word + strcspn(word, " ");
        if (*keys) /* end the word, or a number would be looked for behind it */
            *keys++ = '\0';
        if (!parse_int(word, &exptime)) {
            reply(client,
                *word ? "CLIENT_ERROR invalid exptime argument" : "ERROR");
            return left;
        }
    }
    client->get = (struct get){
        .left = left - (size_t)(keys - name),
        .any = touch, /* it may do without */
        .with_cas = name[strlen("get")] == 's',
        .touch = touch,
        .expires = store_expiry(client->cache->store, exptime),
    };
    return (size_t)(keys - name);
}

/* The commands below have their words, so many as the table allows. */

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
    /* Better no value than the one that the client wanted to be rid of. */
    struct item *old = how == SET ? find_key(client, words) : NULL;
    if (old)
        store_delete(store, old);
}

/* All of the value has come, and CR LF behind it, one hopes. False if room for
 * it takes another turn: only a value that has come may cost others. */
static bool value_done(struct client *client)
{
    static const char *const TEXTS[] = {
        [STORED] = "STORED",
        [NOT_STORED] = "NOT_STORED",
        [EXISTS] = "EXISTS",
        [NOT_FOUND] = "NOT_FOUND",
    };
    struct store *store = client->cache->store;
    struct item *item = client->item;
    bool whole = memcmp(item_value(item) + item->size, "\r\n", 2) == 0;

    if (whole && !store_make_room(store, item, client->how, client->cas))
        return false;
    client->item = NULL;
    client->cache->counts.cmd_set++;
    if (whole) {
        item_value(item)[item->size + 2] = '\0';
        reply(client, TEXTS[store_put(store, item, client->how, client->cas)]);
    } else {
        item_free(item);
        reply(client, "CLIENT_ERROR bad data chunk");
    }
    return true;
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

/* verbosity LEVEL: taken, and without effect. */
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

static const struct command {
    const char *name;
    int least, most; /* words, the name included */
    void (*run)(struct client *client, const struct words *words, int option);
    int option;
} COMMANDS[] = {
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

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < sizeof(COMMANDS) / sizeof(*COMMANDS); i++)
        if (strcmp(COMMANDS[i].name, name) == 0)
            return &COMMANDS[i];
    return NULL;
}

static void split(char *line, struct words *words)
{
    char *word;

    words->count = 0;
    while (words->count < WORDS && (word = strsep(&line, " ")))
        if (*word)
            words->at[words->count++] = word;
}

/* A browser that was talked into this is not to be listened to. A word that
 * begins like a command, or is too short for one, is no method for memcached.
 */
static bool is_http(const struct words *words)
{
    const char *method = words->count ? words->at[0] : "";
    size_t shortest = method[0] == 'm' ? 3 : 2;

    return strlen(method) >= shortest && !strchr("acdgist", method[0]) &&
           strncmp(words->at[words->count - 1], "HTTP/", strlen("HTTP/")) == 0;
}

static bool is_get(const char *word)
{
    size_t size = word_size(word);

    return (size == 3 || (size == 4 && word[3] == 's')) &&
           (strncmp(word, "get", 3) == 0 || strncmp(word, "gat", 3) == 0);
}

/* Do what a line of SIZE bytes says. Returns how many of them that takes: not
 * the keys of a get. */
static size_t run_line(struct client *client, char *line, size_t size)
{
    struct words words;
    const struct command *command;
    size_t blanks = strspn(line, " ");

    client->noreply = false;
    if (is_get(line + blanks))
        return blanks + run_get(client, line + blanks, size - blanks);
    split(line, &words);
    command = words.count ? find_command(words.at[0]) : NULL;
    if (!command && is_http(&words)) {
        client->closing = true;
    } else if (!command || words.count < command->least ||
               words.count > command->most) {
        reply(client, "ERROR");
    } else {
        client->noreply = command->most < WORDS &&
                          strcmp(words.at[words.count - 1], "noreply") == 0;
        command->run(client, &words, command->option);
    }
    return size;
}

/* Whether a line without an end is longer than any command. A get may have
 * many keys. */
static bool is_endless(const char *line, size_t size)
{
    size_t blanks = 0;

    if (size <= LINE_SIZE)
        return false;
    while (blanks < 100 && line[blanks] == ' ')
        blanks++;
    return size > GET_SIZE || (strncmp(line + blanks, "get ", 4) != 0 &&
                                  strncmp(line + blanks, "gets ", 5) != 0);
}

/* The following three take a piece off the input and return its size, 0 if they
 * can do no more in this turn, or with this input. */

/* A line. Where its end has not come, the next search begins behind what was
 * searched. */
static size_t take_line(struct client *client, char *input, size_t size)
{
    char *newline =
        memchr(input + client->scanned, '\n', size - client->scanned);
    size_t line = newline ? (size_t)(newline + 1 - input) : size;

    spend(client, (line - client->scanned) / SCANS);
    client->scanned = newline ? 0 : size;
    if (!newline) {
        client->closing = is_endless(input, size);
        return 0;
    }
    spend(client, COMMAND_WORK);
    newline[newline - input > 1 && newline[-1] == '\r' ? -1 : 0] = '\0';
    return run_line(client, input, line);
}

/* Memory for SIZE bytes more of the value: twice as much as before, so that it
 * is seldom moved, but no more than the whole value takes. */
static bool grow(struct client *client, size_t size)
{
    size_t whole = (size_t)client->item->size + 2, room = 2 * client->room;
    struct item *wider;

    if (client->filled + size <= client->room)
        return true;
    if (room < client->filled + size)
        room = client->filled + size;
    if (room > whole)
        room = whole;
    wider = item_grow(client->item, room);
    if (!wider)
        return false;
    client->item = wider;
    client->room = room;
    return true;
}

static size_t take_refused(struct client *client, size_t size)
{
    if (size > client->swallow)
        size = client->swallow;
    client->swallow -= size;
    if (client->swallow == 0 && client->verdict) {
        reply(client, client->verdict);
        client->verdict = NULL;
    }
    return size;
}

/* Bytes of the value. The last one is taken again if there is no room yet for
 * the item: so the client's turn comes again. */
static size_t take_value(struct client *client, const char *input, size_t size)
{
    size_t missing = (size_t)client->item->size + 2 - client->filled;

    if (size > missing)
        size = missing;
    if (!grow(client, size)) {
        client_give_up(client);
        return take_refused(client, size);
    }
    memcpy(item_value(client->item) + client->filled, input, size);
    spend(client, size / SCANS);
    if (size == missing && !value_done(client))
        size--;
    client->filled += size;
    return size;
}

static size_t take_piece(struct client *client, char *input, size_t size)
{
    if (client->item)
        return take_value(client, input, size);
    if (client->swallow)
        return take_refused(client, size);
    if (client->get.left)
        return take_keys(client, input);
    return take_line(client, input, size);
}

size_t client_take(struct client *client, char *input, size_t size)
{
    size_t taken = 0, piece = 1;

    while (taken < size && piece > 0 && !client->closing &&
           !turn_is_over(client->cache)) {
        piece = take_piece(client, input + taken, size - taken);
        taken += piece;
    }
    return taken;
}

size_t client_holds(const struct client *client)
{
    return client->item ? client->room : 0;
}

void client_give_up(struct client *client)
{
    client->swallow = (size_t)client->item->size + 2 - client->filled;
    client->verdict = "SERVER_ERROR out of memory during read";
    client_end(client);
}

void client_end(struct client *client)
{
    if (client->item)
        item_free(client->item);
    client->item = NULL;
}
