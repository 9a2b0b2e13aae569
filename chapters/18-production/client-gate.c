/* client-gate.c -- a table of the addresses that have clients.
 *
 * It is a part of hardened-server. client-gate.h says what it is for, and how
 * it is called. An entry lives as long as one of its clients, so the table is
 * never larger than their number, whoever they are.
 */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "client-gate.h"

enum { KEY = 8 }; /* bytes of an address that count */

struct place {
    unsigned char key[KEY];
    unsigned bucket, clients;
    LIST_ENTRY(place) next;
};

/* An address of IPv4 that has come through a socket of IPv6 counts as what it
 * is. */
static void key_of(const struct sockaddr *address, unsigned char *key)
{
    const struct in6_addr *six =
        &((const struct sockaddr_in6 *)address)->sin6_addr;

    memset(key, 0, KEY);
    if (address->sa_family == AF_INET)
        memcpy(key, &((const struct sockaddr_in *)address)->sin_addr, 4);
    else if (address->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(six))
        memcpy(key, six->s6_addr + 12, 4);
    else if (address->sa_family == AF_INET6)
        memcpy(key, six->s6_addr, KEY);
}

static unsigned hash_key(const unsigned char *key)
{
    unsigned hash = 2166136261U; /* FNV-1a */

    for (int i = 0; i < KEY; i++)
        hash = (hash ^ key[i]) * 16777619U;
    return (hash ^ hash >> 16) % GATE_BUCKETS;
}

void gate_open(struct gate *gate)
{
    gate->open = 0;
    for (int i = 0; i < GATE_BUCKETS; i++)
        LIST_INIT(&gate->buckets[i]);
}

/* The place of this key, made if there is none. */
static struct place *place_of(struct gate *gate, const unsigned char *key)
{
    unsigned bucket = hash_key(key);
    struct place *place;

    LIST_FOREACH (place, &gate->buckets[bucket], next)
        if (memcmp(place->key, key, KEY) == 0)
            return place;
    place = calloc(1, sizeof(*place));
    if (place) {
        memcpy(place->key, key, KEY);
        place->bucket = bucket;
        LIST_INSERT_HEAD(&gate->buckets[bucket], place, next);
    }
    return place;
}

enum gate_answer gate_enter(
    struct gate *gate, const struct sockaddr *address, struct place **place)
{
    unsigned char key[KEY];

    if (gate->open >= gate->most)
        return GATE_FULL;
    key_of(address, key);
    *place = place_of(gate, key);
    if (!*place)
        return GATE_NO_MEMORY;
    if ((*place)->clients >= gate->most_of_one)
        return GATE_ADDRESS_FULL;
    (*place)->clients++;
    gate->open++;
    return GATE_IN;
}

void gate_leave(struct gate *gate, struct place *place)
{
    gate->open--;
    if (--place->clients > 0)
        return;
    LIST_REMOVE(place, next);
    free(place);
}
