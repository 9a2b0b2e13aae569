/* descriptors.c -- one event on each descriptor */
#include <fcntl.h>

#include "trace.h"

enum { MOST = 16 };

static struct event *events[MOST];
static int fds[MOST][2], fired[MOST];
static int count;

/* Descriptors that are ready at the same time may have any order. */
static void note_cb(evutil_socket_t fd, short what, void *arg)
{
    int i = *(int *)arg;

    printf("%s", fd == fds[i][0] ? "" : "  another descriptor\n");
    fired[i] |= what;
}

static void show_turn(void)
{
    int result = turn();

    printf("  loop %d:", result);
    for (int i = 0; i < count; i++) {
        if (fired[i])
            printf(" %d%s", i, names_of(fired[i]));
        fired[i] = 0;
    }
    printf("\n");
}

static void open_all(short kind)
{
    static int numbers[MOST];

    count = 4 + pick(MOST - 4);
    for (int i = 0; i < count; i++) {
        numbers[i] = i;
        make_pair(fds[i]);
        events[i] = make(fds[i][0], kind, note_cb, &numbers[i]);
        add(events[i]);
    }
}

static void close_all(void)
{
    for (int i = 0; i < count; i++) {
        event_free(events[i]);
        close_pair(fds[i]);
    }
}

static void send_to_some(void)
{
    for (int i = 0; i < count; i++)
        if (pick(2))
            send_byte(fds[i][1]);
}

static void readable(void)
{
    open_all(EV_READ | EV_PERSIST);
    show_turn();
    for (int round = 0; round < 4; round++) {
        send_to_some();
        show_turn();
        show_turn(); /* what was not read is still there */
        for (int i = 0; i < count; i++)
            drain(fds[i][0]);
        show_turn();
    }
    close_all();
}

static void one_shot(void)
{
    open_all(EV_READ);
    for (int round = 0; round < 4; round++) {
        send_to_some();
        show_turn();
        show_turn();
        printf("  pending:");
        for (int i = 0; i < count; i++)
            printf("%s",
                names_of(event_pending(events[i], EV_READ | EV_WRITE, NULL)));
        printf("\n");
        for (int i = 0; i < count; i += 2)
            add(events[i]);
    }
    close_all();
}

static void writable(void)
{
    static const char zeros[4096];

    open_all(EV_WRITE | EV_PERSIST);
    show_turn();
    for (int i = 0; i < count; i++)
        while (pick(8) && write(fds[i][0], zeros, sizeof(zeros)) > 0)
            continue;
    while (write(fds[1][0], zeros, sizeof(zeros)) > 0)
        continue; /* this one is full */
    show_turn();
    drain(fds[1][1]);
    show_turn();
    event_free(events[0]);
    events[0] =
        make(fds[0][0], EV_READ | EV_WRITE | EV_PERSIST, note_cb, &(int){0});
    add(events[0]);
    send_byte(fds[0][1]);
    show_turn();
    close_all();
}

static void once_cb(evutil_socket_t fd, short what, void *arg)
{
    printf("  callback%s, %d bytes\n", names_of(what), drain(fd));
}

static void results(void)
{
    struct event *ev;

    printf("  nothing added: %d\n", event_base_dispatch(base));
    printf("  not waiting: %d\n", event_base_loop(base, EVLOOP_NONBLOCK));
    make_pair(fds[0]);
    ev = make(fds[0][0], EV_READ | EV_PERSIST, once_cb, NULL);
    printf("  add %d", event_add(ev, NULL));
    printf(", again %d\n", event_add(ev, NULL));
    printf("  nothing ready: %d\n", turn());
    send_byte(fds[0][1]);
    printf("  once: %d\n", event_base_loop(base, EVLOOP_ONCE));
    printf("  del %d", event_del(ev));
    printf(", again %d\n", event_del(ev));
    send_byte(fds[0][1]);
    printf("  deleted: %d\n", turn());
    event_free(ev);
    ev = make(fds[0][0], EV_READ, once_cb, NULL);
    add(ev);
    printf("  dispatch: %d\n", event_base_dispatch(base));
    event_free(ev);
    close_pair(fds[0]);
}

static void hang_up(void)
{
    struct event *reader, *writer, *peer;
    int in[2], out[2];

    if (pipe(in) < 0 || pipe(out) < 0)
        err(1, "pipe");
    make_pair(fds[0]);
    reader = make(in[0], EV_READ, name_cb, "the reader of a pipe");
    writer = make(out[1], EV_WRITE | EV_PERSIST, name_cb, "the writer");
    peer = make(fds[0][0], EV_READ, name_cb, "a socket");
    add(reader);
    turn();
    puts("  the other ends are closed");
    close(in[1]);
    turn();
    add(peer);
    close(fds[0][1]);
    turn();
    add(writer);
    close(out[0]);
    turn();
    event_free(reader);
    event_free(writer);
    event_free(peer);
    close(fds[0][0]);
    close(in[0]);
    close(out[1]);
}

static void refused(void)
{
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    struct event *ev = make(fd, EV_READ, name_cb, "a file");

    printf("  a regular file: %d", event_add(ev, NULL));
    printf(", pending%s\n", names_of(event_pending(ev, EV_READ, NULL)));
    event_free(ev);
    close(fd);
    ev = make(fd, EV_READ, name_cb, "closed");
    printf("  a closed descriptor: %d", event_add(ev, NULL));
    printf(", pending%s\n", names_of(event_pending(ev, EV_READ, NULL)));
    event_free(ev);
    printf("  dispatch: %d\n", event_base_dispatch(base));
}

int main(int argc, char **argv)
{
    static const struct scene scenes[] = {{"readable", readable},
        {"one-shot", one_shot}, {"writable", writable}, {"results", results},
        {"hang-up", hang_up}, {"refused", refused}, {NULL, NULL}};

    return play(scenes, argc, argv);
}
