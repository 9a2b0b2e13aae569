/* clients.c -- the connections: answers, and who is dropped for what.
 *
 * It is a part of hardened-server. clients.h says what it is for, and how it is
 * called.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>

#include "clients.h"
#include "log-queue.h"
#include "progress.h"

enum { QUIET = 200 };  /* ms without input: then a peer has finished */
enum { REFILLS = 10 }; /* a second, of a limited rate */

struct conn {
    struct clients *clients;
    struct bufferevent *bev;
    struct place *place; /* at the gate */
    bool ended;          /* the peer has sent all that it will */
    bool finished;       /* we have, too */
    bool waiting; /* reading stopped at the limit; the output is not empty */
    struct progress progress;
    LIST_ENTRY(conn) next;
};

static size_t queued_output(const struct conn *conn)
{
    return evbuffer_get_length(bufferevent_get_output(conn->bev));
}

/* Every change of an output buffer, so that the sum is always right. */
static void output_cb(
    struct evbuffer *buffer, const struct evbuffer_cb_info *info, void *arg)
{
    struct clients *clients = arg;

    clients->waiting += info->n_added;
    clients->waiting -= info->n_deleted;
}

/* Close the descriptor here, not with BEV_OPT_CLOSE_ON_FREE, which closes it
 * after this callback: LEFT may want to use it. */
static void conn_free(struct conn *conn)
{
    struct clients *clients = conn->clients;
    struct evbuffer *output = bufferevent_get_output(conn->bev);
    evutil_socket_t fd = bufferevent_getfd(conn->bev);

    LIST_REMOVE(conn, next);
    clients->waiting -= evbuffer_get_length(output);
    evbuffer_remove_cb(output, output_cb, clients);
    if (clients->group)
        bufferevent_remove_from_rate_limit_group(conn->bev);
    bufferevent_setfd(conn->bev, -1); /* takes it out of the epoll set */
    bufferevent_free(conn->bev);
    evutil_closesocket(fd);
    gate_leave(&clients->gate, conn->place);
    free(conn);
    if (clients->left)
        clients->left(clients->arg);
}

/* Everything that the peer sent has been answered. */
static void conn_close(struct conn *conn)
{
    log_line(LEVEL_INFO, "Connection closed.");
    conn_free(conn);
}

/* Drop a client for what it did, and say which one it was. */
static void conn_expel(struct conn *conn, unsigned long *count, const char *why)
{
    struct sockaddr_storage peer;
    socklen_t length = sizeof(peer);
    char host[NI_MAXHOST] = "unknown", port[NI_MAXSERV] = "0";

    if (getpeername(bufferevent_getfd(conn->bev), (struct sockaddr *)&peer,
            &length) == 0)
        getnameinfo((struct sockaddr *)&peer, length, host, sizeof(host), port,
            sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
    log_line(
        LEVEL_WARNING, "dropped a client that %s: %s port %s", why, host, port);
    ++*count;
    conn_free(conn);
}

/* A failure for one client must not end the server. */
static void conn_abandon(struct conn *conn, const char *what)
{
    log_line(LEVEL_ERROR, "cannot %s a client: %s", what, strerror(errno));
    conn->clients->counts.failed++;
    conn_free(conn);
}

static void conn_error(struct conn *conn, int error)
{
    log_line(LEVEL_WARNING, "got an error on the connection: %s",
        evutil_socket_error_to_string(error));
    conn->clients->counts.failed++;
    conn_free(conn);
}

/* Say that no more answers will come. The peer closes in turn, and event_cb
 * frees the connection. */
static void conn_half_close(struct conn *conn)
{
    conn->finished = true;
    if (bufferevent_enable(conn->bev, EV_READ) < 0 ||
        (shutdown(bufferevent_getfd(conn->bev), SHUT_WR) != 0 &&
            errno != ENOTCONN))
        conn_abandon(conn, "half-close the connection of");
}

/* More waits than the memory that is allowed for it: the client for which most
 * waits has to go, again and again. It may be the one that is being served. */
static void keep_memory(struct clients *clients)
{
    while (clients->waiting > clients->settings->memory) {
        struct conn *conn, *largest = LIST_FIRST(&clients->conns);

        LIST_FOREACH (conn, &clients->conns, next)
            if (queued_output(conn) > queued_output(largest))
                largest = conn;
        conn_expel(largest, &clients->counts.memory, "held too much memory");
    }
}

/* ASCII alone: toupper(3) would follow the locale and damage UTF-8. */
static void make_upper(unsigned char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = bytes[i];

        bytes[i] = c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c;
    }
}

