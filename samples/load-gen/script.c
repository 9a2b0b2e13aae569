/* script.c -- all requests and their answers, made before the load. */
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "script.h"

enum { RING = 1 << 20 }; /* bytes of messages in a script, or a little more */

/* The same numbers in each run, so that runs can be compared. */
static unsigned next_random(void)
{
    static uint64_t state = 1;

    state = state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(state >> 40);
}

/* A buffer that grows. (A memory stream of the C library loses a byte when
 * there is no memory, and does not report it in a way that is easy to
 * check.) */
struct text {
    char *bytes;
    size_t length, room;
};

/* Room for LENGTH bytes more, which count as written. */
static char *add_room(struct text *text, size_t length)
{
    if (text->room - text->length < length) {
        text->room = 2 * text->room + length;
        text->bytes = realloc(text->bytes, text->room);
    }
    if (!text->bytes)
        err(1, "cannot make the requests");
    text->length += length;
    return text->bytes + text->length - length;
}

static void add_string(struct text *text, const char *string)
{
    memcpy(add_room(text, strlen(string)), string, strlen(string));
}

/* A message of all kinds of bytes; upper wants its letters back in capitals. */
static void add_message(
    struct text *request, struct text *answer, size_t size, bool upper)
{
    char *there = add_room(request, size), *back = add_room(answer, size);

    for (size_t i = 0; i < size; i++) {
        int c = (int)(next_random() & 0xff);

        there[i] = (char)c;
        back[i] = (char)(upper && c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    }
}

/* Set or get KEY. Each key has one value for ever, so that the answer to a get
 * is known whatever the other connections have set. */
static void add_command(struct text *request, struct text *answer, size_t size,
    size_t key, bool get)
{
    struct text *value = get ? answer : request;
    char line[64];

    snprintf(line, sizeof(line),
        get ? "VALUE key-%zu 0 %zu\r\n" : "set key-%zu 0 0 %zu\r\n", key, size);
    add_string(value, line);
    char *bytes = add_room(value, size);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)('a' + (key + i) % 26);
    add_string(value, get ? "\r\nEND\r\n" : "\r\n");
    snprintf(line, sizeof(line), "get key-%zu\r\n", key);
    if (get)
        add_string(request, line);
    else
        add_string(answer, "STORED\r\n");
}

void make_script(struct script *script, const struct options *options)
{
    bool memcache = options->mode[0] == 'm';
    size_t ring = RING / options->size, least = memcache ? 10 : 2;
    struct text request = {NULL, 0, 0}, answer = {NULL, 0, 0};

    ring = ring > 1000 ? 1000 : ring < least ? least : ring;
    script->set_up = memcache ? ring : 1;
    script->count = script->set_up + ring;
    script->request_at = calloc(script->count + 1, sizeof(size_t));
    script->answer_at = calloc(script->count + 1, sizeof(size_t));
    if (!script->request_at || !script->answer_at)
        err(1, "cannot make the requests");
    for (size_t i = 0; i < script->count; i++) {
        size_t at = i - script->set_up; /* in the ring, gets spread evenly */
        if (!memcache)
            add_message(
                &request, &answer, options->size, options->mode[0] == 'u');
        else if (i < script->set_up)
            add_command(&request, &answer, options->size, i, false);
        else
            add_command(&request, &answer, options->size, next_random() % ring,
                (at + 1) * options->gets / 100 > at * options->gets / 100);
        script->request_at[i + 1] = request.length;
        script->answer_at[i + 1] = answer.length;
    }
    script->requests = request.bytes;
    script->answers = answer.bytes;
}

void free_script(struct script *script)
{
    free(script->requests);
    free(script->answers);
    free(script->request_at);
    free(script->answer_at);
}

size_t request_size(const struct script *script, size_t i)
{
    return script->request_at[i + 1] - script->request_at[i];
}

size_t answer_size(const struct script *script, size_t i)
{
    return script->answer_at[i + 1] - script->answer_at[i];
}
