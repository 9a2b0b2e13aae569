/* conn.c -- a connection: its turns, its buffers, and their limit. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include <event2/event.h>
#include <event2/util.h>

#include "server.h"

static const struct timeval SECOND = {1, 0};

/* Bytes that were read or are to be sent, from BEGIN to END. */
struct bytes {
    char *at; /* NULL if there are none */
    size_t begin, end, room;
};

/* A connection either waits for commands, or has unsent answers and reads
 * nothing. While it waits it has no buffer, except for a command that has come
 * in part. */
struct conn {
    struct server *server;
    evutil_socket_t fd;
    struct event *read_event;
    struct event *write_event;
    struct client client;
    struct bytes rest;   /* of the input, to be answered later */
    struct bytes unsent; /* answers that did not fit into the socket */
    size_t held;         /* memory for what has come in part */
    uint32_t moved;      /* the second in which more came, or was handled */
    LIST_ENTRY(conn) next;
    TAILQ_ENTRY(conn) next_holder;
};

/* Add SIZE bytes. Where there is no room for them, it is doubled, so that a
 * byte is moved once or twice, however few come at a time. False if there is no
 * memory. */
static bool bytes_add(struct bytes *bytes, const char *more, size_t size)
{
    size_t kept = bytes->end - bytes->begin;

    if (bytes->room - bytes->end < size) {
        size_t room = kept < size ? kept + size : 2 * kept;
        char *wider = malloc(room);

        if (!wider)
            return false;
        if (kept > 0)
            memcpy(wider, bytes->at + bytes->begin, kept);
        free(bytes->at);
        *bytes = (struct bytes){wider, 0, kept, room};
    }
    memcpy(bytes->at + bytes->end, more, size);
    bytes->end += size;
    return true;
}

static void bytes_take(struct bytes *bytes, size_t size)
{
    bytes->begin += size;
    if (bytes->begin < bytes->end)
        return;
    free(bytes->at);
    *bytes = (struct bytes){0};
}

/* Note how much memory the client holds, and that it has just moved. */
static void note_held(struct conn *conn, size_t held)
{
    struct server *server = conn->server;

    if (conn->held > 0)
        TAILQ_REMOVE(&server->holders, conn, next_holder);
    if (held > 0)
        TAILQ_INSERT_TAIL(&server->holders, conn, next_holder);
    server->held += held - conn->held;
    conn->held = held;
    conn->moved = server->cache.store->now;
}

void conn_free(struct conn *conn)
{
    struct server *server = conn->server;

    LIST_REMOVE(conn, next);
    note_held(conn, 0);
    server->cache.connections--;
    client_end(&conn->client);
    if (conn->read_event)
        event_free(conn->read_event);
    if (conn->write_event)
        event_free(conn->write_event);
    evutil_closesocket(conn->fd);
    free(conn->rest.at);
    free(conn->unsent.at);
    free(conn);
    listeners_resume(server->listeners); /* a descriptor is free now */
}

/* Free the memory of a command that does not go on: its value, or else the
 * client. */
static void conn_give_up(struct conn *conn)
{
    if (conn->client.item) {
        client_give_up(&conn->client);
        note_held(conn, conn->rest.room);
    } else {
        conn_free(conn);
    }
}

/* Unfinished commands of all clients may not use more than their share of
 * memory. Those of the clients that were silent for longest are given up. */
static bool conn_hold(struct conn *conn)
{
    struct server *server = conn->server;
    size_t held = client_holds(&conn->client) + conn->rest.room;
    struct conn *first;

    if (held == 0 && conn->held == 0)
        return true;
    note_held(conn, held);
    while (server->held > server->held_most &&
           (first = TAILQ_FIRST(&server->holders)) != conn)
        conn_give_up(first);
    return held == 0 || event_pending(server->patrol, EV_TIMEOUT, NULL) ||
           event_add(server->patrol, &SECOND) == 0;
}

/* A client with unsent answers, whose read_event is off, has no time limit. */
void patrol_cb(evutil_socket_t fd, short what, void *arg)
{
    struct server *server = arg;
    struct conn *conn = TAILQ_FIRST(&server->holders), *next;

    store_tick(server->cache.store);
    for (; conn; conn = next) {
        next = TAILQ_NEXT(conn, next_holder);
        if (server->cache.store->now - conn->moved <= server->patience)
            break;
        if (event_pending(conn->read_event, EV_READ, NULL))
            conn_free(conn);
    }
    if (TAILQ_EMPTY(&server->holders))
        event_del(server->patrol);
}

