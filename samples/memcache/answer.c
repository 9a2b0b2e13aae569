/* answer.c -- the answers of memcache, collected until a turn is over. */
#include <string.h>

#include "commands.h"

void turn_begin(struct cache *cache)
{
    cache->answered = 0;
    cache->store->work = 0;
}

bool turn_is_over(const struct cache *cache)
{
    return cache->answered >= HIGH || cache->store->work >= WORK;
}

void answer_number(struct client *client, uint64_t number)
{
    char digits[NUMBER_MAX], *first = digits + sizeof(digits);

    do
        *--first = (char)('0' + number % 10);
    while (number /= 10);
    answer(client, first, (size_t)(digits + sizeof(digits) - first));
}

/* Answer with a line, unless the client said "noreply". */
void reply(struct client *client, const char *line)
{
    if (client->noreply)
        return;
    answer(client, line, strlen(line));
    answer(client, "\r\n", 2);
}

void answer_value(struct client *client, struct item *item, bool with_cas)
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
