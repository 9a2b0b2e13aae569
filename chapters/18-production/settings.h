/* settings.h -- the limits of hardened-server, and its other options.
 *
 * Each has a default with which the server is fit for service.
 */
#ifndef SETTINGS_H
#define SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

struct settings {
    const char *address, *port;     /* where to listen */
    const char *user;               /* to be, or NULL */
    int log;                        /* the level: enum log_level */
    bool debug;                     /* check each call on an event */
    size_t clients;                 /* at the most */
    size_t per_address;             /* of these, from one address */
    size_t rate, rate_all;          /* bytes a second in each direction, or 0 */
    size_t output;                  /* bytes that may wait for one client */
    size_t memory;                  /* bytes that may wait for all of them */
    size_t slowest;                 /* bytes in each time of PROGRESS */
    unsigned idle, stuck, progress; /* milliseconds */
};

/* Read the command line. A wrong one ends the program with status 2, --help
 * with status 0. */
void settings_read(struct settings *settings, int argc, char **argv);

/* The shortest time in them, in milliseconds. */
unsigned settings_shortest_time(const struct settings *settings);

#endif
