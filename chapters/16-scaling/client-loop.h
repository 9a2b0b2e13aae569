/* client-loop.h -- a loop that serves clients, in a thread of its own.
 *
 * It answers in capitals. Only a line "work N" is answered by the number of
 * primes below N, which takes long: a thread of the pool counts them.
 */
#ifndef CLIENT_LOOP_H
#define CLIENT_LOOP_H

#include <stdbool.h>
#include <sys/queue.h>

#include <event2/event.h>

#include "job-pool.h"
#include "mailbox.h"

/* From client_loop_open to client_loop_close other threads may use the mailbox,
 * and nothing else. */
struct client_loop {
    struct event_base *base;
    struct mailbox mailbox;             /* its owner is the loop */
    struct job_pool *pool;              /* for lines of work */
    void (*descriptor_free)(void *arg); /* called after each close, or NULL */
    void *arg;
    struct message orders[2]; /* to stop, and to stop at once */
    bool stopping;            /* the first time of client_loop_stop is over */
    unsigned long clients;    /* served so far */
    LIST_HEAD(conns, conn) conns;
};

/* False, with errno set, if there is no memory or no descriptor. */
bool client_loop_open(struct client_loop *loop);

/* Serve clients, until client_loop_stop ends it. Errors end the program. */
void client_loop_run(struct client_loop *loop);

/* Serve FD, and close it at the end. In the loop's own thread. */
void client_loop_serve(struct client_loop *loop, evutil_socket_t fd);

/* Let the loop end when its clients have their answers and are silent, after
 * two seconds at the latest; or, later, at once. In any thread, each once. */
void client_loop_stop(struct client_loop *loop, bool at_once);

/* When no other thread uses the loop, nor its mailbox. */
void client_loop_close(struct client_loop *loop);

#endif
