/* listen.h -- listens on every address of a name, and rests when it must. */
#ifndef LISTEN_H
#define LISTEN_H

#include <event2/event.h>
#include <event2/util.h>

struct listeners;

/* Takes FD, the socket of a new connection, and has to close it. */
typedef void accept_function(evutil_socket_t fd, void *arg);

/* Listen on each address of LIST, and hand each connection to ACCEPT with ARG.
 * A failure ends the program. */
struct listeners *listeners_new(struct event_base *base,
    const struct evutil_addrinfo *list, accept_function *accept, void *arg);

/* Say where, a line for each. */
void listeners_print(const struct listeners *listeners);

/* A descriptor is free again: accept, if it was the lack of one that has
 * stopped it. */
void listeners_resume(struct listeners *listeners);

void listeners_free(struct listeners *listeners);

#endif
