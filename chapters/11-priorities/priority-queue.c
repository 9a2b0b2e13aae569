/* priority-queue.c -- answers urgent clients soon, however busy bulk ones are.
 *
 * Build: cc -o priority-queue priority-queue.c -levent_core
 * Run:   ./priority-queue [-m none|priorities|limit] [ADDRESS PORT [BULK-PORT]]
 * Try:   echo hello | nc -N 127.0.0.1 9996; echo | nc -N 127.0.0.1 9995
 */
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <event2/util.h>

static const struct timeval REST = {1, 0}; /* after accept has failed */

/* Priorities; 0 is the most urgent. An event whose priority is not set, such as
 * that of a listener, has the middle one. */
enum { URGENT, MIDDLE, BULK, PRIORITIES };

enum { LONGEST = 1000 }; /* bytes of a line */
enum { STEPS = 300000 }; /* of the work for a bulk line: about 1 ms */

/* What keeps bulk clients from urgent ones: nothing, priorities, or a limit of
 * one callback a round for all but the urgent events as well. */
enum mode { NONE, BY_PRIORITY, LIMIT, MODES };
static const char *const mode_names[MODES] = {"none", "priorities", "limit"};

struct server {
    struct event_base *base;
    enum mode mode;
    struct evconnlistener *urgent; /* its clients are urgent ones */
    struct evconnlistener *bulk;
    struct event *rest_event; /* pending while no descriptor is left */
    unsigned long long jobs;  /* lines of bulk clients that were answered */
    LIST_HEAD(conn_list, conn) conns;
};

struct conn {
    struct server *server;
    struct bufferevent *bev; /* owns the fd */
    bool bulk;
    bool ended; /* the peer has sent all that it will */
    LIST_ENTRY(conn) next;
};

static void usage(int status)
{
    fprintf(status ? stderr : stdout,
        "usage: priority-queue [-m MODE] [ADDRESS PORT [BULK-PORT]]\n");
    exit(status);
}

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

/* Send small answers at once: with Nagle's algorithm on, the end of a long
 * answer would wait up to 40 ms for the peer's delayed acknowledgement. */
static void set_nodelay(evutil_socket_t fd)
{
    int on = 1;

    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)
        print_line(stderr, "cannot set TCP_NODELAY: %s", strerror(errno));
}

/* Afterwards a descriptor is free, and a client may be waiting for it. */
static void conn_free(struct conn *conn)
{
    struct server *server = conn->server;

    LIST_REMOVE(conn, next);
    bufferevent_free(conn->bev);
    free(conn);
    if (event_pending(server->rest_event, EV_TIMEOUT, NULL)) {
        evconnlistener_enable(server->urgent);
        evconnlistener_enable(server->bulk);
    }
}

/* A failure for one client must not end the server. */
static void conn_fail(struct conn *conn, const char *what)
{
    print_line(stderr, "cannot %s a client: %s", what, strerror(errno));
    conn_free(conn);
}

/* What a bulk client asks for: a checksum that takes its time. */
static unsigned long long checksum(const char *line, size_t length)
{
    unsigned long long sum = 0xcbf29ce484222325;

    for (size_t i = 0; i < length; i++)
        sum = (sum ^ (unsigned char)line[i]) * 0x100000001b3;
    for (int step = 0; step < STEPS; step++)
        sum = (sum ^ sum >> 32) * 0x100000001b3;
    return sum;
}

/* Where the first line of the input ends, or -1 if no line is complete. */
static ssize_t line_end(struct conn *conn)
{
    struct evbuffer *input = bufferevent_get_input(conn->bev);

    return evbuffer_search_eol(input, NULL, NULL, EVBUFFER_EOL_CRLF).pos;
}

