/* Starter and solution in one: look once you have passed (make compare-NN). */
/* map.c -- an echo server on a reactor of its own, with a descriptor map.
 *
 * Build: cc -o map map.c
 * Run:   ./map [PORT]            (8888, on 127.0.0.1)
 * Try:   nc 127.0.0.1 8888; and here: count, kick 1
 */
#define _GNU_SOURCE /* accept4 */
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BATCH = 64, FIRST_SIZE = 16, BUFFER_SIZE = 65536, LINE_SIZE = 100 };

/* What an event waits for. GONE: the peer will send no more. */
enum { READ = EPOLLIN, WRITE = EPOLLOUT, GONE = EPOLLRDHUP };

struct event {
    int fd;
    uint32_t interest; /* READ, WRITE or GONE */
    void (*callback)(void *arg);
    void *arg;
    bool pending;       /* it is in the map */
    struct event *next; /* of the same descriptor */
#ifdef SOLUTION
    bool active; /* it is in the queue */
    TAILQ_ENTRY(event) next_active;
#endif
};

/* What the map holds for a descriptor. */
struct entry {
    struct event *first; /* of the events that wait for it */
    uint32_t registered; /* what epoll looks for; 0: it does not know it */
};

struct reactor {
    int epoll;
    bool stop;
    struct entry *map; /* by descriptor */
    size_t size;       /* of the map */
#ifdef SOLUTION
    TAILQ_HEAD(, event) active; /* their callbacks run next */
#endif
};

/* --- the reactor: the faults are here --- */

static void reactor_init(struct reactor *reactor)
{
    reactor->epoll = epoll_create1(EPOLL_CLOEXEC);
    reactor->size = FIRST_SIZE;
    reactor->map = calloc(FIRST_SIZE, sizeof(struct entry));
    if (reactor->epoll < 0 || !reactor->map)
        err(1, "cannot make a reactor");
#ifdef SOLUTION
    TAILQ_INIT(&reactor->active);
#endif
}

static void event_set(struct event *event, int fd, uint32_t interest,
    void (*callback)(void *arg), void *arg)
{
    *event = (struct event){
        .fd = fd,
        .interest = interest,
        .callback = callback,
        .arg = arg,
    };
}

static void reactor_clear(struct reactor *reactor)
{
    close(reactor->epoll);
    free(reactor->map);
}

#ifdef SOLUTION
/* Tell epoll what to look for on FD from now on. */
static int watch(struct reactor *reactor, int fd, uint32_t interest)
{
    struct entry *entry = &reactor->map[fd];
    struct epoll_event event = {.events = interest, .data.fd = fd};
    int operation = EPOLL_CTL_MOD;

    if (interest == entry->registered)
        return 0;
    if (entry->registered == 0)
        operation = EPOLL_CTL_ADD;
    else if (interest == 0)
        operation = EPOLL_CTL_DEL;
    if (epoll_ctl(reactor->epoll, operation, fd, &event) != 0)
        return -1;
    entry->registered = interest;
    return 0;
}

/* What the events of a descriptor wait for, all together. */
static uint32_t all_interests(const struct entry *entry)
{
    uint32_t interests = 0;

    for (struct event *event = entry->first; event; event = event->next)
        interests |= event->interest;
    return interests;
}

static int make_room(struct reactor *reactor, size_t fd)
{
    size_t size = reactor->size;

    while (size <= fd)
        size *= 2;
    if (size == reactor->size)
        return 0;
    struct entry *map = realloc(reactor->map, size * sizeof(*map));
    if (!map)
        return -1;
    memset(map + reactor->size, 0, (size - reactor->size) * sizeof(*map));
    reactor->map = map;
    reactor->size = size;
    return 0;
}

static int event_add(struct reactor *reactor, struct event *event)
{
    if (event->pending)
        return 0;
    if (make_room(reactor, (size_t)event->fd) < 0)
        return -1;
    struct entry *entry = &reactor->map[event->fd];
    if (watch(reactor, event->fd, all_interests(entry) | event->interest) < 0)
        return -1;
    event->next = entry->first;
    entry->first = event;
    event->pending = true;
    return 0;
}

static void event_del(struct reactor *reactor, struct event *event)
{
    if (event->active)
        TAILQ_REMOVE(&reactor->active, event, next_active);
    event->active = false;
    if (!event->pending)
        return;
    struct entry *entry = &reactor->map[event->fd];
    struct event **link = &entry->first;
    while (*link != event)
        link = &(*link)->next;
    *link = event->next;
    event->pending = false;
    if (watch(reactor, event->fd, all_interests(entry)) < 0)
        err(1, "cannot stop watching descriptor %d", event->fd);
}

/* The descriptor is ready: its events go to the queue. An error concerns each
 * of them. */
static void make_active(
    struct reactor *reactor, const struct epoll_event *ready)
{
    struct event *event = reactor->map[ready->data.fd].first;

    for (; event; event = event->next)
        if (ready->events & (event->interest | EPOLLHUP | EPOLLERR)) {
            TAILQ_INSERT_TAIL(&reactor->active, event, next_active);
            event->active = true;
        }
}

