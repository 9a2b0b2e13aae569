/* resolve.c -- looks up names and addresses, all of them at the same time.
 *
 * Build: cc -o resolve resolve.c -levent_core -levent_extra
 * Run:   ./resolve [-s ADDRESS[:PORT]]... [-t SECONDS] [-4 | -6 | -x] NAME...
 * Try:   ./resolve localhost; ./resolve -s 127.0.0.1:8053 -t 1 -4 www.test
 */
#include <ctype.h>
#include <err.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/dns.h>
#include <event2/event.h>
#include <event2/util.h>

/* For all names together, without -t: evdns itself gives up after 15 seconds.
 */
static const struct timeval PATIENCE = {20, 0};

struct resolver {
    struct event_base *base;
    struct evdns_base *dns;
    struct lookup *lookups; /* one a name */
    int count;
    int open;    /* lookups that have no result yet */
    bool failed; /* at least one of them */
    bool late;   /* the open ones were cancelled: time was up */
    int kind;    /* the option '4', '6' or 'x'; 0: evdns_getaddrinfo */
    struct timeval patience; /* of -t, or 0 */
};

struct lookup {
    struct resolver *resolver;
    const char *name;
    struct evdns_getaddrinfo_request *addresses; /* while it is open, or NULL */
    struct evdns_request *record;                /* the same, of a raw call */
};

static void usage(int status)
{
    fprintf(status ? stderr : stdout,
        "usage: resolve [-s ADDRESS[:PORT]]... [-t SECONDS] [-4 | -6 | -x] "
        "NAME...\n");
    exit(status);
}

/* Open what is missing of standard input, output and error: the numbers would
 * otherwise go to libevent's own descriptors, and what we print with them.
 * Opened for reading alone, so that printing fails as it did. */
static void open_standard_fds(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            open("/dev/null", O_RDONLY); /* gets the lowest number, FD */
}

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

/* Use the name server TEXT: ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT. evdns
 * would read the port "80x" as 80. */
static bool add_server(struct evdns_base *dns, const char *text)
{
    const char *bracket = strchr(text, ']');
    const char *colon = strchr(bracket ? bracket : text, ':');
    bool has_port = colon && (bracket || !strchr(colon + 1, ':'));

    return (!has_port || parse_port(colon + 1) > 0) &&
           evdns_base_nameserver_ip_add(dns, text) == 0;
}

/* Print what a name server has sent. It may send any bytes in a name; the
 * unusual ones are written as \DDD, as dig(1) does. */
static void print_name(const char *name)
{
    for (; *name; name++)
        if (isgraph((unsigned char)*name) && *name != '\\')
            putchar(*name);
        else
            printf("\\%03d", (unsigned char)*name);
}

/* LOOKUP has its result, or failed with ERROR, which may mean that time was
 * up. */
static void lookup_end(struct lookup *lookup, const char *error)
{
    struct resolver *resolver = lookup->resolver;

    check_output();
    if (error) {
        warnx("%s: %s", lookup->name,
            resolver->late ? "no answer in time" : error);
        resolver->failed = true;
    }
    if (--resolver->open == 0)
        event_base_loopbreak(resolver->base);
}

/* The result of evdns_getaddrinfo. The list can be empty without an error: if
 * the hosts file has the name, but not with an address of the wanted family. */
static void addresses_cb(int error, struct evutil_addrinfo *list, void *arg)
{
    struct lookup *lookup = arg;

    lookup->addresses = NULL;
    for (struct evutil_addrinfo *ai = list; ai; ai = ai->ai_next) {
        char text[NI_MAXHOST];

        if (getnameinfo(ai->ai_addr, ai->ai_addrlen, text, sizeof(text), NULL,
                0, NI_NUMERICHOST) == 0)
            printf("%s: %s\n", lookup->name, text);
    }
    if (list)
        evutil_freeaddrinfo(list);
    lookup_end(lookup, error ? evutil_gai_strerror(error) : NULL);
}

/* The result of a raw call: COUNT addresses of 4 or 16 bytes, or a pointer to
 * the pointer to a name. */
