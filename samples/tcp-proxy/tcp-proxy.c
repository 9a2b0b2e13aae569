/* tcp-proxy.c -- passes TCP connections on to another host, and back.
 *
 * Build: cc -o tcp-proxy *.c -levent_extra -levent_core
 * Run:   ./tcp-proxy 127.0.0.1 8080 localhost:9995
 * Try:   echo hello | nc -N 127.0.0.1 8080     (with uppercase-server behind)
 */
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/util.h>

#include "conn.h"

/* Print a line on standard output, or on standard error as warnx(3) does. A
 * line that would block is dropped: a callback that waits for the reader of a
 * log stops the whole loop. If poll(2) says writable, a line has room. */
__attribute__((format(printf, 2, 3))) static void print_line(
    FILE *stream, const char *format, ...)
{
    struct pollfd pollfd = {.fd = fileno(stream), .events = POLLOUT};
    va_list arguments;

    if (poll(&pollfd, 1, 0) == 0)
        return;
    va_start(arguments, format);
    if (stream == stderr) {
        vwarnx(format, arguments);
    } else {
        vprintf(format, arguments);
        putchar('\n');
    }
    va_end(arguments);
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
 * would not report it: getaddrinfo(3) reads 70000 as 4464. */
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

/* Make EVENT pending, at start-up: an event that cannot be added ends the
 * program. */
static void add_event(struct event *event)
{
    if (!event || event_add(event, NULL) < 0)
        errx(1, "cannot add an event");
}

/* The address of HOST if it is a number, which needs no name server. */
static struct evutil_addrinfo *parse_address(const char *host, const char *port)
{
    struct evutil_addrinfo *list = NULL;
    struct evutil_addrinfo hints = {
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = EVUTIL_AI_NUMERICHOST | EVUTIL_AI_NUMERICSERV,
    };
    int error = evutil_getaddrinfo(host, port, &hints, &list);

    if (error == EVUTIL_EAI_MEMORY)
        errx(1, "cannot keep an upstream: %s", evutil_gai_strerror(error));
    return error ? NULL : list;
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
    return (struct upstream){.name = text,
        .host = host,
        .port = colon + 1,
        .address = parse_address(host, colon + 1)};
}

/* A client is accepted only if a descriptor is left for its upstream too. */
static bool have_spare(void *arg)
{
    struct proxy *proxy = arg;

    if (proxy->spare < 0)
        proxy->spare = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
    return proxy->spare >= 0;
}

static void accept_cb(evutil_socket_t fd, const struct sockaddr *address,
    socklen_t length, void *arg)
{
    struct proxy *proxy = arg;

    conn_new(proxy, fd, address, length);
    if (!have_spare(proxy))
        listeners_pause(proxy->listeners, errno);
}

/* The first signal ends accepting; open connections may end by themselves. A
 * second one, or the end of the grace period, ends them; so does a timer that
 * cannot be set. */
static void signal_cb(evutil_socket_t signum, short what, void *arg)
{
    struct proxy *proxy = arg;

    if (!proxy->listeners || LIST_EMPTY(&proxy->conns)) {
        event_base_loopbreak(proxy->base);
        return;
    }
    print_line(stdout, "draining");
    listeners_free(proxy->listeners);
    proxy->listeners = NULL;
    if (event_base_loopexit(proxy->base, &proxy->grace) < 0)
        event_base_loopbreak(proxy->base);
}

/* libevent's own messages must not stop the loop either. */
static void log_cb(int severity, const char *message)
{
    if (severity != EVENT_LOG_DEBUG)
        print_line(stderr, "libevent: %s", message);
}

/* Read the options; returns the index of the first argument behind them. */
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

/* Everything is freed in the reverse order. */
static void proxy_free(struct proxy *proxy)
{
    if (proxy->listeners)
        listeners_free(proxy->listeners);
    proxy->listeners = NULL;
    while (!LIST_EMPTY(&proxy->conns))
        conn_end(LIST_FIRST(&proxy->conns), "stopped");
    if (proxy->spare >= 0)
        close(proxy->spare);
    lookups_end(&proxy->lookups);
    event_base_free(proxy->base);
    for (int i = 0; i < proxy->count; i++) {
        if (proxy->upstreams[i].address)
            evutil_freeaddrinfo(proxy->upstreams[i].address);
        free(proxy->upstreams[i].host);
    }
}

int main(int argc, char **argv)
{
    struct proxy proxy = {.grace = {30, 0}, .limit = {5, 0}, .spare = -1};
    struct timeval check = {300 / CHECKS, 0};

    open_standard_fds();
    setvbuf(stdout, NULL, _IOLBF, 0);
    lookups_init();
    event_set_log_callback(log_cb);
    int first = take_options(&proxy, &check, argc, argv);
    if (argc - first < 3 || argc - first > 4 || parse_port(argv[first + 1]) < 0)
        usage(2);
    for (int i = first + 2; i < argc; i++)
        proxy.upstreams[proxy.count++] = parse_upstream(argv[i]);
    signal(SIGPIPE, SIG_IGN); /* writing to a closed connection must fail */

    //> base
    proxy.base = event_base_new();
    if (!proxy.base)
        errx(1, "cannot make an event base");
    lookups_start(&proxy.lookups, proxy.base, proxy.limit);
    proxy.check = event_base_init_common_timeout(proxy.base, &check);
    if (!proxy.check)
        errx(1, "cannot make a timer");
    LIST_INIT(&proxy.conns);

    //> listen
    proxy.listeners = listeners_new(proxy.base, argv[first], argv[first + 1],
        accept_cb, have_spare, &proxy);
    if (!have_spare(&proxy))
        err(1, "cannot keep a descriptor");

    //> signals
    struct event *interrupt =
        evsignal_new(proxy.base, SIGINT, signal_cb, &proxy);
    struct event *terminate =
        evsignal_new(proxy.base, SIGTERM, signal_cb, &proxy);
    add_event(interrupt);
    add_event(terminate);

    //> run
    listeners_print(proxy.listeners);
    int result = event_base_dispatch(proxy.base);

    //> clean-up
    event_free(terminate);
    event_free(interrupt);
    proxy_free(&proxy);
    return result < 0 ? 1 : 0;
}
