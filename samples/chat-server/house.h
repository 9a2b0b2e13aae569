/* house.h -- rooms and people: what the parts of the chat know of them. */
#ifndef HOUSE_H
#define HOUSE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "names.h"
#include "rooms.h"

enum {
    HISTORY = 20,               /* lines shown to a person who joins */
    TEXT = LINE + 2 * NAME + 64 /* bytes of the longest line that we make */
};

struct room {
    struct name name;
    char *history[HISTORY]; /* a ring, of the lines said here */
    size_t said;            /* lines so far: the next one's place */
    size_t count;           /* of people */
    LIST_HEAD(neighbours, person) people;
    LIST_ENTRY(room) next;
};

struct person {
    struct name name; /* none until one is given */
    struct rooms *rooms;
    struct room *room; /* NULL until there is a name */
    show_function *show;
    void *arg;
    LIST_ENTRY(person) next;      /* of all */
    LIST_ENTRY(person) neighbour; /* in the room */
};

struct rooms {
    LIST_HEAD(room_list, room) rooms;
    LIST_HEAD(person_list, person) people;
    struct room *lobby; /* each person starts here; the only one kept empty */
};

/* Show a line to one person; its newline is added. */
__attribute__((format(printf, 2, 3))) void show(
    struct person *person, const char *format, ...);

/* Show a line, newline and all, to all who are in a room but one. */
void show_room(
    struct room *room, const struct person *except, const char *text);

/* Tell the others in the room that PERSON comes or goes. */
void announce(struct person *person, const char *how);

/* The room of that name, or NULL; a new one, NULL if there is no memory. */
struct room *room_find(struct rooms *rooms, const struct name *name);
struct room *room_new(struct rooms *rooms, const struct name *name);

/* Keep a line for those who join later. */
void room_remember(struct room *room, const char *text);

/* Leave the room, which is shown HOW, or enter one. */
void leave(struct person *person, const char *how);
void enter(struct person *person, struct room *room);

/* Why a line cannot be shown to others, or NULL. */
const char *bad_text(const char *text, size_t length);

#endif
