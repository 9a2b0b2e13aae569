/* progress.c -- what of the answers has arrived, and when.
 *
 * It is a part of hardened-server. progress.h says what it is for, and how it
 * is called.
 */
#include <sys/ioctl.h>

#include "progress.h"

void progress_start(struct progress *progress, unsigned long long now)
{
    *progress = (struct progress){.moved = now, .taken = now, .window = now};
}

/* Nothing waits for the peer: its time begins with the next answer. */
static void begin_window(struct progress *progress, unsigned long long now)
{
    progress->taken = progress->window = now;
    progress->before = progress->arrived;
}

/* How much has arrived since the last tick. The system counts the bytes that it
 * holds for the peer, see tcp(7); while it holds none, the peer cannot be
 * blamed for what waits in the program. */
static void measure(struct progress *progress, evutil_socket_t fd,
    size_t queued, unsigned long long now)
{
    int unsent = 0;

    if (progress->arrived < progress->answered) {
        ioctl(fd, TIOCOUTQ, &unsent);
        unsigned long long arrived =
            progress->answered - queued - (unsigned)unsent;
        if (arrived > progress->arrived)
            progress->moved = progress->taken = now;
        progress->arrived = arrived;
    }
    if (unsent == 0)
        begin_window(progress, now);
}

/* The peer has sent more, but a limited rate has kept us from reading it. */
static bool has_unread(evutil_socket_t fd)
{
    int unread = 0;

    ioctl(fd, FIONREAD, &unread);
    return unread > 0;
}

enum verdict progress_check(struct progress *progress, evutil_socket_t fd,
    size_t queued, unsigned long long now, const struct settings *limits)
{
    measure(progress, fd, queued, now);
    if (now - progress->taken >= limits->stuck)
        return DROP_STUCK;
    if (now - progress->window >= limits->progress) {
        if (progress->arrived - progress->before < limits->slowest)
            return DROP_SLOW;
        progress->window = now;
        progress->before = progress->arrived;
    }
    if (now - progress->moved >= limits->idle && !has_unread(fd))
        return DROP_IDLE;
    return KEEP;
}
