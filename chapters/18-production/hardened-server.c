/* hardened-server.c -- the uppercase server with what a public service needs.
 *
 * Build: cc -o hardened-server hardened-server.c clients.c client-gate.c \
 *            log-queue.c progress.c service.c settings.c -levent_core
 * Run:   ./hardened-server [OPTION...] [ADDRESS PORT]     (127.0.0.1 9995)
 * Try:   ./hardened-server --help; kill -USR1 $(pidof hardened-server)
 *
 * SIGUSR1 writes statistics to the log, SIGUSR2 every event of the loop. With
 * systemd: hardened-server.socket and hardened-server.service beside this file.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/listener.h>
#include <event2/util.h>

#include "clients.h"
#include "log-queue.h"
#include "service.h"
#include "settings.h"

static const struct timeval REST = {1, 0};  /* after accept has failed */
static const struct timeval GRACE = {2, 0}; /* from the signal to the end */

enum { TICK = 1000, LAST_TICK = 50 }; /* ms between two looks at the clients */
enum { OWN_FDS = 32 };                /* descriptors that are not clients' */

struct server {
    struct event_base *base;
    struct evconnlistener *listener; /* NULL after the first signal */
    struct event *rest_event;        /* pending while accepting pauses */
    struct event *tick;
    unsigned tick_length;        /* ms */
    unsigned watchdog;           /* ms, or 0: none */
    unsigned long no_descriptor; /* clients that were refused for that */
    unsigned most;               /* clients at a time so far */
    struct settings settings;
    struct clients clients;
};

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

/* The addresses of HOST and PORT for a stream socket, to be freed with
 * evutil_freeaddrinfo. A name that has none ends the program. */
static struct evutil_addrinfo *resolve(const char *host, const char *port)
{
    struct evutil_addrinfo *list;
    struct evutil_addrinfo hints = {
        .ai_socktype = SOCK_STREAM, .ai_flags = EVUTIL_AI_NUMERICSERV};
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

