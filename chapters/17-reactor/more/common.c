/* common.c -- time-outs that many events share
 *
 * libevent keeps the events of a common time-out in a queue of their own, which
 * is cheaper than its heap. Here the heap is fast enough, since what is due
 * last is added in one step. So only the value is kept, which a program passes
 * to event_add; as in libevent it has its index in free bits of tv_usec.
 */
#include "../reactor/reactor.h"

enum { MAX_COMMON = 256, MAGIC = 0x50000000, INDEX_SHIFT = 20 };

const struct timeval *event_base_init_common_timeout(
    struct event_base *base, const struct timeval *duration)
{
    usec_t wanted = interval_of_(base, duration);
    struct timeval *common;

    for (int i = 0; i < base->common_count; i++)
        if (interval_of_(base, &base->common[i]) == wanted)
            return &base->common[i];
    if (base->common_count == MAX_COMMON) {
        warn_(0, "more than %d common time-outs on a base", MAX_COMMON);
        return NULL;
    }
    if (!base->common) /* never moved: the program has pointers into it */
        base->common = alloc_(MAX_COMMON * sizeof(*base->common));
    if (!base->common)
        return NULL;
    common = &base->common[base->common_count];
    *common = timeval_of_(wanted);
    common->tv_usec |= MAGIC | base->common_count++ << INDEX_SHIFT;
    return common;
}
