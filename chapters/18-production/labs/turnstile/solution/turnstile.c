/* Starter and solution in one: look once you have passed (make compare-NN). */
/* turnstile.c -- an echo server with a limit on its clients.
 *
 * Build: cc -o turnstile turnstile.c -levent_core
 * Run:   ./turnstile [PORT]            (8888, on 127.0.0.1)
 * Try:   nc 127.0.0.1 8888
 */
#include <ctype.h>
#include <err.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

enum { MOST = 6, MOST_OF_ONE = 4 }; /* clients: in all, and of one address */

struct conn {
    struct bufferevent *bev;
#ifdef SOLUTION
    struct place *place;
#endif
    LIST_ENTRY(conn) next;
};

#ifdef SOLUTION
/* An address that has clients. */
struct place {
    struct in_addr address;
    int clients;
    LIST_ENTRY(place) next;
};

static LIST_HEAD(place_list, place) places = LIST_HEAD_INITIALIZER(places);
static int open_clients;
#endif

static LIST_HEAD(conn_list, conn) conns = LIST_HEAD_INITIALIZER(conns);

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

/* Whether there is room for one more client of this address. If there is, it
 * has come in. */
static bool enter(struct conn *conn, const struct sockaddr *from)
{
#ifdef SOLUTION
    struct in_addr address = ((const struct sockaddr_in *)from)->sin_addr;
    struct place *place;

    if (open_clients == MOST)
        return false;
    LIST_FOREACH (place, &places, next)
        if (place->address.s_addr == address.s_addr)
            break;
    if (!place) {
        place = calloc(1, sizeof(*place));
        if (!place)
            return false;
        place->address = address;
        LIST_INSERT_HEAD(&places, place, next);
    }
    if (place->clients == MOST_OF_ONE)
        return false;
    place->clients++;
    open_clients++;
    conn->place = place;
    return true;
#else
    /* yours */
    return true;
#endif
}

/* A client that has come in leaves. */
static void leave(struct conn *conn)
{
#ifdef SOLUTION
    open_clients--;
    if (--conn->place->clients > 0)
        return;
    LIST_REMOVE(conn->place, next);
    free(conn->place);
#else
    /* yours */
#endif
}

static void conn_free(struct conn *conn)
{
    leave(conn);
    LIST_REMOVE(conn, next);
    bufferevent_free(conn->bev);
    free(conn);
}

static void read_cb(struct bufferevent *bev, void *arg)
{
    if (bufferevent_write_buffer(bev, bufferevent_get_input(bev)) < 0)
        conn_free(arg);
}

static void event_cb(struct bufferevent *bev, short what, void *arg)
{
    conn_free(arg);
}

static void accept_cb(struct evconnlistener *listener, evutil_socket_t fd,
    struct sockaddr *address, int length, void *arg)
{
    struct conn *conn = calloc(1, sizeof(*conn));

    if (!conn)
        err(1, "cannot take a connection");
#ifdef SOLUTION
    if (!enter(conn, address)) {
        evutil_closesocket(fd);
        free(conn);
        return;
    }
#else
    enter(conn, address); /* yours: and if not? */
#endif
    conn->bev = bufferevent_socket_new(arg, fd, BEV_OPT_CLOSE_ON_FREE);
    if (!conn->bev)
        errx(1, "cannot make a bufferevent");
    LIST_INSERT_HEAD(&conns, conn, next);
    bufferevent_setcb(conn->bev, read_cb, NULL, event_cb, conn);
    if (bufferevent_enable(conn->bev, EV_READ) < 0)
        errx(1, "cannot watch a connection");
}

static void signal_cb(evutil_socket_t signum, short what, void *arg)
{
    event_base_loopbreak(arg);
}

int main(int argc, char **argv)
{
    int port = argc == 2 ? parse_port(argv[1]) : 8888;

    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    if (argc > 2 || port < 0) {
        fprintf(stderr, "usage: turnstile [PORT]\n");
        return 2;
    }

    struct event_base *base = event_base_new();
    if (!base)
        errx(1, "cannot make an event base");
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons((in_port_t)port),
    };
    struct evconnlistener *listener = evconnlistener_new_bind(base, accept_cb,
        base, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, -1,
        (struct sockaddr *)&address, sizeof(address));
    if (!listener)
        err(1, "cannot listen on port %d", port);
    struct event *terminate = evsignal_new(base, SIGTERM, signal_cb, base);
    if (!terminate || event_add(terminate, NULL) < 0)
        errx(1, "cannot add an event");

    print_ready(evconnlistener_get_fd(listener));
    int result = event_base_dispatch(base);

    while (!LIST_EMPTY(&conns))
        conn_free(LIST_FIRST(&conns));
    event_free(terminate);
    evconnlistener_free(listener);
    event_base_free(base);
    return result < 0 ? 1 : 0;
}