static void record_cb(
    int error, char type, int count, int ttl, void *data, void *arg)
{
    struct lookup *lookup = arg;
    int family = type == DNS_IPv4_A ? AF_INET : AF_INET6;
    int size = type == DNS_IPv4_A ? 4 : 16;
    char text[INET6_ADDRSTRLEN];

    lookup->record = NULL;
    for (int i = 0; error == DNS_ERR_NONE && i < count; i++) {
        printf("%s: ", lookup->name);
        if (type == DNS_PTR)
            print_name(*(char **)data);
        else if (evutil_inet_ntop(
                     family, (char *)data + i * size, text, sizeof(text)))
            fputs(text, stdout);
        printf(", for %d s\n", ttl);
    }
    lookup_end(lookup, error ? evdns_err_to_string(error) : NULL);
}

/* Ask for the name of an address; NULL if NAME is not an address. */
static struct evdns_request *ask_for_name(struct lookup *lookup)
{
    struct evdns_base *dns = lookup->resolver->dns;
    struct in_addr ipv4;
    struct in6_addr ipv6;

    if (evutil_inet_pton(AF_INET, lookup->name, &ipv4) == 1)
        return evdns_base_resolve_reverse(dns, &ipv4, 0, record_cb, lookup);
    if (evutil_inet_pton(AF_INET6, lookup->name, &ipv6) != 1)
        return NULL;
    return evdns_base_resolve_reverse_ipv6(dns, &ipv6, 0, record_cb, lookup);
}

static void lookup_ask(struct lookup *lookup)
{
    struct resolver *resolver = lookup->resolver;
    struct evutil_addrinfo hints = {.ai_socktype = SOCK_STREAM};
    int open = resolver->open;

    if (resolver->kind == 'x')
        lookup->record = ask_for_name(lookup);
    else if (resolver->kind == '4')
        lookup->record = evdns_base_resolve_ipv4(
            resolver->dns, lookup->name, 0, record_cb, lookup);
    else if (resolver->kind == '6')
        lookup->record = evdns_base_resolve_ipv6(
            resolver->dns, lookup->name, 0, record_cb, lookup);
    else /* may call addresses_cb before it returns; then it returns NULL */
        lookup->addresses = evdns_getaddrinfo(
            resolver->dns, lookup->name, NULL, &hints, addresses_cb, lookup);
    if (resolver->open == open && !lookup->record && !lookup->addresses)
        lookup_end(lookup,
            resolver->kind == 'x' ? "not an address" : "cannot ask for it");
}

/* Time is up, or a signal came: cancel what is open, and end the loop. The
 * callbacks of what was cancelled come later: see resolver_run. The last
 * lookups come first, since ending one lets another that waits be sent. */
static void stop_cb(evutil_socket_t fd, short what, void *arg)
{
    struct resolver *resolver = arg;

    resolver->late = what & EV_TIMEOUT;
    for (int i = resolver->count; i-- > 0;) {
        struct lookup *lookup = &resolver->lookups[i];

        if (lookup->addresses)
            evdns_getaddrinfo_cancel(lookup->addresses);
        if (lookup->record)
            evdns_cancel_request(resolver->dns, lookup->record);
    }
    event_base_loopbreak(resolver->base);
}

/* evdns writes a name in random capitals, "wWw.TEst", but does not look whether
 * the answer has them too: no forger is kept out, and a name server that tells
 * capitals from small letters does not find the name. So we do without.
 *
 * With -t, a question is sent again after 0.4 of the time, to the next name
 * server if there are several: it is sent three times in all. Where only one of
 * A and AAAA is answered, the answer waits no longer than that for the other.
 */
static void set_options(struct resolver *resolver)
{
    struct evdns_base *dns = resolver->dns;
    double seconds = (double)resolver->patience.tv_sec +
                     (double)resolver->patience.tv_usec / 1e6;
    char part[32];

    snprintf(part, sizeof(part), "%g", 0.4 * seconds);
    if (evdns_base_set_option(dns, "randomize-case:", "0") < 0)
        errx(1, "cannot set an option of evdns");
    if (seconds == 0)
        resolver->patience = PATIENCE;
    else if (evdns_base_set_option(dns, "timeout:", part) < 0 ||
             evdns_base_set_option(dns, "getaddrinfo-allow-skew:", part) < 0)
        errx(1, "cannot set an option of evdns");
}