/* Send around the bufferevent, which would ask epoll for EV_WRITE before it
 * sends and take that back afterwards. Right only if nothing waits in front of
 * these bytes, and nothing stands between the output and the socket: no limited
 * rate here, elsewhere no TLS and no filter. -1 if the connection has failed.
 */
static ssize_t send_directly(
    struct conn *conn, const unsigned char *bytes, size_t length)
{
    struct clients *clients = conn->clients;

    if (clients->rate || clients->rate_all || queued_output(conn) > 0)
        return 0;
    ssize_t sent =
        send(bufferevent_getfd(conn->bev), bytes, length, MSG_NOSIGNAL);
    return sent < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : sent;
}

/* EV_WRITE is on anyway; enabling it again fails if the socket cannot be
 * watched, which bufferevent_write does not report. */
static bool queue(struct conn *conn, unsigned char *bytes, size_t length)
{
    return length == 0 || (bufferevent_write(conn->bev, bytes, length) == 0 &&
                              bufferevent_enable(conn->bev, EV_WRITE) == 0);
}

/* Answer all of the input. If too much of the answer waits, the peer has to
 * wait as well. */
static void read_cb(struct bufferevent *bev, void *arg)
{
    struct conn *conn = arg;
    struct clients *clients = conn->clients;
    struct evbuffer *input = bufferevent_get_input(bev);
    size_t length = evbuffer_get_length(input);
    unsigned char *bytes = evbuffer_pullup(input, -1);

    conn->progress.moved = clients->now;
    if (!bytes) {
        conn_abandon(conn, "read the input of");
        return;
    }
    if (conn->finished) { /* it came after our goodbye */
        evbuffer_drain(input, length);
        return;
    }
    make_upper(bytes, length);
    ssize_t sent = send_directly(conn, bytes, length);
    if (sent < 0) {
        conn_error(conn, errno);
        return;
    }
    if (!queue(conn, bytes + sent, length - (size_t)sent)) {
        conn_abandon(conn, "queue an answer for");
        return;
    }
    evbuffer_drain(input, length);
    conn->progress.answered += length;
    clients->bytes += length;
    if (queued_output(conn) > clients->settings->output) {
        bufferevent_disable(bev, EV_READ);
        conn->waiting = true;
    }
    keep_memory(clients);
}

/* The output has drained to a quarter of its limit: read on, or end. */
static void write_cb(struct bufferevent *bev, void *arg)
{
    struct conn *conn = arg;

    if (conn->waiting && !conn->ended && bufferevent_enable(bev, EV_READ) < 0) {
        conn_abandon(conn, "watch");
        return;
    }
    if (queued_output(conn) > 0)
        return;
    if (conn->waiting)
        log_line(LEVEL_INFO, "flushed answer");
    conn->waiting = false;
    if (conn->ended)
        conn_close(conn);
}

static void event_cb(struct bufferevent *bev, short what, void *arg)
{
    int error = EVUTIL_SOCKET_ERROR(); /* before a call can change it */
    struct conn *conn = arg;

    if (!(what & BEV_EVENT_EOF)) {
        conn_error(conn, error);
        return;
    }
    conn->ended = true;
    if (queued_output(conn) == 0)
        conn_close(conn); /* else the peer still reads, and write_cb ends it */
}

/* Drop the client if its time is up. If all shall leave, say goodbye to one
 * that has its answers and is silent. */
static void conn_judge(struct conn *conn)
{
    struct clients *clients = conn->clients;
    struct client_counts *counts = &clients->counts;
    size_t queued = queued_output(conn);

    switch (progress_check(&conn->progress, bufferevent_getfd(conn->bev),
        queued, clients->now, clients->settings)) {
    case DROP_STUCK:
        conn_expel(conn, &counts->stuck, "takes none of its answer");
        break;
    case DROP_SLOW:
        conn_expel(conn, &counts->slow, "takes its answer too slowly");
        break;
    case DROP_IDLE:
        conn_expel(conn, &counts->idle, "was idle");
        break;
    case KEEP:
        if (clients->leaving && !conn->finished && queued == 0 &&
            clients->now - conn->progress.moved >= QUIET)
            conn_half_close(conn);
    }
}

/* A client that is refused is not worth a line: an attacker would fill the
 * disk. One line for all of them since the last tick. */
static void report_refused(struct clients *clients)
{
    struct client_counts *counts = &clients->counts;

    if (counts->full > clients->told.full)
        log_line(LEVEL_WARNING, "refused %lu clients: all %zu places are taken",
            counts->full - clients->told.full, clients->settings->clients);
    if (counts->address_full > clients->told.address_full)
        log_line(LEVEL_WARNING,
            "refused %lu clients: their address has %zu already",
            counts->address_full - clients->told.address_full,
            clients->settings->per_address);
    clients->told = *counts;
}

