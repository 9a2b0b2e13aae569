/* trace.h -- what the programs here share: they print what happened, the same
 * with libevent and with the reactor. */
#ifndef TRACE_H
#define TRACE_H

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/event_struct.h>

__attribute__((unused)) static const char *names_of(short what)
{
    static char text[64];

    snprintf(text, sizeof(text), "%s%s%s%s%s%s%s",
        what & EV_TIMEOUT ? " T" : "", what & EV_READ ? " R" : "",
        what & EV_WRITE ? " W" : "", what & EV_SIGNAL ? " S" : "",
        what & EV_CLOSED ? " C" : "", what & EV_ET ? " ET" : "",
        what ? "" : " 0");
    return text;
}

/* The libraries word them differently. */
__attribute__((unused)) static void count_warnings(
    int severity, const char *text)
{
    if (severity == EVENT_LOG_WARN)
        printf("  (a warning)\n");
}

__attribute__((unused)) static void make_pair(int fds[2])
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) < 0)
        err(1, "socketpair");
}

__attribute__((unused)) static void send_byte(int fd)
{
    if (write(fd, "x", 1) != 1)
        err(1, "write");
}

__attribute__((unused)) static int drain(int fd)
{
    char bytes[256];
    int sum = 0;
    ssize_t got;

    while ((got = read(fd, bytes, sizeof(bytes))) > 0)
        sum += (int)got;
    return sum;
}

__attribute__((unused)) static void print_log(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    event_set_log_callback(count_warnings);
}

#endif
