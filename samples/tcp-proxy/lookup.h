/* lookup.h -- the addresses of a name, without blocking; connections that want
 * the same name at the same time share one question. */
#ifndef LOOKUP_H
#define LOOKUP_H

#include <stdbool.h>
#include <sys/queue.h>

#include <event2/dns.h>
#include <event2/event.h>
#include <event2/util.h>

enum {
    FAMILIES = 2,          /* IPv4 and IPv6 */
    RESERVE = 2 * FAMILIES /* for two names */
};

/* What all look-ups share. */
struct lookups {
    struct event_base *base;
    struct timeval limit; /* for one of them */
    int reserve[RESERVE]; /* descriptors, one for each resolver */
    LIST_HEAD(lookup_list, lookup) list;
};

/* A connection that wants the addresses of a name. */
struct asker {
    struct lookup *lookup;
    struct evutil_addrinfo **addresses; /* that have come: a list that grows */
    struct event *wake;                 /* made active when there is news */
    LIST_ENTRY(asker) next;
};

/* Seconds on a clock that is never set. */
double now(void);
double seconds_of(struct timeval time);

/* Before anything else of libevent is called. */
void lookups_init(void);

void lookups_start(
    struct lookups *lookups, struct event_base *base, struct timeval limit);

/* Runs the loop once more. */
void lookups_end(struct lookups *lookups);

/* Ask for the addresses of HOST, with PORT in them. An asker leaves when it
 * needs no more addresses. 0, or an errno if no server can be asked. */
int lookup_join(struct lookups *lookups, const char *host, const char *port,
    struct asker *asker);
void lookup_leave(struct asker *asker);

/* Whether more addresses may come. */
bool lookup_goes_on(const struct asker *asker);

/* Why there are no addresses: ENOENT or ETIMEDOUT, and in words. */
int lookup_failure(const struct asker *asker, const char **why);

#endif
