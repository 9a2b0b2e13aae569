/* progress.h -- whether a client still moves, and quickly enough.
 *
 * Time is counted in the server's ticks, not read from a clock: after a pause,
 * of the loop or of the machine, no client that has spoken meanwhile is late.
 */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdbool.h>
#include <stddef.h>

#include <event2/util.h>

#include "settings.h"

struct progress {
    unsigned long long answered; /* bytes that were given to send */
    unsigned long long arrived;  /* of these, at the peer at the last tick */
    unsigned long long moved;    /* when bytes last came or arrived */
    unsigned long long taken;    /* when bytes last arrived, or all had */
    unsigned long long window;   /* when the last time of PROGRESS began, and */
    unsigned long long before;   /* what had arrived then */
};

enum verdict { KEEP, DROP_STUCK, DROP_SLOW, DROP_IDLE };

/* A connection that begins at the time NOW. */
void progress_start(struct progress *progress, unsigned long long now);

/* At each tick. QUEUED bytes of the answers are still in the program. */
enum verdict progress_check(struct progress *progress, evutil_socket_t fd,
    size_t queued, unsigned long long now, const struct settings *limits);

#endif