    if (getsockname(fd, (struct sockaddr *)&address, &length) != 0 ||
        getnameinfo((struct sockaddr *)&address, length, host, sizeof(host),
            port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        errx(1, "cannot read the listening address");
    print_line(stdout, "listening on %s port %s", host, port);
}

static void accept_cb(struct evconnlistener *listener, evutil_socket_t fd,
    struct sockaddr *address, int length, void *arg)
{
    struct server *server = arg;

    clients_add(&server->clients, fd, address);
    if (server->clients.gate.open > server->most)
        server->most = server->clients.gate.open;
}

/* A client has left, and its descriptor is free. */
static void client_left(void *arg)
{
    struct server *server = arg;

    if (event_pending(server->rest_event, EV_TIMEOUT, NULL))
        evconnlistener_enable(server->listener);
    if (!server->listener && server->clients.gate.open == 0)
        event_base_loopbreak(server->base);
}

/* The pause is over: accept again. The event is persistent, so that another
 * second passes if the listener cannot be enabled. */
static void rest_cb(evutil_socket_t fd, short what, void *arg)
{
    struct server *server = arg;

    if (evconnlistener_enable(server->listener) == 0)
        event_del(server->rest_event);
}

/* Accepting would fail again and again, if it does not pause. */
static void refuse_or_rest_cb(struct evconnlistener *listener, void *arg)
{
    int error = EVUTIL_SOCKET_ERROR(); /* before a call can change it */
    struct server *server = arg;

    if ((error == EMFILE || error == ENFILE) &&
        service_refuse(evconnlistener_get_fd(listener), &server->no_descriptor))
        return;
    if (!event_pending(server->rest_event, EV_TIMEOUT, NULL)) {
        log_line(LEVEL_ERROR, "cannot accept, trying again in a second: %s",
            evutil_socket_error_to_string(error));
        if (event_add(server->rest_event, &REST) < 0)
            return; /* without a clock, accepting must not stop */
    }
    evconnlistener_disable(listener);
}

/* The loop lives: look after the clients, and tell the watchdog. */
static void sweep_cb(evutil_socket_t fd, short what, void *arg)
{
    static unsigned long told;
    struct server *server = arg;

    clients_tick(&server->clients, server->tick_length);
    if (server->no_descriptor > told)
        log_line(LEVEL_ERROR, "refused %lu clients: no descriptor is left",
            server->no_descriptor - told);
    told = server->no_descriptor;
    service_keep_reserve();
    log_tick();
    if (server->watchdog > 0)
        service_notify("WATCHDOG=1");
}

static void figures_cb(evutil_socket_t signum, short what, void *arg)
{
    struct server *server = arg;
    struct clients *clients = &server->clients;
    struct client_counts *counts = &clients->counts;

    log_line(LEVEL_INFO, "clients: %u now, %u at most, %lu served",
        clients->gate.open, server->most, counts->served);
    log_line(LEVEL_INFO,
        "refused: %lu all places taken, %lu address full, %lu no descriptor",
        counts->full, counts->address_full, server->no_descriptor);
    log_line(LEVEL_INFO,
        "dropped: %lu idle, %lu stuck, %lu slow, %lu memory, %lu failed",
        counts->idle, counts->stuck, counts->slow, counts->memory,
        counts->failed);
    log_line(LEVEL_INFO, "bytes: %llu answered, %zu of answers wait",
        clients->bytes, clients->waiting);
    log_line(LEVEL_INFO, "log: %lu lines dropped, %u bytes wait", log_dropped(),
        log_waiting());
}

static void dump_cb(evutil_socket_t signum, short what, void *arg)
{
    log_events(((struct server *)arg)->base);
}

/* Add the tick with a length. It is persistent. */
static bool set_tick(struct server *server, unsigned milliseconds)
{
    struct timeval length = {milliseconds / 1000, milliseconds % 1000 * 1000};

    server->tick_length = milliseconds;
    return event_add(server->tick, &length) == 0;
}

/* Clients have two seconds to end. A second signal means "now". */
static void stop_cb(evutil_socket_t signum, short what, void *arg)
{
    struct server *server = arg;

    service_notify("STOPPING=1");
    if (!server->listener || server->clients.gate.open == 0) {
        event_base_loopbreak(server->base);
        return;
    }
    log_line(LEVEL_INFO,
        "Caught an interrupt signal; exiting cleanly in two seconds.");
    event_del(server->rest_event);
    evconnlistener_free(server->listener);
    server->listener = NULL;
    server->clients.leaving = true;
    if (!set_tick(server, LAST_TICK) ||
        event_base_loopexit(server->base, &GRACE) < 0)
        event_base_loopbreak(server->base);
}

/* On the socket that systemd gives us, or on one of our own. */
static void open_listener(struct server *server)
{
    const struct settings *settings = &server->settings;
    unsigned flags =
        LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE;
    evutil_socket_t fd = service_socket();

    if (fd >= 0) { /* it listens already: a backlog of 0 leaves it as it is */
        server->listener =
            evconnlistener_new(server->base, accept_cb, server, flags, 0, fd);
    } else {
        struct evutil_addrinfo *address =
            resolve(settings->address, settings->port);

        server->listener =
            evconnlistener_new_bind(server->base, accept_cb, server, flags,
                SOMAXCONN, address->ai_addr, (int)address->ai_addrlen);
        evutil_freeaddrinfo(address);
    }
    if (!server->listener)
        err(1, "cannot listen on %s port %s", settings->address,
            settings->port);
    if (evconnlistener_enable(server->listener) < 0) /* the others hide it */
        errx(1, "cannot watch the listening socket");
    evconnlistener_set_error_cb(server->listener, refuse_or_rest_cb);
}

/* Have descriptors for all clients, or fewer clients; and one in reserve. */
static void keep_descriptors(struct server *server)
{
    size_t *clients = &server->settings.clients;
    unsigned have = service_raise_descriptors((unsigned)*clients + OWN_FDS);

    if (have < *clients + OWN_FDS) {
        *clients = have > 2 * OWN_FDS ? have - OWN_FDS : have / 2;
        log_line(LEVEL_WARNING,
            "only %zu clients at a time: the limit is %u descriptors", *clients,
            have);
    }
    if (!service_keep_reserve())
        err(1, "cannot open /dev/null");
}

/* A quarter of the shortest time that is to be kept, at most a second. */
static unsigned choose_tick(const struct server *server)
{
    unsigned time = settings_shortest_time(&server->settings);

    if (server->watchdog > 0 && server->watchdog < time)
        time = server->watchdog;
    return time > 4 * TICK ? TICK : time > 4 ? time / 4 : 1;
}

static void open_events(struct server *server, struct event **signals)
{
    signals[0] = evsignal_new(server->base, SIGINT, stop_cb, server);
    signals[1] = evsignal_new(server->base, SIGTERM, stop_cb, server);
    signals[2] = evsignal_new(server->base, SIGUSR1, figures_cb, server);
    signals[3] = evsignal_new(server->base, SIGUSR2, dump_cb, server);
    for (int i = 0; i < 4; i++)
        if (!signals[i] || event_add(signals[i], NULL) < 0)
            errx(1, "cannot watch for a signal");
    server->rest_event =
        event_new(server->base, -1, EV_PERSIST, rest_cb, server);
    server->tick = event_new(server->base, -1, EV_PERSIST, sweep_cb, server);
    if (!server->rest_event || !server->tick ||
        !set_tick(server, choose_tick(server)))
        errx(1, "cannot add an event");
}

int main(int argc, char **argv)
{
    static struct server server; /* the table of its gate is large */
    struct settings *settings = &server.settings;
    struct event *signals[4];

    open_standard_fds();
    setvbuf(stdout, NULL, _IOLBF, 0);
    settings_read(settings, argc, argv);
    signal(SIGPIPE, SIG_IGN); /* writing to a closed connection must fail */

    //> log
    log_open(STDERR_FILENO, (enum log_level)settings->log);
    if (settings->debug)
        event_enable_debug_mode(); /* before the first event */
    server.base = event_base_new();
    if (!server.base || !log_attach(server.base))
        errx(1, "cannot make an event base");

    //> listen
    open_listener(&server);
    keep_descriptors(&server);
    if (settings->user)
        service_become(settings->user);
    else if (geteuid() == 0)
        log_line(LEVEL_WARNING, "serving as root; --user names another user");

    //> clients
    server.clients.base = server.base;
    server.clients.settings = settings;
    server.clients.left = client_left;
    server.clients.arg = &server;
    server.clients.gate.most = (unsigned)settings->clients;
    server.clients.gate.most_of_one = (unsigned)settings->per_address;
    if (!clients_open(&server.clients))
        errx(1, "cannot limit the rate");
    server.watchdog = service_watchdog();
    open_events(&server, signals);

    //> run
    print_ready(evconnlistener_get_fd(server.listener));
    service_notify("READY=1");
    int result = event_base_dispatch(server.base);

    //> clean-up
    clients_close(&server.clients);
    if (server.listener)
        evconnlistener_free(server.listener);
    for (int i = 0; i < 4; i++)
        event_free(signals[i]);
    event_free(server.tick);
    event_free(server.rest_event);
    log_line(LEVEL_INFO, "done");
    log_close();
    event_base_free(server.base);
    clients_free(&server.clients);
    return result < 0 ? 1 : 0;
}