/* Answer the first line of the input. False if that cannot be done. */
static bool answer_next(struct conn *conn)
{
    size_t length;
    char *line = evbuffer_readln(
        bufferevent_get_input(conn->bev), &length, EVBUFFER_EOL_CRLF);
    char answer[64];

    if (!line)
        return false;
    if (conn->bulk)
        sprintf(answer, "%016llx\n", checksum(line, length));
    else
        sprintf(answer, "%llu jobs done\n", conn->server->jobs);
    conn->server->jobs += conn->bulk;
    free(line);
    return bufferevent_write(conn->bev, answer, strlen(answer)) == 0 &&
           bufferevent_enable(conn->bev, EV_WRITE) == 0;
}

/* Answer one line: no callback takes longer than that. The next one is answered
 * when this answer is sent, by write_cb, in a later round: until then it waits
 * in the input, and we do not read. */
static void conn_serve(struct conn *conn)
{
    size_t length = evbuffer_get_length(bufferevent_get_input(conn->bev));
    size_t unsent = evbuffer_get_length(bufferevent_get_output(conn->bev));
    ssize_t end = line_end(conn);

    if (end > LONGEST || (end < 0 && length > LONGEST)) {
        print_line(stderr, "dropped a client: its line is too long");
        conn_free(conn);
        return;
    }
    if (end >= 0 && unsent == 0 && !answer_next(conn))
        conn_fail(conn, "answer");
    else if (line_end(conn) >= 0)
        bufferevent_disable(conn->bev, EV_READ);
    else if (!conn->ended && bufferevent_enable(conn->bev, EV_READ) < 0)
        conn_fail(conn, "watch");
}

static void read_cb(struct bufferevent *bev, void *arg)
{
    conn_serve(arg);
}

/* All answers are sent: end, or go on with a line that waits. */
static void write_cb(struct bufferevent *bev, void *arg)
{
    struct conn *conn = arg;

    if (conn->ended && line_end(conn) < 0) {
        print_line(stdout, "Connection closed.");
        conn_free(conn);
    } else {
        conn_serve(conn);
    }
}

static void event_cb(struct bufferevent *bev, short what, void *arg)
{
    struct conn *conn = arg;

    conn->ended = true; /* at EOF the peer still reads, and write_cb ends it */
    if (what & BEV_EVENT_ERROR)
        conn_fail(conn, "talk to");
    else if (evbuffer_get_length(bufferevent_get_output(bev)) == 0)
        write_cb(bev, conn);
}

static void accept_cb(struct evconnlistener *listener, evutil_socket_t fd,
    struct sockaddr *address, int length, void *arg)
{
    struct server *server = arg;
    struct conn *conn = calloc(1, sizeof(*conn));

    if (conn)
        conn->bev =
            bufferevent_socket_new(server->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (!conn || !conn->bev) {
        print_line(stderr, "cannot serve a client: %s", strerror(errno));
        evutil_closesocket(fd);
        free(conn);
        return;
    }
    conn->server = server;
    conn->bulk = listener == server->bulk;
    LIST_INSERT_HEAD(&server->conns, conn, next);
    set_nodelay(fd);
    int priority = conn->bulk && server->mode != NONE ? BULK : URGENT;
    bufferevent_setcb(conn->bev, read_cb, write_cb, event_cb, conn);
    if (bufferevent_priority_set(conn->bev, priority) < 0 ||
        bufferevent_enable(conn->bev, EV_READ) < 0)
        conn_fail(conn, "watch");
}

/* The pause is over. The event is persistent, so that another second passes if
 * the listeners cannot be enabled. */
static void rest_over_cb(evutil_socket_t fd, short what, void *arg)
{
    struct server *server = arg;

    if (evconnlistener_enable(server->urgent) == 0 &&
        evconnlistener_enable(server->bulk) == 0)
        event_del(server->rest_event);
}

/* With no descriptor left, accepting would fail again and again. So it pauses
 * until conn_free has closed a descriptor, or for a second. */
static void accept_error_cb(struct evconnlistener *listener, void *arg)
{
    int error = EVUTIL_SOCKET_ERROR(); /* before a call can change it */
    struct server *server = arg;

    if (!event_pending(server->rest_event, EV_TIMEOUT, NULL)) {
        print_line(stderr, "cannot accept, trying again in a second: %s",
            evutil_socket_error_to_string(error));
        if (event_add(server->rest_event, &REST) < 0)
            return; /* without a clock, accepting must not stop */
    }
    evconnlistener_disable(listener);
}

static void signal_cb(evutil_socket_t signum, short what, void *arg)
{
    event_base_loopbreak(arg);
}

static struct evconnlistener *listen_on(
    struct server *server, const char *host, const char *port)
{
    struct evutil_addrinfo *address = resolve(host, port);
    struct evconnlistener *listener =
        evconnlistener_new_bind(server->base, accept_cb, server,
            LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE,
            SOMAXCONN, address->ai_addr, (int)address->ai_addrlen);

