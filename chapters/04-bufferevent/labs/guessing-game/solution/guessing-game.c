/* Starter and solution in one: look once you have passed (make compare-NN). */
/* guessing-game.c -- a server where many players guess, each their own number.
 *
 * Build: cc -o guessing-game guessing-game.c -levent_core
 * Run:   ./guessing-game [PORT [SEED [MS]]]     (8888, on 127.0.0.1; 1; 60000)
 * Try:   nc 127.0.0.1 8888, in two terminals at once
 */
#include <ctype.h>
#include <err.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <event2/util.h>

static const struct timeval REST = {1, 0}; /* after accept has failed */

enum {
    LARGEST = 100,    /* number that may be guessed; the smallest is 1 */
    LINE = 80,        /* bytes in a line, without its end */
    HIGH = 64 * 1024, /* with more bytes of output, reading stops */
    LOW = 16 * 1024   /* with this many bytes of output, it goes on */
};

struct game {
    struct event_base *base;
    unsigned seed;
    struct timeval patience; /* after this time a silent player is dropped */
    unsigned players;        /* that have come so far */
    LIST_HEAD(player_list, player) list;
};

struct player {
    struct game *game;
    struct bufferevent *bev; /* owns the fd */
    unsigned number;         /* 1 for the first player */
    unsigned round;          /* 1 for the first */
    unsigned tries;          /* in this round */
    int leaving;             /* no more guesses: what is queued is the last */
    LIST_ENTRY(player) next;
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

/* Send small answers at once: with Nagle's algorithm on, the end of a long
 * answer would wait up to 40 ms for the peer's delayed acknowledgement. */
static void set_nodelay(evutil_socket_t fd)
{
    int on = 1;

    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)
        warn("cannot set TCP_NODELAY");
}

/* Make EVENT pending, at start-up: an event that cannot be added ends the
 * program. */
static void add_event(struct event *event)
{
    if (!event || event_add(event, NULL) < 0)
        errx(1, "cannot add an event");
}

/* The number in TEXT, if it is from LEAST to MOST; else -1. */
static long parse_number(const char *text, long least, long most)
{
    char *end;
    long number = strtol(text, &end, 10);

    if (!isdigit((unsigned char)text[0]) || *end != '\0' || number < least ||
        number > most)
        return -1;
    return number;
}

#ifdef SOLUTION
/* What PLAYER has to guess in this round. */
static long secret_of(const struct player *player)
{
    unsigned mixed =
        player->game->seed + 37 * player->number + 61 * player->round;

    return 1 + mixed % LARGEST;
}

#endif
static void player_free(struct player *player)
{
    printf("player %u has left\n", player->number);
    LIST_REMOVE(player, next);
    bufferevent_free(player->bev);
    free(player);
}

/* A failure for one player ends that connection, not the server. */
static void player_fail(struct player *player, const char *why)
{
    warnx("lost player %u: %s", player->number, why);
    player_free(player);
}

/* Queue a line for PLAYER. Returns -1 if that fails. */
static int say(struct player *player, const char *format, ...)
{
    struct evbuffer *output = bufferevent_get_output(player->bev);
    va_list arguments;

    va_start(arguments, format);
    int added = evbuffer_add_vprintf(output, format, arguments);
    va_end(arguments);
    return added < 0 ? -1 : evbuffer_add(output, "\n", 1);
}

#ifdef SOLUTION
/* Read no more from PLAYER. The queue is still sent: then write_cb frees it. */
static void player_leave(struct player *player)
{
    player->leaving = 1;
    bufferevent_disable(player->bev, EV_READ);
    if (evbuffer_get_length(bufferevent_get_output(player->bev)) == 0)
        player_free(player);
}

static void say_goodbye(struct player *player, const char *why)
{
    if (say(player, "goodbye, %s", why) < 0)
        player_fail(player, "cannot queue an answer");
    else
        player_leave(player);
}

/* Returns -1 if the answer cannot be queued. */
static int take_guess(struct player *player, const char *line)
{
    long guess = parse_number(line, 1, LARGEST);
    long secret = secret_of(player);

    if (guess < 0)
        return say(player,
            "that is no whole number from 1 to %d, and does not count",
            LARGEST);
    player->tries++;
    if (guess < secret)
        return say(player, "higher");
    if (guess > secret)
        return say(player, "lower");
    int result = say(player, "right in %u tries", player->tries);
    player->round++;
    player->tries = 0;
    return result;
}

#endif
static void read_cb(struct bufferevent *bev, void *arg)
{
#ifdef SOLUTION
    struct player *player = arg;
    struct evbuffer *input = bufferevent_get_input(bev);
    size_t length = 0;
    int result = 0;
    char *line;

    while (result == 0 && length <= LINE &&
           (line = evbuffer_readln(input, &length, EVBUFFER_EOL_CRLF))) {
        if (length <= LINE)
            result = take_guess(player, strlen(line) == length ? line : "");
        free(line);
    }
    if (result < 0)
        player_fail(player, "cannot queue an answer");
    else if (length > LINE || evbuffer_get_length(input) > LINE + 1)
        say_goodbye(player, "your line is too long");
    else if (evbuffer_get_length(bufferevent_get_output(bev)) > HIGH)
        bufferevent_disable(bev, EV_READ);
#else
    /* yours: all guesses that have come, a line that is too long, and a player
     * who does not read the answers */
#endif
}

