/* events.c -- a right solution of the lab "tiny" that owes nothing to its
 * starter: plain events, a queue of bytes for each peer, a table of peers.
 *
 * Build: cc -o tiny tiny.c -levent_core
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

enum { PEERS = 128, ROOM = 16384 };

static struct peer {
    struct event *in, *out;
    int used;
    size_t from, filled;
    char queue[ROOM];
} peers[PEERS];

static struct event_base *loop;

static void watch(struct peer *p)
{
    if (p->filled < ROOM)
        event_add(p->in, NULL);
    else
        event_del(p->in);
    if (p->filled > p->from)
        event_add(p->out, NULL);
    else
        event_del(p->out);
}

static void drop(struct peer *p)
{
    evutil_socket_t sock = event_get_fd(p->in);

    event_free(p->in);
    event_free(p->out);
    close(sock);
    memset(p, 0, sizeof(*p));
}

static void on_input(evutil_socket_t sock, short kind, void *which)
{
    struct peer *p = which;
    ssize_t got = recv(sock, p->queue + p->filled, ROOM - p->filled, 0);

    if (got > 0) {
        p->filled += (size_t)got;
        watch(p);
    } else if (got == 0 || errno != EAGAIN) {
        drop(p);
    }
}

static void on_output(evutil_socket_t sock, short kind, void *which)
{
    struct peer *p = which;
    ssize_t gone = send(sock, p->queue + p->from, p->filled - p->from, 0);

    if (gone < 0 && errno != EAGAIN) {
        drop(p);
        return;
    }
    if (gone > 0)
        p->from += (size_t)gone;
    if (p->from == p->filled)
        p->from = p->filled = 0;
    watch(p);
}

static void on_caller(evutil_socket_t door, short kind, void *unused)
{
    int i, sock = accept(door, NULL, NULL);

    if (sock < 0)
        return;
    fcntl(sock, F_SETFL, O_NONBLOCK);
    for (i = 0; i < PEERS && peers[i].used; i++)
        continue;
    if (i == PEERS) {
        close(sock);
        return;
    }
    peers[i].used = 1;
    peers[i].in =
        event_new(loop, sock, EV_READ | EV_PERSIST, on_input, &peers[i]);
    peers[i].out =
        event_new(loop, sock, EV_WRITE | EV_PERSIST, on_output, &peers[i]);
    watch(&peers[i]);
}

static void on_end(evutil_socket_t number, short kind, void *unused)
{
    event_base_loopexit(loop, NULL);
}

int main(int count, char **words)
{
    struct sockaddr_in here = {.sin_family = AF_INET};
    socklen_t size = sizeof(here);
    int i, yes = 1, door = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    signal(SIGPIPE, SIG_IGN);
    inet_pton(AF_INET, "127.0.0.1", &here.sin_addr);
    here.sin_port = htons(count > 1 ? atoi(words[1]) : 8888);
    setsockopt(door, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (bind(door, (struct sockaddr *)&here, size) || listen(door, 64))
        return 1;
    getsockname(door, (struct sockaddr *)&here, &size);
    loop = event_base_new();

    struct event *bell =
        event_new(loop, door, EV_READ | EV_PERSIST, on_caller, NULL);
    struct event *end = evsignal_new(loop, SIGTERM, on_end, NULL);

    event_add(bell, NULL);
    event_add(end, NULL);
    printf("listening on 127.0.0.1 port %d\n", ntohs(here.sin_port));
    fflush(stdout);
    event_base_dispatch(loop);
    for (i = 0; i < PEERS; i++) {
        if (peers[i].used)
            drop(&peers[i]);
    }
    event_free(bell);
    event_free(end);
    close(door);
    event_base_free(loop);
    return 0;
}
