/* listen.h -- listens on every address of a name, and pauses when it must. */
#ifndef LISTEN_H
#define LISTEN_H

#include <stdbool.h>
#include <sys/socket.h>

#include <event2/event.h>
#include <event2/util.h>

struct listeners;

/* Takes FD, the socket of a new connection from ADDRESS, and has to close it.
 */
typedef void accept_function(evutil_socket_t fd, const struct sockaddr *address,
    socklen_t length, void *arg);

/* Whether a connection could be served now: asked before a pause ends. */
typedef bool ready_function(void *arg);

/* Listen on each address of HOST, on one and the same port, and hand each
 * connection to ACCEPT with ARG. READY may be NULL. A failure ends the program.
 */
struct listeners *listeners_new(struct event_base *base, const char *host,
    const char *port, accept_function *accept, ready_function *ready,
    void *arg);

/* Print each address, one a line. */
void listeners_print(const struct listeners *listeners);

/* Stop accepting because of ERROR, until listeners_resume, or for a second. */
void listeners_pause(struct listeners *listeners, int error);

/* A descriptor is free again: accept, if that was paused. */
void listeners_resume(struct listeners *listeners);

void listeners_free(struct listeners *listeners);

#endif