void clients_tick(struct clients *clients, unsigned milliseconds)
{
    struct conn *conn = LIST_FIRST(&clients->conns);

    clients->now += milliseconds;
    while (conn) {
        struct conn *next = LIST_NEXT(conn, next);

        conn_judge(conn);
        conn = next;
    }
    report_refused(clients);
}

/* Whether the client may enter; if not, it is counted. */
static bool pass_gate(struct clients *clients, const struct sockaddr *address,
    struct place **place)
{
    enum gate_answer answer = gate_enter(&clients->gate, address, place);

    clients->counts.full += answer == GATE_FULL;
    clients->counts.address_full += answer == GATE_ADDRESS_FULL;
    clients->counts.failed += answer == GATE_NO_MEMORY;
    if (answer == GATE_NO_MEMORY)
        log_line(LEVEL_ERROR, "cannot serve a client: %s", strerror(errno));
    return answer == GATE_IN;
}

/* Watch the connection, with the limits of its rate. Without Nagle's algorithm,
 * or the end of a long answer waits for the peer's delayed acknowledgement. A
 * connection that was made before the server ran has not got its KEEPALIVE. */
static bool conn_admit(struct conn *conn, evutil_socket_t fd)
{
    struct clients *clients = conn->clients;
    struct bufferevent *bev = conn->bev;
    int on = 1;

    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)) != 0)
        log_line(LEVEL_WARNING, "cannot set an option of a socket: %s",
            strerror(errno));
    bufferevent_setcb(bev, read_cb, write_cb, event_cb, conn);
    bufferevent_setwatermark(bev, EV_WRITE, clients->settings->output / 4, 0);
    return evbuffer_add_cb(bufferevent_get_output(bev), output_cb, clients) &&
           (!clients->rate ||
               bufferevent_set_rate_limit(bev, clients->rate) == 0) &&
           (!clients->group ||
               bufferevent_add_to_rate_limit_group(bev, clients->group) == 0) &&
           bufferevent_enable(bev, EV_READ) == 0;
}

void clients_add(
    struct clients *clients, evutil_socket_t fd, const struct sockaddr *address)
{
    struct place *place;

    if (!pass_gate(clients, address, &place)) {
        evutil_closesocket(fd);
        return;
    }
    struct conn *conn = calloc(1, sizeof(*conn));
    if (conn)
        conn->bev = bufferevent_socket_new(clients->base, fd, 0);
    if (!conn || !conn->bev) {
        log_line(LEVEL_ERROR, "cannot serve a client: %s", strerror(errno));
        clients->counts.failed++;
        gate_leave(&clients->gate, place);
        evutil_closesocket(fd);
        free(conn);
        return;
    }
    conn->clients = clients;
    conn->place = place;
    progress_start(&conn->progress, clients->now);
    LIST_INSERT_HEAD(&clients->conns, conn, next);
    clients->counts.served++;
    if (!conn_admit(conn, fd))
        conn_abandon(conn, "watch");
}

/* A bucket that is refilled several times a second, with room for what one
 * second brings. */
static struct ev_token_bucket_cfg *limit_rate(size_t rate)
{
    static const struct timeval tick = {0, 1000000 / REFILLS};
    size_t step = rate < REFILLS ? 1 : rate / REFILLS;
    size_t most = rate < step ? step : rate;

    return ev_token_bucket_cfg_new(step, most, step, most, &tick);
}

bool clients_open(struct clients *clients)
{
    const struct settings *settings = clients->settings;

    LIST_INIT(&clients->conns);
    gate_open(&clients->gate);
    if (settings->rate > 0 && !(clients->rate = limit_rate(settings->rate)))
        return false;
    if (settings->rate_all == 0)
        return true;
    clients->rate_all = limit_rate(settings->rate_all);
    if (clients->rate_all)
        clients->group =
            bufferevent_rate_limit_group_new(clients->base, clients->rate_all);
    return clients->group != NULL;
}

void clients_close(struct clients *clients)
{
    while (!LIST_EMPTY(&clients->conns))
        conn_free(LIST_FIRST(&clients->conns));
    if (clients->group)
        bufferevent_rate_limit_group_free(clients->group);
}

void clients_free(struct clients *clients)
{
    if (clients->rate)
        ev_token_bucket_cfg_free(clients->rate);
    if (clients->rate_all)
        ev_token_bucket_cfg_free(clients->rate_all);
}
