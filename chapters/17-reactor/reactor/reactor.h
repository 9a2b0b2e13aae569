/* reactor.h -- what the files of the reactor know of each other
 *
 * The reactor is the core of libevent written again, small: a program that was
 * written for <event2/event.h> compiles unchanged and links with it in place of
 * libevent_core. The public functions, types and constants are libevent's; this
 * header has only what is behind them. Read the files in this order: each needs
 * the ones before it, and a loop that runs is there after descriptors.c.
 *
 *   base.c         a base: make, loop, stop, free
 *   descriptors.c  a table of descriptors, and epoll
 *   timers.c       the clock of a base, and a heap of timers
 *   signals.c      from a signal handler to an event, through a pipe
 *   priorities.c   queues of active events, and the callbacks
 *   events.c       an event: assign, add, delete, activate
 *
 * A name that ends in _ is the reactor's own, as in libevent. The struct event
 * is libevent's, because programs know its size; the macros below name the
 * fields that the reactor uses. The folder more/ has what is not needed to
 * understand a reactor, but is called by programs.
 */
#ifndef REACTOR_H
#define REACTOR_H

#include <signal.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/time.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#define ev_flags ev_evcallback.evcb_flags
#define ev_priority ev_evcallback.evcb_pri
#define ev_kind ev_evcallback.evcb_closure
#define ev_callback ev_evcallback.evcb_cb_union.evcb_callback
#define ev_arg ev_evcallback.evcb_arg
#define ev_heap_index ev_timeout_pos.min_heap_idx
#define ev_interval ev_.ev_io.ev_timeout /* of a persistent event */
#define ev_next ev_.ev_io.ev_io_next     /* of the same descriptor or signal */
#define ev_calls ev_.ev_signal.ev_ncalls
#define ev_calls_left ev_.ev_signal.ev_pncalls /* while its callback runs */

enum { IO_EVENTS = EV_READ | EV_WRITE | EV_CLOSED };
enum { ONE_SHOT, OF_SIGNAL, PERSISTENT }; /* ev_kind */

typedef int64_t usec_t; /* of the base's clock, or a difference */
#define NEVER INT64_MIN

struct timer {
    usec_t due;
    uint64_t number; /* equal timers fire in the order of being added */
    struct event *ev;
};

struct heap {
    struct timer *timers;
    size_t count, size;
    uint64_t added; /* the number of the next timer */
};

/* The events of one descriptor or signal, the last added first. */
struct slot {
    struct event_dlist events;
    short wanted; /* of a descriptor: what epoll was asked for */
    int stand_in; /* of a file that epoll refuses, see more/files.c */
};

struct signals {
    int pipe[2];         /* the handler writes, the loop reads */
    int count;           /* how many different signals are caught */
    struct event wakeup; /* the pipe can be read */
    struct slot slots[NSIG];
    struct sigaction before[NSIG]; /* what to restore */
};

TAILQ_HEAD(queue, event_callback);
LIST_HEAD(once_list, once);

/* How a round is limited, see run_active_. */
struct limits {
    usec_t time; /* -1: none */
    int callbacks;
    int from_priority;
};

struct event_base {
    int flags, features;
    int epoll;
    int timerfd; /* -1, or wakes epoll_wait to the microsecond */
    struct epoll_event *ready;
    int ready_size;
    struct slot *slots; /* the index is the descriptor */
    int slot_count;
    struct heap heap;
    struct signals signals;
    struct once_list once; /* of event_base_once, not yet fired */

    usec_t cached;          /* the time of this round, or 0 */
    clockid_t clock;        /* CLOCK_MONOTONIC, or CLOCK_MONOTONIC_COARSE */
    usec_t wall_offset;     /* time of day minus that */
    usec_t offset_read;     /* when that was read */
    struct timeval *common; /* time-outs that were declared common */
    int common_count;

    struct queue *queues; /* one for each priority, the most urgent first */
    int queue_count;
    int running_priority; /* -1: no callback runs */
    struct event *running_event;
    struct limits limits;
    short calls_left; /* of a signal event whose callback runs */

    int added, added_max;   /* as event_base_get_num_events counts */
    int active, active_max; /* events in the queues */
    char running, got_exit, got_break, got_continue;
};

struct event_config {
    int flags, features, without_epoll;
    struct limits limits;
};

/* descriptors.c */
int open_epoll_(struct event_base *base);
void close_epoll_(struct event_base *base);
int tell_epoll_(
    struct event_base *base, int fd, short before, short wanted, short edge);
int watch_fd_(struct event *ev);
int unwatch_fd_(struct event *ev);
void activate_slot_(const struct slot *slot, short what, short calls);
int wait_for_events_(struct event_base *base, usec_t most); /* -1: no limit */

/* timers.c */
usec_t usec_of_(const struct timeval *tv);
struct timeval timeval_of_(usec_t time);
usec_t now_(struct event_base *base);
void cache_time_(struct event_base *base);
usec_t interval_of_(const struct event_base *base, const struct timeval *tv);
int reserve_timer_(struct heap *heap); /* room for one more, or -1 */
void set_timer_(struct event *ev, usec_t due);
void clear_timer_(struct event *ev);
usec_t time_left_(struct event_base *base); /* to the first timer, -1: none */
void expire_timers_(struct event_base *base);

/* signals.c */
int watch_signal_(struct event *ev);
int unwatch_signal_(struct event *ev);
int open_signals_(struct event_base *base);
void take_signals_(struct event_base *base);
void close_signals_(struct event_base *base);

/* priorities.c */
int make_queues_(struct event_base *base, int count);
void activate_(struct event *ev, short what, short calls);
void deactivate_(struct event *ev);
int run_active_(struct event_base *base);

/* events.c */
int add_(struct event *ev, usec_t due); /* or NEVER */
void free_once_(struct event_base *base);

/* An event enters a place, or leaves it: with its descriptor or signal, in the
 * heap, or in a queue. Each place counts. */
static inline void mark_(struct event *ev, short flag)
{
    struct event_base *base = ev->ev_base;

    ev->ev_flags |= flag;
    base->added += !(ev->ev_flags & EVLIST_INTERNAL);
    if (base->added > base->added_max)
        base->added_max = base->added;
}

static inline void unmark_(struct event *ev, short flag)
{
    ev->ev_flags &= (short)~flag;
    ev->ev_base->added -= !(ev->ev_flags & EVLIST_INTERNAL);
}

/* more/config.c */
int is_possible_(const struct event_config *config);
int features_of_(const struct event_config *config);

/* more/files.c */
struct epoll_event;
int tell_file_(struct event_base *base, int op, struct epoll_event *epev);

/* more/log.c */
extern struct event_base *current_base_; /* of event_init */
void warn_(int error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
_Noreturn void fail_(const char *what);
void *alloc_(size_t size); /* zeroed, or NULL */
void *resize_(void *block, size_t size);
void free_(void *block);

#endif
