/* tcp-proxy.c -- passes TCP connections on to another host, and back.
 *
 * Build: cc -o tcp-proxy tcp-proxy.c conn.c -levent
 * Run:   ./tcp-proxy 127.0.0.1 8080 localhost:9995
 * Try:   echo hello | nc -N 127.0.0.1 8080     (with uppercase-server behind)
 */
#include <ctype.h>
#include <err.h>
#include <getopt.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include <event2/event.h>
#include <event2/listener.h>
#include <event2/util.h>

#include "conn.h"

static void usage(int status)
{
    fputs("usage: tcp-proxy [OPTION...] ADDRESS PORT UPSTREAM [UPSTREAM]\n"
          "Passes connections on to the first UPSTREAM, a HOST:PORT or\n"
          "[IPV6-ADDRESS]:PORT, or to the second where the first fails.\n"
          "  -c, --connect=SECONDS  limit on a name or a connect (5)\n"
          "  -i, --idle=SECONDS     limit on silence from both sides (300)\n"
          "  -g, --grace=SECONDS    limit on what is open at SIGTERM (30)\n"
          "  -h, --help             print this\n",
        status ? stderr : stdout);
    exit(status);
}

/* The port that TEXT names, 0 to 65535, or -1 if it names none. The resolver
 * would not say: getaddrinfo(3) takes 70000 for 4464. */
static int parse_port(const char *text)
{
    char *end;
    long port = strtol(text, &end, 10);

    if (!isdigit((unsigned char)text[0]) || *end != '\0' || port > 65535)
        return -1;
    return (int)port;
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

/* The addresses of HOST and PORT for a stream socket, to be freed with
 * evutil_freeaddrinfo. A name that has none ends the program. */
static struct evutil_addrinfo *resolve(const char *host, const char *port)
{
    struct evutil_addrinfo *list;
    struct evutil_addrinfo hints = {
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = EVUTIL_AI_NUMERICSERV,
    };
    int error = evutil_getaddrinfo(host, port, &hints, &list);

    if (error)
        errx(1, "cannot resolve %s: %s", host, evutil_gai_strerror(error));
    return list;
}

/* Say where FD listens: given port 0, only the kernel knows. */
static void print_ready(evutil_socket_t fd)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    char host[NI_MAXHOST], port[NI_MAXSERV];

    if (getsockname(fd, (struct sockaddr *)&address, &length) != 0)
        err(1, "getsockname");
    int error = getnameinfo((struct sockaddr *)&address, length, host,
        sizeof(host), port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
    if (error)
        errx(1, "getnameinfo: %s", gai_strerror(error));
    printf("listening on %s port %s\n", host, port);
}

/* Make EVENT pending; what cannot be watched ends the program. */
static void add_event(struct event *event)
{
    if (!event || event_add(event, NULL) < 0)
        errx(1, "cannot add an event");
}

/* Take HOST:PORT or [HOST]:PORT apart; anything else ends the program. */
static struct upstream parse_upstream(const char *text)
{
    char *host = strdup(text), *colon = host ? strrchr(host, ':') : NULL;

    if (!host)
        err(1, "cannot keep an upstream");
    if (!colon || parse_port(colon + 1) < 1)
        usage(2);
    *colon = '\0';
    if (host[0] == '[' && colon[-1] == ']') {
        colon[-1] = '\0';
        memmove(host, host + 1, strlen(host));
    } else if (strchr(host, ':'))
        usage(2);
    if (host[0] == '\0')
        usage(2);
    return (struct upstream){.name = text, .host = host, .port = colon + 1};
}

static void accept_cb(struct evconnlistener *listener, evutil_socket_t fd,
    struct sockaddr *address, int length, void *arg)
{
    conn_new(arg, fd, address, (socklen_t)length);
}

static void rested_cb(evutil_socket_t fd, short what, void *arg)
{
    struct proxy *proxy = arg;

    if (proxy->listener && evconnlistener_enable(proxy->listener) < 0)
        errx(1, "cannot accept again");
}

static void accept_error_cb(struct evconnlistener *listener, void *arg)
{
    warn("cannot accept, trying again in a second");
    proxy_rest(arg);
}

/* The first signal ends accepting; what is open may end by itself. A second
 * one, or the end of the grace, does not wait. */
static void signal_cb(evutil_socket_t signum, short what, void *arg)
{
    struct proxy *proxy = arg;

    if (!proxy->listener || LIST_EMPTY(&proxy->conns)) {
        event_base_loopbreak(proxy->base);
        return;
    }
    printf("draining\n");
    evconnlistener_free(proxy->listener);
    proxy->listener = NULL;
    event_base_loopexit(proxy->base, &proxy->grace);
}

static struct evconnlistener *listen_on(
    struct proxy *proxy, const char *host, const char *port)
{
    struct evutil_addrinfo *address = resolve(host, port);
    struct evconnlistener *listener =
        evconnlistener_new_bind(proxy->base, accept_cb, proxy,
            LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE,
            -1, address->ai_addr, (int)address->ai_addrlen);

    if (!listener)
        err(1, "cannot listen on %s port %s", host, port);
    evconnlistener_set_error_cb(listener, accept_error_cb);
    evutil_freeaddrinfo(address);
    return listener;
}

/* The resolver. With no name server in /etc/resolv.conf, reading it "fails",
 * but then 127.0.0.1 is asked, and /etc/hosts has been read: that will do. What
 * has been asked and given up frees itself in the loop: turn it before the end.
 */
static struct evdns_base *dns_new(struct event_base *base)
{
    struct evdns_base *dns =
        evdns_base_new(base, EVDNS_BASE_DISABLE_WHEN_INACTIVE);

    if (!dns)
        errx(1, "cannot make a resolver");
    evdns_base_resolv_conf_parse(dns, DNS_OPTIONS_ALL, "/etc/resolv.conf");
    return dns;
}

/* Take the options; the index of the first argument behind them. */
static int take_options(
    struct proxy *proxy, struct timeval *check, int argc, char **argv)
{
    static const struct option options[] = {
        {"connect", required_argument, NULL, 'c'},
        {"idle", required_argument, NULL, 'i'},
        {"grace", required_argument, NULL, 'g'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "c:i:g:h", options, NULL)) != -1)
        if (option == 'c')
            proxy->limit = parse_seconds(optarg, 1);
        else if (option == 'i')
            *check = parse_seconds(optarg, CHECKS);
        else if (option == 'g')
            proxy->grace = parse_seconds(optarg, 1);
        else
            usage(option == 'h' ? 0 : 2);
    return optind;
}

