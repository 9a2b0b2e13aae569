/* commands.h -- what the parts of the protocol know of each other. */
#ifndef COMMANDS_H
#define COMMANDS_H

#include <string.h>

#include "protocol.h"

enum {
    WORDS = 23,         /* of a line, as many as memcached looks at */
    COMMAND_WORK = 100, /* units to look for a key and to answer */
};

/* A line cut up, each word ended by a NUL. Words beyond WORDS are left out. */
struct words {
    int count;
    char *at[WORDS];
};

struct command {
    const char *name;
    int least, most; /* words, the name included */
    void (*run)(struct client *client, const struct words *words, int option);
    int option;
};

/* The command of that name, but for those that read; or NULL. */
const struct command *find_command(const char *name);

/* Whether a line, which WORD begins, is a command that reads. */
bool is_get(const char *word);

/* get and gets KEY..., gat and gats EXPTIME KEY...: NAME is the first word of
 * the LEFT bytes of a line. Returns how many of these are before the keys. */
size_t run_get(struct client *client, char *name, size_t left);

/* Answer for each key, then END, in several turns if needed. */
size_t take_keys(struct client *client, const char *keys);

/* Note that so much work was done. */
static inline void spend(struct client *client, size_t work)
{
    client->cache->store->work += work;
}

/* There is room for it: a turn stops at HIGH, and no answer or value is
 * larger than what lies beyond. */
static inline void answer(struct client *client, const char *bytes, size_t size)
{
    struct cache *cache = client->cache;

    memcpy(cache->answers + cache->answered, bytes, size);
    cache->answered += size;
}

/* Add to the answers. */
void answer_number(struct client *client, uint64_t number);
void answer_value(struct client *client, struct item *item, bool with_cas);

/* Answer with a line, unless the client said "noreply". */
void reply(struct client *client, const char *line);

#endif
