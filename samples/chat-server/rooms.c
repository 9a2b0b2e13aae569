/* rooms.c -- rooms, names, history, and what a line means; knows no socket. */
#include <err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "house.h"

enum { CROWD = 100 }; /* a larger room is not told who comes and leaves */

/* Show a line to one person; its newline is added here. */
void show(struct person *person, const char *format, ...)
{
    char text[TEXT];
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    text[length++] = '\n';
    person->show(person->arg, text, (size_t)length);
}

/* Show a line, newline and all, to all who are in a room but one. */
void show_room(struct room *room, const struct person *except, const char *text)
{
    struct person *other;
    size_t length = strlen(text);

    LIST_FOREACH (other, &room->people, neighbour) {
        if (other != except)
            other->show(other->arg, text, length);
    }
}

/* Tell the others that PERSON comes or leaves. Not in a large room: 1,000
 * people who come would cost 500,000 lines. */
void announce(struct person *person, const char *how)
{
    char text[TEXT];

    if (person->room->count > CROWD)
        return;
    snprintf(text, sizeof(text), "* %s %s\n", person->name.text, how);
    show_room(person->room, person, text);
}

struct room *room_find(struct rooms *rooms, const struct name *name)
{
    struct room *room;

    LIST_FOREACH (room, &rooms->rooms, next) {
        if (strcmp(room->name.key, name->key) == 0)
            return room;
    }
    return NULL;
}

struct room *room_new(struct rooms *rooms, const struct name *name)
{
    struct room *room = calloc(1, sizeof(*room));

    if (!room)
        return NULL;
    room->name = *name;
    LIST_INIT(&room->people);
    LIST_INSERT_HEAD(&rooms->rooms, room, next);
    return room;
}

static void room_free(struct room *room)
{
    for (size_t i = 0; i < HISTORY; i++)
        free(room->history[i]);
    LIST_REMOVE(room, next);
    free(room);
}

/* Without memory the line was shown, but is missing in the history. */
void room_remember(struct room *room, const char *text)
{
    char *copy = strdup(text);

    if (!copy)
        return;
    char **place = &room->history[room->said++ % HISTORY];
    free(*place);
    *place = copy;
}

static void show_history(struct person *person, const struct room *room)
{
    size_t first = room->said > HISTORY ? room->said - HISTORY : 0;

    if (room->said > 0)
        show(person, "* said here before:");
    for (size_t i = first; i < room->said; i++) {
        const char *text = room->history[i % HISTORY];

        person->show(person->arg, text, strlen(text));
    }
}

void leave(struct person *person, const char *how)
{
    struct room *room = person->room;

    if (!room)
        return;
    if (how)
        announce(person, how);
    LIST_REMOVE(person, neighbour);
    person->room = NULL;
    if (--room->count == 0 && room != person->rooms->lobby)
        room_free(room);
}

void enter(struct person *person, struct room *room)
{
    person->room = room;
    room->count++;
    LIST_INSERT_HEAD(&room->people, person, neighbour);
    show(person, "* you are in %s (%zu here)", room->name.text, room->count);
    show_history(person, room);
    announce(person, "is here");
}

struct person *person_new(
    struct rooms *rooms, show_function *show_it, void *arg)
{
    struct person *person = calloc(1, sizeof(*person));

    if (!person)
        return NULL;
    person->rooms = rooms;
    person->show = show_it;
    person->arg = arg;
    LIST_INSERT_HEAD(&rooms->people, person, next);
    show(person, "* welcome; what is your name?");
    return person;
}

void person_free(struct person *person, const char *how)
{
    leave(person, how);
    LIST_REMOVE(person, next);
    free(person);
}

struct rooms *rooms_new(void)
{
    struct rooms *rooms = calloc(1, sizeof(*rooms));
    struct name name;

    if (!rooms || name_make(&name, "lobby") <= 0)
        err(1, "cannot make the rooms");
    LIST_INIT(&rooms->rooms);
    LIST_INIT(&rooms->people);
    rooms->lobby = room_new(rooms, &name);
    if (!rooms->lobby)
        err(1, "cannot make the lobby");
    return rooms;
}

void rooms_free(struct rooms *rooms)
{
    room_free(rooms->lobby);
    free(rooms);
}

void rooms_tell(struct rooms *rooms, const char *text)
{
    struct person *person;

    LIST_FOREACH (person, &rooms->people, next)
        show(person, "* %s", text);
}