    if (!listener)
        err(1, "cannot listen on %s port %s", host, port);
    if (evconnlistener_enable(listener) < 0) /* new_bind does not report it */
        errx(1, "cannot watch the listening socket");
    evconnlistener_set_error_cb(listener, accept_error_cb);
    evutil_freeaddrinfo(address);
    return listener;
}

/* Make EVENT pending, at start-up: an event that cannot be added ends the
 * program. */
static void add_event(struct event *event)
{
    if (!event || event_add(event, NULL) < 0)
        errx(1, "cannot add an event");
}

/* A base with what MODE asks for. */
static struct event_base *make_base_for(enum mode mode)
{
    struct event_config *config = event_config_new();

    if (!config || (mode == LIMIT && event_config_set_max_dispatch_interval(
                                         config, NULL, 1, MIDDLE) < 0))
        errx(1, "cannot configure an event base");
    struct event_base *base = event_base_new_with_config(config);
    if (!base || (mode != NONE && event_base_priority_init(base, PRIORITIES)))
        errx(1, "cannot make an event base");
    event_config_free(config);
    return base;
}

static enum mode mode_called(const char *name)
{
    for (int mode = 0; mode < MODES; mode++)
        if (strcmp(name, mode_names[mode]) == 0)
            return mode;
    usage(2);
    return NONE;
}

int main(int argc, char **argv)
{
    open_standard_fds();
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        usage(0);
    struct server server = {.mode = LIMIT};
    if (argc > 2 && strcmp(argv[1], "-m") == 0) {
        server.mode = mode_called(argv[2]);
        argc -= 2;
        argv += 2;
    }
    if (argc == 2 || argc > 4 || (argc > 2 && parse_port(argv[2]) < 0) ||
        (argc > 3 && parse_port(argv[3]) < 0))
        usage(2);
    signal(SIGPIPE, SIG_IGN); /* writing to a closed connection must fail */

    server.base = make_base_for(server.mode);
    LIST_INIT(&server.conns);

    //> listen
    const char *host = argc > 1 ? argv[1] : "127.0.0.1";
    server.urgent = listen_on(&server, host, argc > 2 ? argv[2] : "9995");
    server.bulk = listen_on(&server, host,
        argc > 3   ? argv[3]
        : argc > 1 ? "0"
                   : "9996");

    //> events
    server.rest_event =
        event_new(server.base, -1, EV_PERSIST, rest_over_cb, &server);
    struct event *interrupt =
        evsignal_new(server.base, SIGINT, signal_cb, server.base);
    struct event *terminate =
        evsignal_new(server.base, SIGTERM, signal_cb, server.base);
    if (!server.rest_event)
        errx(1, "cannot make an event");
    add_event(interrupt);
    add_event(terminate);
    event_priority_set(interrupt, URGENT); /* urgent clients must not keep us */
    event_priority_set(terminate, URGENT); /* from ending */

    //> run
    print_ready(evconnlistener_get_fd(server.urgent));
    print_ready(evconnlistener_get_fd(server.bulk));
    int result = event_base_dispatch(server.base);

    //> clean-up
    while (!LIST_EMPTY(&server.conns))
        conn_free(LIST_FIRST(&server.conns));
    evconnlistener_free(server.bulk);
    evconnlistener_free(server.urgent);
    event_free(terminate);
    event_free(interrupt);
    event_free(server.rest_event);
    event_base_free(server.base);
    print_line(stdout, "done");
    return result < 0 ? 1 : 0;
}
