/* interests.c -- several events on one descriptor: what each gets,
 * edge-triggered or not, and a descriptor that is closed and reused. */
#include <fcntl.h>

#include "trace.h"

static struct event_base *base;

static void name_cb(evutil_socket_t fd, short what, void *arg)
{
    printf("    %s%s\n", (char *)arg, names_of(what));
}

static void turns(int count)
{
    for (int i = 0; i < count; i++) {
        printf("  turn %d\n", i + 1);
        event_base_loop(base, EVLOOP_NONBLOCK | EVLOOP_ONCE);
    }
}

/* Two persistent events on a descriptor that can be read and written. */
static void pair_of(short first, short second)
{
    struct event *one, *two;
    int fds[2];

    printf("events %s and", names_of(first));
    printf("%s:\n", names_of(second));
    make_pair(fds);
    one = event_new(base, fds[0], first | EV_PERSIST, name_cb, "one");
    two = event_new(base, fds[0], second | EV_PERSIST, name_cb, "two");
    printf("  added %d", event_add(one, NULL));
    printf(" %d\n", event_add(two, NULL));
    send_byte(fds[1]);
    turns(2);
    printf("  without one: %d\n", event_del(one));
    send_byte(fds[1]);
    turns(2);
    printf("  one again: %d\n", event_add(one, NULL));
    turns(1);
    shutdown(fds[1], SHUT_WR);
    drain(fds[0]);
    puts("  end of input");
    turns(1);
    close(fds[1]);
    puts("  peer closed");
    turns(1);
    event_free(two);
    turns(1);
    event_free(one);
    close(fds[0]);
}

/* The number of a closed descriptor is used again while its event is pending.
 */
static void reused(int deleted_before)
{
    struct event *old, *new;
    int fds[2], more[2];

    printf("reused, %s:\n", deleted_before ? "deleted before" : "not deleted");
    make_pair(fds);
    old = event_new(base, fds[0], EV_READ | EV_PERSIST, name_cb, "old");
    event_add(old, NULL);
    if (deleted_before)
        event_del(old);
    close(fds[0]);
    close(fds[1]);
    make_pair(more);
    printf("  same number: %d\n", more[0] == fds[0]);
    new = event_new(base, more[0], EV_READ | EV_PERSIST, name_cb, "new");
    printf("  added %d\n", event_add(new, NULL));
    send_byte(more[1]);
    turns(1);
    printf("  old deleted %d\n", event_del(old));
    turns(1);
    printf(
        "  new deleted %d, added %d\n", event_del(new), event_add(new, NULL));
    turns(1);
    event_free(old);
    event_free(new);
    close(more[0]);
    close(more[1]);
}

/* What epoll knows by number and open file, when one of them changes. */
static void changed(void)
{
    struct event *reader, *writer;
    int fds[2], other[2], copy;

    puts("changed between two events, and put back:");
    make_pair(fds);
    make_pair(other);
    reader = event_new(base, fds[0], EV_READ | EV_PERSIST, name_cb, "reader");
    writer = event_new(base, fds[0], EV_WRITE | EV_PERSIST, name_cb, "writer");
    event_add(reader, NULL);
    dup2(other[0], fds[0]); /* epoll forgets the old one */
    printf("  added %d\n", event_add(writer, NULL));
    send_byte(other[1]);
    turns(1);
    copy = dup(fds[0]);
    close(fds[0]); /* the file stays open, and epoll keeps it */
    printf("  deleted %d", event_del(reader));
    printf(" %d\n", event_del(writer));
    dup2(copy, fds[0]);
    printf("  added %d\n", event_add(reader, NULL));
    turns(1);
    event_free(reader);
    event_free(writer);
    for (int i = 0; i < 2; i++) {
        close(fds[i]);
        close(other[i]);
    }
    close(copy);
}

/* The other end of a pipe goes: a hang-up for the reader, an error for the
 * writer. */
static void hung_up(void)
{
    struct event *reader, *writer;
    int in[2], out[2];

    puts("a pipe without its other end:");
    if (pipe(in) < 0 || pipe(out) < 0)
        err(1, "pipe");
    reader = event_new(base, in[0], EV_READ | EV_PERSIST, name_cb, "reader");
    writer = event_new(base, out[1], EV_WRITE | EV_CLOSED, name_cb, "writer");
    event_add(reader, NULL);
    event_add(writer, NULL);
    close(in[1]);
    turns(1);
    event_add(writer, NULL);
    close(out[0]);
    turns(1);
    event_free(reader);
    event_free(writer);
    close(in[0]);
    close(out[1]);
}

/* A file that is always ready is none of epoll's business. */
static void refused(void)
{
    struct event *ev;
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

    puts("refused:");
    ev = event_new(base, fd, EV_READ, name_cb, "file");
    printf("  a regular file: %d, %s\n", event_add(ev, NULL),
        errno == EPERM ? "EPERM" : strerror(errno));
    printf("  pending %d\n", event_pending(ev, EV_READ, NULL));
    event_free(ev);
    close(fd);
    ev = event_new(base, fd, EV_READ, name_cb, "closed");
    printf("  a closed descriptor: %d, %s\n", event_add(ev, NULL),
        errno == EBADF ? "EBADF" : strerror(errno));
    event_free(ev);
}

int main(void)
{
    print_log();
    base = event_base_new();
    if (!base)
        errx(1, "no base");
    pair_of(EV_READ, EV_READ);
    pair_of(EV_READ, EV_WRITE);
    pair_of(EV_WRITE, EV_READ | EV_WRITE);
    pair_of(EV_READ | EV_ET, EV_READ | EV_ET);
    pair_of(EV_READ | EV_ET, EV_READ);
    pair_of(EV_READ, EV_READ | EV_ET);
    pair_of(EV_READ | EV_ET, EV_WRITE);
    pair_of(EV_READ, EV_WRITE | EV_ET);
    pair_of(EV_READ | EV_ET, EV_WRITE | EV_ET);
    pair_of(EV_CLOSED, EV_READ);
    pair_of(EV_CLOSED | EV_ET, EV_CLOSED);
    reused(1);
    reused(0);
    changed();
    hung_up();
    refused();
    event_base_free(base);
    return 0;
}
