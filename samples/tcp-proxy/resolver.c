/* resolver.c -- resolvers of libevent, each for one question. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "resolver.h"

/* evdns does not check all allocations of its set-up, and would crash. So it
 * gets some of this when there is no memory; we notice, and free the
 * resolver. */
static _Alignas(16) char emergency[16384];
static size_t emergency_left; /* 0 except in the set-up */
static bool out_of_memory;

static void *noting_malloc(size_t size)
{
    void *memory = malloc(size);
    size_t rounded = (size + 15) & ~(size_t)15;

    if (memory)
        return memory;
    out_of_memory = true;
    if (rounded > emergency_left)
        return NULL;
    emergency_left -= rounded;
    return emergency + emergency_left;
}

static void noting_free(void *memory)
{
    uintptr_t offset = (uintptr_t)memory - (uintptr_t)emergency;

    if (offset >= sizeof(emergency))
        free(memory);
}

void lookups_init(void)
{
    event_set_mem_functions(noting_malloc, realloc, noting_free);
}

/* When clients use all other descriptors, one is kept for each resolver. */
void take_reserve(struct lookups *lookups)
{
    for (int i = 0; i < RESERVE; i++)
        if (lookups->reserve[i] < 0)
            lookups->reserve[i] = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
}

void give_reserve(struct lookups *lookups, int count)
{
    for (int i = 0; i < RESERVE && count > 0; i++)
        if (lookups->reserve[i] >= 0) {
            close(lookups->reserve[i]);
            lookups->reserve[i] = -1;
            count--;
        }
}

void lookups_start(
    struct lookups *lookups, struct event_base *base, struct timeval limit)
{
    *lookups = (struct lookups){.base = base, .limit = limit};
    for (int i = 0; i < RESERVE; i++)
        lookups->reserve[i] = -1;
    take_reserve(lookups);
    LIST_INIT(&lookups->list);
}

/* The next server is asked after a fifth of LIMIT, or after a second. We give
 * up at LIMIT, before the resolver does. Servers that failed are not probed
 * again: the resolver does not live so long. */
static void set_patience(struct evdns_base *dns, struct timeval limit)
{
    double patience = seconds_of(limit) / 5;
    char text[32];

    patience = patience < 1 ? patience : 1;
    snprintf(text, sizeof(text), "%.3f", patience);
    evdns_base_set_option(dns, "timeout:", text);
    snprintf(text, sizeof(text), "%.0f", seconds_of(limit) / patience + 1);
    evdns_base_set_option(dns, "attempts:", text);
    evdns_base_set_option(dns, "initial-probe-timeout:", "3600");
}

/* A resolver without /etc/hosts, or NULL; it has to be freed at once if
 * out_of_memory is set. With no name server in /etc/resolv.conf, 127.0.0.1 is
 * asked. It asks one question at a time, and only then has events pending. */
static struct evdns_base *dns_set_up(struct event_base *base)
{
    emergency_left = sizeof(emergency);
    struct evdns_base *dns =
        evdns_base_new(base, EVDNS_BASE_DISABLE_WHEN_INACTIVE);
    if (dns)
        evdns_base_resolv_conf_parse(
            dns, DNS_OPTIONS_ALL & ~DNS_OPTION_HOSTSFILE, "/etc/resolv.conf");
    emergency_left = 0;
    return dns;
}

/* A resolver, or NULL and an errno. */
struct evdns_base *dns_new(struct lookups *lookups, int *error)
{
    give_reserve(lookups, 1);
    out_of_memory = false;
    errno = 0;
    struct evdns_base *dns = dns_set_up(lookups->base);
    if (dns && !out_of_memory)
        evdns_base_load_hosts(dns, "/etc/hosts");
    *error = errno;
    if (dns && !out_of_memory && evdns_base_count_nameservers(dns) > 0) {
        set_patience(dns, lookups->limit);
        return dns;
    }
    if (dns)
        evdns_base_free(dns, 0);
    take_reserve(lookups);
    if (out_of_memory || (*error != EMFILE && *error != ENFILE))
        *error = ENOMEM;
    return NULL;
}

void dns_free(struct lookups *lookups, struct evdns_base *dns)
{
    evdns_base_free(dns, 0);
    take_reserve(lookups);
}
