/* files.c -- files that epoll refuses, as if it did not
 *
 * A regular file can always be read and written without waiting, so epoll does
 * not watch it. poll and select say that it is ready. A base that was asked for
 * EV_FEATURE_FDS has to do the same: an eventfd that is always ready stands in
 * for the file.
 */
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../reactor/reactor.h"

int tell_file_(struct event_base *base, int op, struct epoll_event *epev)
{
    struct slot *slot = &base->slots[epev->data.fd];
    int status;

    if (!slot->stand_in) /* one more than the descriptor: 0 is none */
        slot->stand_in = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC) + 1;
    if (!slot->stand_in)
        return -1;
    status = epoll_ctl(base->epoll, op, slot->stand_in - 1, epev);
    if (op == EPOLL_CTL_DEL || (op == EPOLL_CTL_ADD && status < 0)) {
        close(slot->stand_in - 1);
        slot->stand_in = 0;
    }
    return status;
}
