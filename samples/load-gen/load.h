/* load.h -- a load from its set-up to its last answer. */
#ifndef LOAD_H
#define LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <event2/event.h>
#include <event2/util.h>

#include "conn.h"

enum phase { SET_UP, WARM_UP, MEASURE, DRAIN };

struct load {
    struct options options;
    struct script script;
    struct pool pool; /* the connections, but for: */
    struct conn *conns;
    size_t ready, lost; /* of them */
    struct event *phase_event, *due_event;
    struct evutil_addrinfo *addresses;
    bool connected; /* to one of them */
    bool failed;    /* the reason has been printed */
    enum phase phase;
    uint64_t start, given; /* with a rate: when the first was due; how many */
    bool armed;            /* due_event is pending */
    struct counts before;  /* when the measuring began */
    uint64_t ticked;       /* answers at the last tick */
    int ticks;             /* without an answer, in the set-up */
    struct result result;
};

/* Make and free the parts of a load that are not in its pool of connections. */
void load_init(struct load *load);
void load_end(struct load *load);

/* Open connections: only one until it is connected, then several at once, which
 * wait for their first answer. */
void open_more(struct load *load);

/* The first connection has failed. Returns false if there is no other address.
 */
bool try_next_address(struct load *load);

/* Go on to the next phase: the clock or a signal says when. */
void next_phase(struct load *load);

/* When request NUMBER is due, with a rate. */
uint64_t due_time(const struct load *load, uint64_t number);

/* The run has failed: print WHY, once, and break the loop. */
void fail(struct load *load, const char *why);
void fail_to_connect(struct load *load, const char *why);

#endif
