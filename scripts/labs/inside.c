/* inside.c -- linked to each program of a lab: what a check can do only
 * from within the program, and only when the check asks for it by a variable.
 *
 * LAB_CLOCK=N lets the program's time pass N times as fast, so that a time-out
 * of a minute takes a second: clocks run ahead, waits for events end early.
 * LAB_ORDER=1 has it said on standard error when an event is deleted after its
 * descriptor was closed.
 * LAB_WRITE=BYTES is the most that send and writev take at a time, so that the
 * rest waits in the program.
 * LAB_VERSION=TEXT and LAB_METHODS="NAME NAME" are what the loaded libevent
 * says of itself: so a program can be seen with another one.
 *
 * The functions stand before those of libc for libevent too, since a symbol of
 * the program goes first. They do without libc, so that no sanitizer comes
 * between.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL
#define CLOCKS 8         /* of the system, see clock_gettime(2) */
#define METHODS 16       /* that can be named in LAB_METHODS */
#define EPOLL_PWAIT2 441 /* its number; headers may be older than the call */

static long long speed = 1;
static long long started[CLOCKS]; /* by clock, in nanoseconds */
static int order_is_watched;
static size_t most_written;

int epoll_pwait2(int epoll, struct epoll_event *events, int max,
    const struct timespec *timeout, const sigset_t *mask);
/* A lab may do without libevent: then there are none, and nobody calls them. */
const char *__real_event_get_version(void) __attribute__((weak));
const char *__wrap_event_get_version(void);
const char **__real_event_get_supported_methods(void) __attribute__((weak));
const char **__wrap_event_get_supported_methods(void);

static long long nanoseconds(const struct timespec *time)
{
    return time->tv_sec * SECOND + time->tv_nsec;
}

static struct timespec timespec(long long time)
{
    return (struct timespec){time / SECOND, time % SECOND};
}

__attribute__((constructor)) static void prepare(void)
{
    const char *wanted = getenv("LAB_CLOCK");
    struct timespec now;

    order_is_watched = getenv("LAB_ORDER") != NULL;
    for (int clock = 0; wanted && clock < CLOCKS; clock++)
        if (syscall(SYS_clock_gettime, clock, &now) == 0)
            started[clock] = nanoseconds(&now);
    if (wanted && atoi(wanted) > 1)
        speed = atoi(wanted);
    wanted = getenv("LAB_WRITE");
    most_written = wanted ? (size_t)atoi(wanted) : 0;
}

/* What has to be waited in truth. It is rounded up: one that wakes too soon
 * would ask again and again. */
static long long shorten(long long time)
{
    return time > 0 ? (time + speed - 1) / speed : time;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    if (syscall(SYS_clock_gettime, clock, now) != 0)
        return -1;
    /* Processor time is not ours to speed up. */
    if (speed > 1 && clock >= 0 && clock < CLOCKS && started[clock] > 0 &&
        clock != CLOCK_PROCESS_CPUTIME_ID && clock != CLOCK_THREAD_CPUTIME_ID)
        *now = timespec(
            started[clock] + (nanoseconds(now) - started[clock]) * speed);
    return 0;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec time;

    if (clock_gettime(CLOCK_REALTIME, &time) != 0)
        return -1;
    *now = (struct timeval){time.tv_sec, time.tv_nsec / 1000};
    return 0;
}

time_t time(time_t *result)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    if (result)
        *result = now.tv_sec;
    return now.tv_sec;
}

int epoll_wait(int epoll, struct epoll_event *events, int max, int timeout)
{
    return (int)syscall(SYS_epoll_pwait, epoll, events, max,
        (int)shorten(timeout), NULL, (size_t)8);
}

int epoll_pwait2(int epoll, struct epoll_event *events, int max,
    const struct timespec *timeout, const sigset_t *mask)
{
    struct timespec brief;

    if (timeout)
        brief = timespec(shorten(nanoseconds(timeout)));
    return (int)syscall(EPOLL_PWAIT2, epoll, events, max,
        timeout ? &brief : NULL, mask, (size_t)8);
}

int poll(struct pollfd *fds, nfds_t count, int timeout)
{
    struct timespec brief = timespec(shorten(timeout * (SECOND / 1000)));

    return (int)syscall(
        SYS_ppoll, fds, count, timeout < 0 ? NULL : &brief, NULL, (size_t)8);
}

int select(int count, fd_set *restrict read, fd_set *restrict write,
    fd_set *restrict except, struct timeval *restrict timeout)
{
    struct timespec brief;

    if (timeout)
        brief = timespec(shorten(
            timeout->tv_sec * SECOND + (long long)timeout->tv_usec * 1000));
    return (int)syscall(SYS_pselect6, count, read, write, except,
        timeout ? &brief : NULL, NULL);
}

int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    int result = (int)syscall(SYS_epoll_ctl, epoll, operation, fd, event);
    int error = errno;

    if (order_is_watched && result < 0 && operation == EPOLL_CTL_DEL &&
        (error == EBADF || error == ENOENT))
        dprintf(
            2, "lab: an event was deleted after its descriptor was closed\n");
    errno = error;
    return result;
}

ssize_t send(int fd, const void *bytes, size_t length, int flags)
{
    if (most_written > 0 && length > most_written)
        length = most_written;
    return syscall(SYS_sendto, fd, bytes, length, flags, NULL, 0);
}

ssize_t writev(int fd, const struct iovec *pieces, int count)
{
    if (most_written > 0 && count > 0)
        return syscall(SYS_write, fd, pieces->iov_base,
            pieces->iov_len < most_written ? pieces->iov_len : most_written);
    return syscall(SYS_writev, fd, pieces, count);
}

/* The next two are called in place of libevent's: scripts/labs/check sends the
 * program's calls here, with the option --wrap of ld(1). */
const char *__wrap_event_get_version(void)
{
    const char *other = getenv("LAB_VERSION");

    return other ? other : __real_event_get_version();
}

const char **__wrap_event_get_supported_methods(void)
{
    static char names[256];
    static const char *methods[METHODS + 1];
    const char *others = getenv("LAB_METHODS");
    int count = 0;

    if (!others)
        return __real_event_get_supported_methods();
    strncpy(names, others, sizeof(names) - 1);
    for (char *name = strtok(names, " "); name && count < METHODS;
         name = strtok(NULL, " "))
        methods[count++] = name;
    return methods;
}