/* Ask for all names, and wait for the results. After that, callbacks can still
 * be due: those of cancelled lookups, and one of libevent's own if the A or
 * AAAA half of an answer never came. If they are not called, memory leaks. */
static void resolver_run(struct resolver *resolver)
{
    for (int i = 0; i < resolver->count; i++)
        lookup_ask(&resolver->lookups[i]);
    if (resolver->open > 0 && event_base_dispatch(resolver->base) < 0)
        errx(1, "the event loop failed");
    do
        event_base_loop(resolver->base, EVLOOP_NONBLOCK);
    while (
        event_base_get_num_events(resolver->base, EVENT_BASE_COUNT_ACTIVE) > 0);
    if (resolver->open > 0)
        errx(1, "no memory for %d results", resolver->open);
}

/* A limit such as 5 or 0.2, in so many PARTS; else the program ends. */
static struct timeval parse_seconds(const char *text, int parts)
{
    char *end;
    double seconds = strtod(text, &end);

    if (!isdigit((unsigned char)text[0]) || *end != '\0' ||
        !(seconds >= 0.01 && seconds <= 1e6))
        usage(2);
    seconds /= parts;
    long whole = (long)seconds;
    return (struct timeval){whole, (long)((seconds - (double)whole) * 1e6)};
}

/* Without -s, the name servers of /etc/resolv.conf and the names of /etc/hosts
 * are used. evdns reads both files now, and never again. */
static void parse_arguments(struct resolver *resolver, int argc, char **argv)
{
    bool own = false;

    opterr = 0; /* usage says it */
    for (int c; (c = getopt(argc, argv, "s:t:46x")) != -1;) {
        if (c == 's' && add_server(resolver->dns, optarg))
            own = true;
        else if (c == 't')
            resolver->patience = parse_seconds(optarg, 1);
        else if (strchr("46x", c) && (!resolver->kind || resolver->kind == c))
            resolver->kind = c;
        else
            usage(2);
    }
    if (optind == argc)
        usage(2);
    if (!own && evdns_base_resolv_conf_parse(
                    resolver->dns, DNS_OPTIONS_ALL, "/etc/resolv.conf") != 0)
        errx(1, "cannot find a name server in /etc/resolv.conf");
    resolver->open = resolver->count = argc - optind;
    resolver->lookups = calloc((size_t)argc, sizeof(*resolver->lookups));
    if (!resolver->lookups)
        err(1, "cannot keep the names");
    for (int i = 0; i < resolver->count; i++)
        resolver->lookups[i] =
            (struct lookup){.resolver = resolver, .name = argv[optind + i]};
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
    open_standard_fds();
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        usage(0);

    //> prepare
    struct resolver resolver = {.base = event_base_new()};
    if (!resolver.base || !(resolver.dns = evdns_base_new(resolver.base, 0)))
        errx(1, "cannot make a resolver");
    parse_arguments(&resolver, argc, argv);
    set_options(&resolver);

    //> events
    struct event *time_up = evtimer_new(resolver.base, stop_cb, &resolver);
    struct event *interrupt =
        evsignal_new(resolver.base, SIGINT, stop_cb, &resolver);
    struct event *terminate =
        evsignal_new(resolver.base, SIGTERM, stop_cb, &resolver);
    add_event(interrupt);
    add_event(terminate);
    if (!time_up || event_add(time_up, &resolver.patience) < 0)
        errx(1, "cannot add an event");

    //> run
    resolver_run(&resolver);

    //> clean-up
    event_free(terminate);
    event_free(interrupt);
    event_free(time_up);
    evdns_base_free(resolver.dns, 0);
    event_base_free(resolver.base);
    free(resolver.lookups);
    return resolver.failed ? 1 : 0;
}
