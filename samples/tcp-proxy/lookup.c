/* lookup.c -- the addresses of a name, from /etc/hosts or from name servers. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "resolver.h"

/* The version of a file: another one means that it was changed or replaced. */
struct version {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec modified, changed;
};

/* The question for the addresses of one family. It has a resolver of its own: a
 * resolver asks its servers in turn, and each family is to ask the first one
 * first, as getaddrinfo(3) does. */
struct query {
    struct lookup *lookup;
    struct evdns_base *dns;
    int family;
    int asked;  /* an answer is still to come */
    bool again; /* it has been asked a second time */
};

struct lookup {
    struct lookups *lookups;
    const char *host, *port;
    double began;
    struct version files[2];           /* that were read for it */
    struct query queries[FAMILIES];    /* their answers are joined: */
    struct evutil_addrinfo *addresses; /* in the order in which they came */
    struct evutil_addrinfo **end;      /* where the next ones go */
    int error;                         /* of the last answer without one */
    struct event *answered;            /* made active after each answer */
    LIST_HEAD(asker_list, asker) askers;
    LIST_ENTRY(lookup) next;
};

double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

/* A file that is not there has a version too: all zeros. */
static struct version version_of(const char *path)
{
    struct stat status;

    if (stat(path, &status) != 0)
        return (struct version){0};
    return (struct version){.device = status.st_dev,
        .inode = status.st_ino,
        .size = status.st_size,
        .modified = status.st_mtim,
        .changed = status.st_ctim};
}

static bool is_same(const struct version *a, const struct version *b)
{
    return a->device == b->device && a->inode == b->inode &&
           a->size == b->size && a->modified.tv_sec == b->modified.tv_sec &&
           a->modified.tv_nsec == b->modified.tv_nsec &&
           a->changed.tv_sec == b->changed.tv_sec &&
           a->changed.tv_nsec == b->changed.tv_nsec;
}

static void read_versions(struct version files[2])
{
    files[0] = version_of("/etc/resolv.conf");
    files[1] = version_of("/etc/hosts");
}

/* Free the resolvers of questions that have been answered. Not from their
 * callback: they must not be freed while they call us. */
static void free_idle(struct lookup *lookup)
{
    for (int i = 0; i < FAMILIES; i++) {
        struct query *query = &lookup->queries[i];
        if (query->dns && !query->asked) {
            dns_free(lookup->lookups, query->dns);
            query->dns = NULL;
        }
    }
}

static bool is_asked(const struct lookup *lookup)
{
    for (int i = 0; i < FAMILIES; i++)
        if (lookup->queries[i].asked)
            return true;
    return false;
}

static void lookup_free(struct lookup *lookup)
{
    LIST_REMOVE(lookup, next);
    free_idle(lookup);
    if (lookup->addresses)
        evutil_freeaddrinfo(lookup->addresses);
    if (lookup->answered)
        event_free(lookup->answered);
    free(lookup);
}

static void answered_cb(evutil_socket_t fd, short what, void *arg)
{
    struct lookup *lookup = arg;

    free_idle(lookup);
    if (LIST_EMPTY(&lookup->askers) && !is_asked(lookup))
        lookup_free(lookup);
}

/* The addresses of a name in /etc/hosts come at once: CALLBACK has then been
 * called already. */
static void ask(struct query *query, evdns_getaddrinfo_cb callback)
{
    struct evutil_addrinfo hints = {
        .ai_family = query->family,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = EVUTIL_AI_NUMERICSERV,
    };

    query->asked++;
    evdns_getaddrinfo(query->dns, query->lookup->host, query->lookup->port,
        &hints, callback, query);
}

/* An answer goes to all askers at once: an asker with an IPv4 address need not
 * wait for a server that drops the question for IPv6 ones. When a server
 * refuses, the resolver asks one other; asked again, it tries the third. */
static void answer_cb(int error, struct evutil_addrinfo *list, void *arg)
{
    struct query *query = arg;
    struct lookup *lookup = query->lookup;
    struct asker *asker;

    query->asked--;
    if (error == EVUTIL_EAI_FAIL && query->dns && !query->again &&
        evdns_base_count_nameservers(query->dns) > 2) {
        query->again = true;
        ask(query, answer_cb);
        return;
    }
    if (error)
        lookup->error = error;
    *lookup->end = list;
    while (*lookup->end)
        lookup->end = &(*lookup->end)->ai_next;
    LIST_FOREACH (asker, &lookup->askers, next)
        event_active(asker->wake, EV_TIMEOUT, 0);
    event_active(lookup->answered, EV_TIMEOUT, 0);
}

