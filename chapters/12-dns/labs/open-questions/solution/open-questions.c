/* Starter and solution in one: look once you have passed (make compare-NN). */
/* open-questions.c -- looks up names, and gives up after a short time.
 *
 * Build: cc -o open-questions open-questions.c -levent_core -levent_extra
 * Run:   ./open-questions PORT NAME...  (of the name server, on 127.0.0.1)
 * Try:   ./open-questions 8053 www.test
 */
#include <ctype.h>
#include <err.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include <event2/dns.h>
#include <event2/event.h>
#include <event2/util.h>

static const struct timeval LIMIT = {1, 0}; /* for all names together */

struct resolver {
    struct event_base *base;
    struct evdns_base *dns;
    LIST_HEAD(lookup_list, lookup) lookups; /* without a result yet */
};

struct lookup {
    struct resolver *resolver;
    char *name;
    struct evdns_getaddrinfo_request *request;
    LIST_ENTRY(lookup) next;
};

/* Output that could not be written, because the disk is full or standard output
 * is closed, is a failure of a program whose output is its result. */
static void check_output(void)
{
    if (fflush(stdout) != 0 || ferror(stdout))
        err(1, "cannot write to standard output");
}

/* The port that TEXT names, 0 to 65535, or -1 if it names none. The resolver
 * would not report it: getaddrinfo(3) reads 70000 as 4464. */
static int parse_port(const char *text)
{
    char *end;
    long port = strtol(text, &end, 10);

    if (!isdigit((unsigned char)text[0]) || *end != '\0' || port > 65535)
        return -1;
    return (int)port;
}

/* Print and free a lookup, which is done. */
static void result_cb(int error, struct evutil_addrinfo *list, void *arg)
{
    struct lookup *lookup = arg;
    struct resolver *resolver = lookup->resolver;

    for (struct evutil_addrinfo *ai = list; ai; ai = ai->ai_next) {
        char text[NI_MAXHOST];

        if (getnameinfo(ai->ai_addr, ai->ai_addrlen, text, sizeof(text), NULL,
                0, NI_NUMERICHOST) == 0)
            printf("%s: %s\n", lookup->name, text);
    }
    if (error)
        printf("%s: %s\n", lookup->name,
            error == EVUTIL_EAI_NONAME ? "does not exist" : "no answer");
    check_output();
    if (list)
        evutil_freeaddrinfo(list);
    LIST_REMOVE(lookup, next);
    free(lookup->name);
    free(lookup);
    if (LIST_EMPTY(&resolver->lookups))
        event_base_loopbreak(resolver->base);
}

static void look_up(struct resolver *resolver, const char *name)
{
    struct evutil_addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct lookup *lookup = calloc(1, sizeof(*lookup));

    if (!lookup || !(lookup->name = strdup(name)))
        err(1, "cannot look up %s", name);
    lookup->resolver = resolver;
    LIST_INSERT_HEAD(&resolver->lookups, lookup, next);
#ifdef SOLUTION
    struct evdns_getaddrinfo_request *request =
        evdns_getaddrinfo(resolver->dns, name, NULL, &hints, result_cb, lookup);
    if (request) /* else result_cb has been called, and lookup is freed */
        lookup->request = request;
#else
    lookup->request =
        evdns_getaddrinfo(resolver->dns, name, NULL, &hints, result_cb, lookup);
#endif
}

/* Time is up, or a signal came. */
static void stop_cb(evutil_socket_t fd, short what, void *arg)
{
    struct resolver *resolver = arg;

#ifdef SOLUTION
    struct lookup *lookup;

    LIST_FOREACH (lookup, &resolver->lookups, next)
        evdns_getaddrinfo_cancel(lookup->request);
#endif
    event_base_loopbreak(resolver->base);
}

static void resolver_start(struct resolver *resolver, const char *port)
{
    char server[32];

    LIST_INIT(&resolver->lookups);
    resolver->base = event_base_new();
    if (resolver->base)
        resolver->dns = evdns_base_new(resolver->base, 0);
    snprintf(server, sizeof(server), "127.0.0.1:%s", port);
    if (!resolver->dns ||
        evdns_base_nameserver_ip_add(resolver->dns, server) != 0 ||
        evdns_base_set_option(resolver->dns, "getaddrinfo-allow-skew:", "0.1") <
            0)
        errx(1, "cannot make a resolver");
}

static void resolver_free(struct resolver *resolver)
{
#ifdef SOLUTION
    /* Let the callbacks that are due be called: each frees something. */
    do
        event_base_loop(resolver->base, EVLOOP_NONBLOCK);
    while (
        event_base_get_num_events(resolver->base, EVENT_BASE_COUNT_ACTIVE) > 0);
#endif
    evdns_base_free(resolver->dns, 0);
    event_base_free(resolver->base);
}

/* Make EVENT pending, at start-up: an event that cannot be added ends the
 * program. */
static void add_event(struct event *event)
{
    if (!event || event_add(event, NULL) < 0)
        errx(1, "cannot add an event");
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc < 3 || parse_port(argv[1]) < 1)
        errx(2, "usage: open-questions PORT NAME...");

    struct resolver resolver = {.base = NULL};
    resolver_start(&resolver, argv[1]);
    struct event *time_up = evtimer_new(resolver.base, stop_cb, &resolver);
    struct event *interrupt =
        evsignal_new(resolver.base, SIGINT, stop_cb, &resolver);
    add_event(interrupt);
    if (!time_up || event_add(time_up, &LIMIT) < 0)
        errx(1, "cannot add an event");

    for (int i = 2; i < argc; i++)
        look_up(&resolver, argv[i]);
    if (!LIST_EMPTY(&resolver.lookups))
        event_base_dispatch(resolver.base);

    event_free(interrupt);
    event_free(time_up);
    resolver_free(&resolver);
    printf("done\n");
    check_output();
    return 0;
}
