/* protocol.c -- handles the input of a client: lines, values, keys. */
#include <string.h>

#include "commands.h"

enum {
    LINE_SIZE = 2048, /* of a line whose end has not come yet */
    SCANS = 16, /* bytes that are looked at, or copied, in a unit of work */
};

static void split(char *line, struct words *words)
{
    char *word;

    words->count = 0;
    while (words->count < WORDS && (word = strsep(&line, " ")))
        if (*word)
            words->at[words->count++] = word;
}

/* A web page can make a browser send commands here, so HTTP is refused. As in
 * memcached, a word that is short or begins like a command is not taken for a
 * method. */
static bool is_http(const struct words *words)
{
    const char *method = words->count ? words->at[0] : "";
    size_t shortest = method[0] == 'm' ? 3 : 2;

    return strlen(method) >= shortest && !strchr("acdgist", method[0]) &&
           strncmp(words->at[words->count - 1], "HTTP/", strlen("HTTP/")) == 0;
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

/* Take a line. If its end has not come, the next search begins behind this
 * one. */
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

/* All of the value has come, and two bytes that should be CR LF. False if
 * eviction for it takes another turn: only a complete value may evict
 * others. */
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

/* Take bytes of the value. If there is no room yet for the item, the last byte
 * is left in the input, so that the client gets another turn. */
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
