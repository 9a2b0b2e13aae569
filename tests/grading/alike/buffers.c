/* buffers.c -- another right solution of the lab "tiny", to its starter's plan:
 * bufferevents; it holds what is unsent within bounds, and counts.
 *
 * Build: cc -o tiny tiny.c -levent_core
 */
#include <ctype.h>
#include <err.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

struct conn {
    struct bufferevent *bev;
    LIST_ENTRY(conn) next;
    size_t lines;
};

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

static void conn_free(struct conn *conn)
{
    LIST_REMOVE(conn, next);
    bufferevent_free(conn->bev);
    free(conn);
}

/* How many lines end in the buffer, found without copying it. */
static size_t count_lines(struct evbuffer *buffer)
{
    struct evbuffer_ptr at =
        evbuffer_search_eol(buffer, NULL, NULL, EVBUFFER_EOL_LF);
    size_t found = 0;

    while (at.pos >= 0) {
        found++;
        if (evbuffer_ptr_set(buffer, &at, 1, EVBUFFER_PTR_ADD) < 0)
            break;
        at = evbuffer_search_eol(buffer, &at, NULL, EVBUFFER_EOL_LF);
    }
    return found;
}

/* Who does not read what he gets is not read from, until half of it has gone.
 */
static void keep_balance(struct conn *conn)
{
    struct evbuffer *waiting = bufferevent_get_output(conn->bev);
    const size_t most = 262144;

    bufferevent_setwatermark(conn->bev, EV_WRITE, most / 2, 0);
    if (evbuffer_get_length(waiting) > most)
        bufferevent_disable(conn->bev, EV_READ);
    else if (!(bufferevent_get_enabled(conn->bev) & EV_READ))
        bufferevent_enable(conn->bev, EV_READ);
}

static void read_cb(struct bufferevent *bev, void *arg)
{
    struct conn *conn = arg;

    conn->lines += count_lines(bufferevent_get_input(bev));
    if (bufferevent_write_buffer(bev, bufferevent_get_input(bev)) < 0) {
        conn_free(conn);
        return;
    }
    keep_balance(conn);
}

static void write_cb(struct bufferevent *bev, void *arg)
{
    keep_balance(arg);
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
    conn->bev = bufferevent_socket_new(arg, fd, BEV_OPT_CLOSE_ON_FREE);
    if (!conn->bev)
        errx(1, "cannot make a bufferevent");
    LIST_INSERT_HEAD(&conns, conn, next);
    bufferevent_setcb(conn->bev, read_cb, write_cb, event_cb, conn);
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
        fprintf(stderr, "usage: tiny [PORT]\n");
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