/* First all that is ready goes to the queue, then the callbacks run: one that
 * deletes an event takes it out of the queue as well. */
static void run(struct reactor *reactor)
{
    struct epoll_event batch[BATCH];
    struct event *event;

    while (!reactor->stop) {
        int count = epoll_wait(reactor->epoll, batch, BATCH, -1);

        if (count < 0 && errno != EINTR)
            err(1, "epoll_wait");
        for (int i = 0; i < count; i++)
            make_active(reactor, &batch[i]);
        while ((event = TAILQ_FIRST(&reactor->active))) {
            TAILQ_REMOVE(&reactor->active, event, next_active);
            event->active = false;
            event->callback(event->arg);
        }
    }
}
#else
/* Make EVENT pending. Returns 0, or -1 if that fails. */
static int event_add(struct reactor *reactor, struct event *event)
{
    struct entry *entry = &reactor->map[event->fd];
    struct epoll_event wanted = {
        .events = event->interest,
        .data.fd = event->fd,
    };

    if (event->pending)
        return 0;
    event->next = entry->first;
    entry->first = event;
    event->pending = true;
    if (event->interest == entry->registered)
        return 0;
    if (epoll_ctl(reactor->epoll,
            entry->registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, event->fd,
            &wanted) != 0)
        return -1;
    entry->registered = event->interest;
    return 0;
}

/* After this the event can be freed, or added again. */
static void event_del(struct reactor *reactor, struct event *event)
{
    struct event **link = &reactor->map[event->fd].first;

    if (!event->pending)
        return;
    while (*link != event)
        link = &(*link)->next;
    *link = event->next;
    event->pending = false;
    epoll_ctl(reactor->epoll, EPOLL_CTL_DEL, event->fd, NULL);
}

/* The descriptor is ready: run the callbacks of its events. */
static void dispatch(struct reactor *reactor, const struct epoll_event *ready)
{
    struct event *event = reactor->map[ready->data.fd].first;

    for (; event; event = event->next)
        if (ready->events & event->interest)
            event->callback(event->arg);
}

static void run(struct reactor *reactor)
{
    struct epoll_event batch[BATCH];

    while (!reactor->stop) {
        int count = epoll_wait(reactor->epoll, batch, BATCH, -1);

        if (count < 0 && errno != EINTR)
            err(1, "epoll_wait");
        for (int i = 0; i < count; i++)
            dispatch(reactor, &batch[i]);
    }
}
#endif

/* --- the server: nothing to mend from here on --- */

struct server {
    struct reactor reactor;
    struct event listener, input, terminate;
    int clients; /* so far; each has a number */
    size_t length;
    char line[LINE_SIZE]; /* of the input, not whole yet */
    LIST_HEAD(, conn) conns;
};

struct conn {
    struct server *server;
    int fd;
    int number;
    struct event read;  /* pending while there is room in `bytes` */
    struct event write; /* pending while `bytes` wait to be sent */
    struct event gone;  /* pending until the client has closed its end */
    bool has_closed;    /* this has been printed */
    bool ended;         /* all that the client sent has been read */
    size_t length;
    char bytes[BUFFER_SIZE];
    LIST_ENTRY(conn) next;
};

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

/* Say where FD listens, on 127.0.0.1: given port 0, only the kernel knows. */
static void print_port(int fd)
{
    struct sockaddr_in address;
    socklen_t length = sizeof(address);

    if (getsockname(fd, (struct sockaddr *)&address, &length) != 0)
        err(1, "getsockname");
    printf("listening on 127.0.0.1 port %d\n", ntohs(address.sin_port));
}

/* The events go first: once the descriptor is closed, its number is free for
 * the next client. */
static void conn_free(struct conn *conn)
{
    struct server *server = conn->server;

    event_del(&server->reactor, &conn->read);
    event_del(&server->reactor, &conn->write);
    event_del(&server->reactor, &conn->gone);
    close(conn->fd);
    LIST_REMOVE(conn, next);
    free(conn);
    /* It may have been without descriptors: there is one now. */
    if (event_add(&server->reactor, &server->listener) < 0)
        err(1, "cannot watch the listening socket");
}

static int set_pending(struct conn *conn, struct event *event, bool pending)
{
    if (pending)
        return event_add(&conn->server->reactor, event);
    event_del(&conn->server->reactor, event);
    return 0;
}

/* Send what can be sent. The connection may be freed. */
static void conn_send(struct conn *conn)
{
    ssize_t sent = send(conn->fd, conn->bytes, conn->length, MSG_NOSIGNAL);

    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        conn_free(conn);
        return;
    }
    if (sent > 0) {
        conn->length -= (size_t)sent;
        memmove(conn->bytes, conn->bytes + sent, conn->length);
    }
    if ((conn->ended && conn->length == 0) ||
        set_pending(conn, &conn->write, conn->length > 0) < 0 ||
        set_pending(
            conn, &conn->read, !conn->ended && conn->length < BUFFER_SIZE) < 0)
        conn_free(conn);
}

/* Print that the client has closed its end, once. */
static void print_closed(struct conn *conn)
{
    if (!conn->has_closed)
        printf("client %d has closed its end\n", conn->number);
    conn->has_closed = true;
}

