/* rooms.h -- the rooms and people of a chat, and its commands; without sockets.
 *
 * A transport makes a person for each one that comes, hands in the lines that
 * this one sends, and shows the lines that come for it, by a callback.
 */
#ifndef ROOMS_H
#define ROOMS_H

#include <stdbool.h>
#include <stddef.h>

enum { LINE = 1000 }; /* bytes of a line that a person may send */

/* Shows TEXT, LENGTH bytes that end in a newline, to the person behind ARG. It
 * is called while a list of people is walked, so it must not call any function
 * that is declared here. */
typedef void show_function(void *arg, const char *text, size_t length);

struct rooms;
struct person;

/* The whole house, with one room in it. Without memory it ends the program. */
struct rooms *rooms_new(void);

/* Call this after the last person_free(). */
void rooms_free(struct rooms *rooms);

/* Show TEXT to all people who are here, with a name or without. */
void rooms_tell(struct rooms *rooms, const char *text);

/* A person comes, and is asked for a name. NULL if there is no memory. */
struct person *person_new(struct rooms *rooms, show_function *show, void *arg);

/* Show the room HOW the person left, unless HOW is NULL. Nothing is shown to
 * the person any more. */
void person_free(struct person *person, const char *how);

/* The person has sent a line, with no newline. Returns false for a request to
 * leave. */
bool person_line(struct person *person, const char *line, size_t length);

#endif