int main(int argc, char **argv)
{
    struct proxy proxy = {.grace = {30, 0}, .limit = {5, 0}};
    struct timeval check = {300 / CHECKS, 0};

    setvbuf(stdout, NULL, _IOLBF, 0);
    int first = take_options(&proxy, &check, argc, argv);
    if (argc - first < 3 || argc - first > 4 || parse_port(argv[first + 1]) < 0)
        usage(2);
    for (int i = first + 2; i < argc; i++)
        proxy.upstreams[proxy.count++] = parse_upstream(argv[i]);
    signal(SIGPIPE, SIG_IGN); /* a lost peer is an error of send, no death */

    //> base
    proxy.base = event_base_new();
    if (!proxy.base)
        errx(1, "cannot make an event base");
    proxy.dns = dns_new(proxy.base);
    proxy.rested = evtimer_new(proxy.base, rested_cb, &proxy);
    proxy.check = event_base_init_common_timeout(proxy.base, &check);
    if (!proxy.rested || !proxy.check)
        errx(1, "cannot make a timer");
    LIST_INIT(&proxy.conns);

    //> signals
    struct event *interrupt =
        evsignal_new(proxy.base, SIGINT, signal_cb, &proxy);
    struct event *terminate =
        evsignal_new(proxy.base, SIGTERM, signal_cb, &proxy);
    add_event(interrupt);
    add_event(terminate);

    //> run
    proxy.listener = listen_on(&proxy, argv[first], argv[first + 1]);
    print_ready(evconnlistener_get_fd(proxy.listener));
    int result = event_base_dispatch(proxy.base);

    //> clean-up
    while (!LIST_EMPTY(&proxy.conns))
        conn_end(LIST_FIRST(&proxy.conns), "stopped");
    if (proxy.listener)
        evconnlistener_free(proxy.listener);
    event_free(terminate);
    event_free(interrupt);
    event_free(proxy.rested);
    event_base_loop(proxy.base, EVLOOP_NONBLOCK); /* see dns_new */
    evdns_base_free(proxy.dns, 0);
    event_base_free(proxy.base);
    for (int i = 0; i < proxy.count; i++)
        free(proxy.upstreams[i].host);
    return result < 0 ? 1 : 0;
}