/* The output has drained to LOW or below. */
static void write_cb(struct bufferevent *bev, void *arg)
{
#ifdef SOLUTION
    struct player *player = arg;

    if (player->leaving &&
        evbuffer_get_length(bufferevent_get_output(bev)) == 0)
        player_free(player);
    else if (!player->leaving && bufferevent_enable(bev, EV_READ) < 0)
        player_fail(player, "cannot read on");
#else
    /* yours: listen again, or end the connection */
#endif
}

static void event_cb(struct bufferevent *bev, short what, void *arg)
{
#ifdef SOLUTION
    int error = EVUTIL_SOCKET_ERROR(); /* before a call can change it */
    struct player *player = arg;

    if (what & BEV_EVENT_EOF)
        player_leave(player);
    else if (what & BEV_EVENT_TIMEOUT && what & BEV_EVENT_READING)
        say_goodbye(player, "you were silent for too long");
    else if (what & BEV_EVENT_TIMEOUT)
        player_fail(player, "reads nothing");
    else
        player_fail(player, evutil_socket_error_to_string(error));
#else
    /* yours: the player has left, or is silent, or reads nothing */
#endif
}

static void accept_cb(struct evconnlistener *listener, evutil_socket_t fd,
    struct sockaddr *address, int length, void *arg)
{
    struct game *game = arg;
    struct player *player = calloc(1, sizeof(*player));

    if (player)
        player->bev =
            bufferevent_socket_new(game->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (!player || !player->bev) {
        warnx("cannot take a connection");
        free(player);
        evutil_closesocket(fd);
        return;
    }
    set_nodelay(fd);
    player->game = game;
    player->number = ++game->players;
    player->round = 1;
    LIST_INSERT_HEAD(&game->list, player, next);
    printf("player %u has come\n", player->number);
    bufferevent_setcb(player->bev, read_cb, write_cb, event_cb, player);
    if (say(player, "player %u: guess a number from 1 to %d", player->number,
            LARGEST) < 0) {
        player_fail(player, "cannot queue an answer");
        return;
    }
#ifdef SOLUTION
    bufferevent_setwatermark(player->bev, EV_WRITE, LOW, 0);
    if (bufferevent_set_timeouts(
            player->bev, &game->patience, &game->patience) < 0 ||
        bufferevent_enable(player->bev, EV_READ) < 0)
        player_fail(player, "cannot watch the connection");
#else
    /* yours: what else the bufferevent needs */
#endif
}

static void rest_cb(evutil_socket_t fd, short what, void *arg)
{
    if (evconnlistener_enable(arg) < 0)
        warnx("cannot accept again");
}

/* With no descriptor left, accepting would fail again and again: it pauses. */
static void accept_error_cb(struct evconnlistener *listener, void *arg)
{
    struct event_base *base = evconnlistener_get_base(listener);

    warn("cannot accept, trying again in a second");
    if (event_base_once(base, -1, EV_TIMEOUT, rest_cb, listener, &REST) == 0)
        evconnlistener_disable(listener);
}

static void signal_cb(evutil_socket_t signum, short what, void *arg)
{
    event_base_loopbreak(arg);
}

/* A listener on 127.0.0.1 and PORT, which calls accept_cb. */
static struct evconnlistener *listen_on(struct game *game, int port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons((in_port_t)port),
    };
    struct evconnlistener *listener =
        evconnlistener_new_bind(game->base, accept_cb, game,
            LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE,
            SOMAXCONN, (struct sockaddr *)&address, sizeof(address));

    if (!listener)
        err(1, "cannot listen on port %d", port);
    evconnlistener_set_error_cb(listener, accept_error_cb);
    return listener;
}

int main(int argc, char **argv)
{
    int port = argc > 1 ? parse_port(argv[1]) : 8888;
    long seed = argc > 2 ? parse_number(argv[2], 0, 1000000) : 1;
    long ms = argc > 3 ? parse_number(argv[3], 1, 3600000) : 60000;

    setvbuf(stdout, NULL, _IOLBF, 0);
    /* Writing to a closed connection must fail, not kill us. */
    signal(SIGPIPE, SIG_IGN);
    if (argc > 4 || port < 0 || seed < 0 || ms < 0) {
        fprintf(stderr, "usage: guessing-game [PORT [SEED [MS]]]\n");
        return 2;
    }

    struct game game = {
        .base = event_base_new(),
        .seed = (unsigned)seed,
        .patience = {ms / 1000, ms % 1000 * 1000},
    };
    if (!game.base)
        errx(1, "cannot make an event base");
    LIST_INIT(&game.list);
    struct evconnlistener *listener = listen_on(&game, port);
    struct event *terminate =
        evsignal_new(game.base, SIGTERM, signal_cb, game.base);
    add_event(terminate);

    print_ready(evconnlistener_get_fd(listener));
    int result = event_base_dispatch(game.base);

    while (!LIST_EMPTY(&game.list))
        player_free(LIST_FIRST(&game.list));
    event_free(terminate);
    evconnlistener_free(listener);
    event_base_free(game.base);
    return result < 0 ? 1 : 0;
}
