/* service.c -- socket activation, notices to the manager, another user.
 *
 * It is a part of hardened-server. service.h says what it is for, and how it is
 * called.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "service.h"

enum { FIRST_FD = 3 }; /* what the manager hands over begins here */

static bool is_option(int fd, int option, int wanted)
{
    int value;
    socklen_t length = sizeof(value);

    return getsockopt(fd, SOL_SOCKET, option, &value, &length) == 0 &&
           value == wanted;
}

/* The variables name a process: they may have been meant for our parent. */
evutil_socket_t service_socket(void)
{
    const char *pid = getenv("LISTEN_PID");
    const char *count = getenv("LISTEN_FDS");

    if (!pid || !count || strtol(pid, NULL, 10) != getpid() ||
        strtol(count, NULL, 10) < 1)
        return -1;
    if (strtol(count, NULL, 10) > 1)
        errx(1, "got %s sockets, but can use only one", count);
    if (!is_option(FIRST_FD, SO_ACCEPTCONN, 1) ||
        !is_option(FIRST_FD, SO_TYPE, SOCK_STREAM) ||
        is_option(FIRST_FD, SO_DOMAIN, AF_UNIX))
        errx(1, "descriptor %d does not listen for TCP", FIRST_FD);
    if (evutil_make_socket_nonblocking(FIRST_FD) < 0 ||
        evutil_make_socket_closeonexec(FIRST_FD) < 0)
        err(1, "cannot use the socket on descriptor %d", FIRST_FD);
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    return FIRST_FD;
}

/* A name that begins with @ is one without a file: its first byte is 0. */
void service_notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    size_t length = path ? strlen(path) : 0;

    if (length < 2 || length >= sizeof(name.sun_path) ||
        (path[0] != '/' && path[0] != '@'))
        return;
    memcpy(name.sun_path, path, length);
    if (path[0] == '@')
        name.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return;
    length += offsetof(struct sockaddr_un, sun_path);
    sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&name,
        (socklen_t)length);
    close(fd);
}

unsigned service_watchdog(void)
{
    const char *limit = getenv("WATCHDOG_USEC");
    const char *pid = getenv("WATCHDOG_PID");

    if (!limit || (pid && strtol(pid, NULL, 10) != getpid()))
        return 0;
    return (unsigned)(strtoul(limit, NULL, 10) / 1000);
}

unsigned service_raise_descriptors(unsigned count)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return count;
    if (limit.rlim_cur < count) {
        rlim_t before = limit.rlim_cur;

        limit.rlim_cur = limit.rlim_max < count ? limit.rlim_max : count;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
            limit.rlim_cur = before;
    }
    return limit.rlim_cur < count ? (unsigned)limit.rlim_cur : count;
}

static int reserve = -1;

bool service_keep_reserve(void)
{
    if (reserve < 0)
        reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return reserve >= 0;
}

/* That no client waits is no failure: EMFILE comes before that is known. */
bool service_refuse(evutil_socket_t listener, unsigned long *count)
{
    if (reserve < 0)
        return false;
    close(reserve);
    evutil_socket_t fd = accept(listener, NULL, NULL);
    bool done = fd >= 0 || errno == EAGAIN;
    if (fd >= 0)
        evutil_closesocket(fd);
    *count += fd >= 0;
    reserve = -1;
    service_keep_reserve();
    return done;
}

/* The groups first: afterwards we may not change them any more. Try to return,
 * which has to fail. The kernel writes no core file of a process that has
 * changed its user, unless it is allowed to. */
void service_become(const char *user)
{
    errno = 0;
    struct passwd *entry = getpwnam(user);

    if (!entry)
        errx(1, "cannot find the user %s: %s", user,
            errno ? strerror(errno) : "no such user");
    if (entry->pw_uid == 0)
        errx(1, "%s is root", user);
    if (geteuid() == 0 &&
        (initgroups(user, entry->pw_gid) != 0 || setgid(entry->pw_gid) != 0 ||
            setuid(entry->pw_uid) != 0))
        err(1, "cannot become the user %s", user);
    if (getuid() != entry->pw_uid || geteuid() != entry->pw_uid)
        errx(1, "cannot become the user %s without being root", user);
    if (setuid(0) == 0)
        errx(1, "could become root again");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0)
        err(1, "cannot set the privileges of the process");
}