/* NULL if there is no memory. */
static struct lookup *lookup_new(
    struct lookups *lookups, const char *host, const char *port)
{
    struct lookup *lookup = calloc(1, sizeof(*lookup));

    if (!lookup)
        return NULL;
    *lookup = (struct lookup){
        .lookups = lookups, .host = host, .port = port, .began = now()};
    lookup->end = &lookup->addresses;
    LIST_INIT(&lookup->askers);
    LIST_INSERT_HEAD(&lookups->list, lookup, next);
    read_versions(lookup->files);
    lookup->answered = evtimer_new(lookups->base, answered_cb, lookup);
    if (lookup->answered)
        return lookup;
    lookup_free(lookup);
    return NULL;
}

/* 0 if a question can be asked for one family at least; else an errno. */
static int lookup_start(struct lookup *lookup)
{
    static const int families[FAMILIES] = {AF_INET, AF_INET6};
    bool asked = false;
    int error = 0;

    for (int i = 0; i < FAMILIES; i++) {
        struct query *query = &lookup->queries[i];
        query->lookup = lookup;
        query->family = families[i];
        query->dns = dns_new(lookup->lookups, &error);
        if (query->dns) {
            ask(query, answer_cb);
            asked = true;
        }
        free_idle(lookup);
    }
    return asked ? 0 : error;
}

/* A look-up that has begun with the present files, and is not too old: if
 * memory was short, its answer may never come. */
static struct lookup *find(
    struct lookups *lookups, const char *host, const char *port)
{
    struct lookup *lookup;
    struct version files[2];

    read_versions(files);
    LIST_FOREACH (lookup, &lookups->list, next)
        if (is_asked(lookup) && lookup->host == host && lookup->port == port &&
            now() - lookup->began < seconds_of(lookups->limit) &&
            is_same(&files[0], &lookup->files[0]) &&
            is_same(&files[1], &lookup->files[1]))
            return lookup;
    return NULL;
}

int lookup_join(struct lookups *lookups, const char *host, const char *port,
    struct asker *asker)
{
    struct lookup *lookup = find(lookups, host, port);
    bool is_new = !lookup;
    int error = 0;

    if (is_new)
        lookup = lookup_new(lookups, host, port);
    if (!lookup)
        return ENOMEM;
    asker->lookup = lookup;
    asker->addresses = &lookup->addresses;
    LIST_INSERT_HEAD(&lookup->askers, asker, next);
    if (is_new)
        error = lookup_start(lookup);
    if (error)
        lookup_leave(asker);
    return error;
}

void lookup_leave(struct asker *asker)
{
    struct lookup *lookup = asker->lookup;

    if (!lookup)
        return;
    LIST_REMOVE(asker, next);
    asker->lookup = NULL;
    if (LIST_EMPTY(&lookup->askers) && !is_asked(lookup))
        lookup_free(lookup);
}

bool lookup_goes_on(const struct asker *asker)
{
    return asker->lookup && is_asked(asker->lookup);
}

int lookup_failure(const struct asker *asker, const char **why)
{
    const struct lookup *lookup = asker->lookup;

    if (lookup->error != EVUTIL_EAI_NONAME &&
        now() - lookup->began >= seconds_of(lookup->lookups->limit)) {
        *why = "no answer from a name server";
        return ETIMEDOUT;
    }
    *why =
        evutil_gai_strerror(lookup->error ? lookup->error : EVUTIL_EAI_NONAME);
    return ENOENT;
}

/* First the loop runs callbacks that still use the resolvers, then those that
 * report the questions which stay without an answer. */
void lookups_end(struct lookups *lookups)
{
    struct lookup *lookup;

    event_base_loop(lookups->base, EVLOOP_NONBLOCK);
    LIST_FOREACH (lookup, &lookups->list, next)
        for (int i = 0; i < FAMILIES; i++) {
            struct evdns_base *dns = lookup->queries[i].dns;
            lookup->queries[i].dns = NULL;
            if (dns)
                evdns_base_free(dns, 1);
        }
    event_base_loop(lookups->base, EVLOOP_NONBLOCK);
    while (!LIST_EMPTY(&lookups->list))
        lookup_free(LIST_FIRST(&lookups->list));
    give_reserve(lookups, RESERVE);
}