static void read_cb(void *arg)
{
    struct conn *conn = arg;
    ssize_t length = recv(conn->fd, conn->bytes + conn->length,
        sizeof(conn->bytes) - conn->length, 0);

    if (length < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (length < 0) {
        conn_free(conn);
        return;
    }
    if (length == 0) {
        print_closed(conn);
        conn->ended = true;
    }
    conn->length += (size_t)length;
    conn_send(conn);
}

static void write_cb(void *arg)
{
    conn_send(arg);
}

/* The client will send no more. This is known at once, even while `bytes` are
 * full and nothing is read. */
static void gone_cb(void *arg)
{
    struct conn *conn = arg;

    print_closed(conn);
    event_del(&conn->server->reactor, &conn->gone);
}

static void accept_cb(void *arg)
{
    struct server *server = arg;
    int fd =
        accept4(server->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0) { /* without descriptors: wait until a client has left */
        if (errno == EMFILE || errno == ENFILE)
            event_del(&server->reactor, &server->listener);
        return;
    }
    struct conn *conn = calloc(1, sizeof(*conn));
    if (!conn) {
        warn("cannot serve a connection");
        close(fd);
        return;
    }
    conn->server = server;
    conn->fd = fd;
    conn->number = ++server->clients;
    event_set(&conn->read, fd, READ, read_cb, conn);
    event_set(&conn->write, fd, WRITE, write_cb, conn);
    event_set(&conn->gone, fd, GONE, gone_cb, conn);
    LIST_INSERT_HEAD(&server->conns, conn, next);
    conn->length = (size_t)snprintf(
        conn->bytes, sizeof(conn->bytes), "you are %d\n", conn->number);
    if (event_add(&server->reactor, &conn->read) < 0 ||
        event_add(&server->reactor, &conn->gone) < 0) {
        warn("cannot watch client %d", conn->number);
        conn_free(conn);
        return;
    }
    conn_send(conn);
}

/* A command of the operator's: count, or kick N. */
static void do_command(struct server *server, const char *line)
{
    int number, count = 0;
    bool is_kick = sscanf(line, "kick %d", &number) == 1;
    struct conn *conn, *kicked = NULL;

    LIST_FOREACH (conn, &server->conns, next) {
        count++;
        if (is_kick && conn->number == number)
            kicked = conn;
    }
    if (!is_kick)
        printf("clients: %d\n", count);
    else if (kicked)
        printf("kicked %d\n", number);
    else
        printf("no client %d\n", number);
    if (kicked)
        conn_free(kicked);
}

static void input_cb(void *arg)
{
    struct server *server = arg;
    char *end;
    ssize_t length = read(STDIN_FILENO, server->line + server->length,
        LINE_SIZE - 1 - server->length);

    if (length < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (length <= 0) {
        printf("no more commands\n");
        event_del(&server->reactor, &server->input);
        return;
    }
    server->length += (size_t)length;
    server->line[server->length] = '\0';
    while ((end = strchr(server->line, '\n'))) {
        *end = '\0';
        do_command(server, server->line);
        server->length -= (size_t)(end + 1 - server->line);
        memmove(server->line, end + 1, server->length + 1);
    }
    if (server->length == LINE_SIZE - 1)
        server->length = 0; /* no command is that long */
}

static void terminate_cb(void *arg)
{
    struct server *server = arg;

    server->reactor.stop = true;
}

static int listen_locally(int port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons((in_port_t)port),
    };
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0)
        err(1, "cannot make a socket");
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(fd, SOMAXCONN) != 0)
        err(1, "cannot listen on port %d", port);
    return fd;
}

/* A descriptor that becomes readable when SIGTERM arrives. */
static int open_signals(void)
{
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    int fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    if (sigprocmask(SIG_BLOCK, &signals, NULL) != 0 || fd < 0)
        err(1, "cannot wait for signals");
    return fd;
}

int main(int argc, char **argv)
{
    int port = argc == 2 ? parse_port(argv[1]) : 8888;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc > 2 || port < 0) {
        fprintf(stderr, "usage: map [PORT]\n");
        return 2;
    }

    struct server server = {.clients = 0};
    struct reactor *reactor = &server.reactor;
    reactor_init(reactor);
    event_set(&server.listener, listen_locally(port), READ, accept_cb, &server);
    event_set(&server.terminate, open_signals(), READ, terminate_cb, &server);
    event_set(&server.input, STDIN_FILENO, READ, input_cb, &server);
    if (event_add(reactor, &server.listener) < 0 ||
        event_add(reactor, &server.terminate) < 0)
        err(1, "cannot add an event");
    if (event_add(reactor, &server.input) < 0)
        warn("cannot watch standard input"); /* such as a file */

    print_port(server.listener.fd);
    run(reactor);

    while (!LIST_EMPTY(&server.conns))
        conn_free(LIST_FIRST(&server.conns));
    event_del(reactor, &server.input);
    event_del(reactor, &server.listener);
    event_del(reactor, &server.terminate);
    close(server.listener.fd);
    close(server.terminate.fd);
    reactor_clear(reactor);
    return 0;
}
