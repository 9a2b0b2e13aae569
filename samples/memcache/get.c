/* get.c -- the commands that read: their keys, a few in each turn. */
#include <string.h>

#include "commands.h"

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

/* Answer for each key, then END, in several turns if needed. */
size_t take_keys(struct client *client, const char *keys)
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
size_t run_get(struct client *client, char *name, size_t left)
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

bool is_get(const char *word)
{
    size_t size = word_size(word);

    return (size == 3 || (size == 4 && word[3] == 's')) &&
           (strncmp(word, "get", 3) == 0 || strncmp(word, "gat", 3) == 0);
}
