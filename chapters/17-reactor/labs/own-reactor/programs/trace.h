/* trace.h -- what the programs here share. Each plays scenes and prints what
 * happened; with your library it has to print what it prints with libevent:
 *
 *   ./timers 1          all its scenes, with the numbers that pick() gives for
 * 1
 *   ./timers 1 2 order  the scene "order" alone, for 1 and for 2
 */
#ifndef TRACE_H
#define TRACE_H

#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#define UNUSED __attribute__((unused))

struct scene {
    const char *name;
    void (*play)(void);
};

static struct event_base *base;
static unsigned long state; /* of pick */

/* A number from 0 to BELOW - 1, the same ones for the same seed. */
UNUSED static int pick(int below)
{
    state = state * 6364136223846793005UL + 1442695040888963407UL;
    return (int)((state >> 33) % (unsigned long)below);
}

UNUSED static void shuffle(int *numbers, int count)
{
    for (int i = 0; i < count; i++)
        numbers[i] = i;
    for (int i = count - 1; i > 0; i--) {
        int other = pick(i + 1), number = numbers[i];

        numbers[i] = numbers[other];
        numbers[other] = number;
    }
}

UNUSED static const char *names_of(int what)
{
    static char text[64];

    snprintf(text, sizeof(text), "%s%s%s%s%s%s%s",
        what & EV_TIMEOUT ? " T" : "", what & EV_READ ? " R" : "",
        what & EV_WRITE ? " W" : "", what & EV_SIGNAL ? " S" : "",
        what & EV_CLOSED ? " C" : "", what & EV_ET ? " ET" : "",
        what ? "" : " 0");
    return text;
}

UNUSED static void name_cb(evutil_socket_t fd, short what, void *arg)
{
    printf("  %s%s\n", (char *)arg, names_of(what));
}

/* An event that the program cannot do without. */
UNUSED static struct event *make(
    int fd, short events, event_callback_fn callback, void *arg)
{
    struct event *ev = event_new(base, fd, events, callback, arg);

    if (!ev)
        errx(1, "event_new returned NULL");
    return ev;
}

UNUSED static void add(struct event *ev)
{
    if (event_add(ev, NULL) != 0)
        errx(1, "event_add failed");
}

UNUSED static void add_ms(struct event *ev, int ms)
{
    struct timeval tv = {ms / 1000, ms % 1000 * 1000};

    if (event_add(ev, &tv) != 0)
        errx(1, "event_add with a time-out failed");
}

UNUSED static void make_pair(int fds[2])
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) < 0)
        err(1, "socketpair");
}

UNUSED static void close_pair(const int fds[2])
{
    close(fds[0]);
    close(fds[1]);
}

UNUSED static void send_byte(int fd)
{
    if (write(fd, "x", 1) != 1)
        err(1, "write");
}

UNUSED static int drain(int fd)
{
    char bytes[4096];
    int sum = 0;
    ssize_t got;

    while ((got = read(fd, bytes, sizeof(bytes))) > 0)
        sum += (int)got;
    return sum;
}

/* One turn of the loop, which does not wait. */
UNUSED static int turn(void)
{
    return event_base_loop(base, EVLOOP_NONBLOCK | EVLOOP_ONCE);
}

static void play_scene(const struct scene *scene, const char *seed)
{
    state = strtoul(seed, NULL, 10);
    base = event_base_new();
    if (!base)
        errx(1, "event_base_new returned NULL");
    scene->play();
    event_base_free(base);
}

/* The arguments are the numbers of SEEDs, and the names of scenes; without
 * names, all scenes are played. */
static int play(const struct scene *scenes, int argc, char **argv)
{
    int named = 0;

    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    for (int i = 1; i < argc; i++)
        named += argv[i][0] > '9';
    for (; scenes->name; scenes++) {
        int wanted = !named;

        for (int i = 1; i < argc; i++)
            wanted |= strcmp(argv[i], scenes->name) == 0;
        if (wanted)
            printf("%s:\n", scenes->name);
        for (int i = 1; wanted && i < argc; i++)
            if (argv[i][0] <= '9')
                play_scene(scenes, argv[i]);
    }
    return 0;
}

#endif