/* Send what fits into the socket and keep the rest. False if the connection has
 * failed, or there is no memory. */
static bool conn_send(struct conn *conn, const char *bytes, size_t size)
{
    ssize_t sent = size > 0 ? send(conn->fd, bytes, size, 0) : 0;

    if (sent < 0 && errno != EAGAIN && errno != EINTR)
        return false;
    if (sent < 0)
        sent = 0;
    if (conn->unsent.at)
        bytes_take(&conn->unsent, (size_t)sent);
    else if ((size_t)sent < size)
        return bytes_add(&conn->unsent, bytes + sent, size - (size_t)sent);
    return true;
}

/* Wait until the socket is writable, or until it is readable. The other event
 * is not pending. */
static bool conn_wait(struct conn *conn, bool to_write)
{
    struct event *event = to_write ? conn->write_event : conn->read_event;
    struct event *other = to_write ? conn->read_event : conn->write_event;

    return event_pending(event, EV_READ | EV_WRITE, NULL) ||
           (event_add(event, NULL) == 0 && event_del(other) == 0);
}

/* Answer SIZE bytes of INPUT. If that is too much for a turn, or the socket is
 * full, the next turn begins when the socket is writable, which may be at once:
 * until then other clients have theirs, and nothing is read. */
static void conn_turn(struct conn *conn, char *input, size_t size)
{
    struct cache *cache = &conn->server->cache;
    bool kept = true;
    size_t taken;

    turn_begin(cache);
    taken = client_take(&conn->client, input, size);
    if (conn->rest.at)
        bytes_take(&conn->rest, taken);
    else if (taken < size)
        kept = bytes_add(&conn->rest, input + taken, size - taken);
    if (!kept || !conn_send(conn, cache->answers, cache->answered) ||
        (conn->client.closing && !conn->unsent.at) ||
        !conn_wait(conn, turn_is_over(cache) || conn->unsent.at) ||
        !conn_hold(conn))
        conn_free(conn);
}

/* Have a turn with the kept input, or else with SIZE bytes that have just been
 * read. */
static void conn_go_on(struct conn *conn, size_t size)
{
    struct bytes *rest = &conn->rest;

    store_tick(conn->server->cache.store);
    if (rest->at)
        conn_turn(conn, rest->at + rest->begin, rest->end - rest->begin);
    else
        conn_turn(conn, conn->server->input, size);
}

/* Read once, behind the input that is kept, and write once. */
static void read_cb(evutil_socket_t fd, short what, void *arg)
{
    struct conn *conn = arg;
    char *input = conn->server->input;
    ssize_t size = recv(fd, input, READ_SIZE, 0);

    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    /* The client has ended, and all its commands are answered. */
    if (size <= 0 ||
        (conn->rest.at && !bytes_add(&conn->rest, input, (size_t)size))) {
        conn_free(conn);
        return;
    }
    conn_go_on(conn, (size_t)size);
}

/* The socket is writable again. Once all answers are sent, the next commands
 * are answered; those that were read already come first. */
static void write_cb(evutil_socket_t fd, short what, void *arg)
{
    struct conn *conn = arg;
    struct bytes *unsent = &conn->unsent;

    if (unsent->at && !conn_send(conn, unsent->at + unsent->begin,
                          unsent->end - unsent->begin))
        conn_free(conn);
    else if (!unsent->at)
        conn_go_on(conn, 0);
}

struct conn *conn_new(struct server *server, evutil_socket_t fd)
{
    struct conn *conn = calloc(1, sizeof(*conn));

    if (!conn) {
        evutil_closesocket(fd);
        return NULL;
    }
    conn->server = server;
    conn->fd = fd;
    conn->client.cache = &server->cache;
    conn->read_event =
        event_new(server->base, fd, EV_READ | EV_PERSIST, read_cb, conn);
    conn->write_event =
        event_new(server->base, fd, EV_WRITE | EV_PERSIST, write_cb, conn);
    LIST_INSERT_HEAD(&server->conns, conn, next);
    server->cache.connections++;
    server->cache.counts.connections++;
    if (conn->read_event && conn->write_event &&
        event_add(conn->read_event, NULL) == 0)
        return conn;
    conn_free(conn);
    return NULL;
}
