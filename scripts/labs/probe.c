/* probe.c -- a program that is known to be right: where it fails the checks
 * of scripts/labs/machine.bash, the machine is at fault, and nothing is graded
 * there.
 *
 * Build: cc -o probe probe.c -levent_core
 * Run:   ./probe PORT | leak | crash
 *
 * It echoes, as most labs do; or it leaks, or uses what was freed, which has to
 * be seen.
 */
#include <err.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

struct conn {
    struct bufferevent *bev;
    LIST_ENTRY(conn) next;
};

static LIST_HEAD(conn_list, conn) conns = LIST_HEAD_INITIALIZER(conns);

static void conn_free(struct conn *conn)
{
    LIST_REMOVE(conn, next);
    bufferevent_free(conn->bev);
    free(conn);
}

static void read_cb(struct bufferevent *bev, void *arg)
{
    bufferevent_write_buffer(bev, bufferevent_get_input(bev));
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
    bufferevent_setcb(conn->bev, read_cb, NULL, event_cb, conn);
    if (bufferevent_enable(conn->bev, EV_READ) < 0)
        errx(1, "cannot watch a connection");
}

static void signal_cb(evutil_socket_t signum, short what, void *arg)
{
    event_base_loopbreak(arg);
}

static void serve(struct event_base *base, int port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons((in_port_t)port),
    };
    socklen_t length = sizeof(address);
    struct evconnlistener *listener = evconnlistener_new_bind(base, accept_cb,
        base, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, SOMAXCONN,
        (struct sockaddr *)&address, sizeof(address));
    struct event *terminate = evsignal_new(base, SIGTERM, signal_cb, base);

    if (!listener)
        err(1, "cannot listen on 127.0.0.1");
    if (!terminate || event_add(terminate, NULL) < 0)
        errx(1, "cannot add an event");
    if (getsockname(evconnlistener_get_fd(listener),
            (struct sockaddr *)&address, &length) != 0)
        err(1, "getsockname");
    printf("listening on 127.0.0.1 port %d\n", ntohs(address.sin_port));
    event_base_dispatch(base);
    while (!LIST_EMPTY(&conns))
        conn_free(LIST_FIRST(&conns));
    event_free(terminate);
    evconnlistener_free(listener);
}

/* What the sanitizer has to find: a block that nothing points to, or one that
 * is used after it was freed. */
static int do_wrong(const char *how)
{
    char *volatile block = calloc(1, 100);

    if (!block)
        err(1, "cannot allocate");
    if (strcmp(how, "leak") == 0) {
        /* cppcheck-suppress memleak */
        block = NULL;
        return 0;
    }
    free(block);
    /* cppcheck-suppress deallocuse */
    return block[7];
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    if (argc != 2)
        errx(2, "usage: probe PORT | leak | crash");
    if (argv[1][0] > '9')
        return do_wrong(argv[1]);

    struct event_base *base = event_base_new();
    if (!base)
        errx(1, "cannot make an event base");
    serve(base, atoi(argv[1]));
    event_base_free(base);
    return 0;
}
