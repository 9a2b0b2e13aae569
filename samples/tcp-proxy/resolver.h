/* resolver.h -- resolvers of libevent, each for one question. */
#ifndef RESOLVER_H
#define RESOLVER_H

#include <event2/dns.h>

#include "lookup.h"

/* When clients use all other descriptors, one is kept for each resolver: keep
 * them, or give up COUNT of them. */
void take_reserve(struct lookups *lookups);
void give_reserve(struct lookups *lookups, int count);

/* A resolver, or NULL and an errno. */
struct evdns_base *dns_new(struct lookups *lookups, int *error);

/* Free a resolver that has nothing to ask any more. */
void dns_free(struct lookups *lookups, struct evdns_base *dns);

#endif
