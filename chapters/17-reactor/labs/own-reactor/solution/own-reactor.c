/* Starter and solution in one: look once you have passed (make compare-NN). */
/* own-reactor.c -- the core of libevent, written by you: a library without
 * main.
 *
 * Build: cc -c own-reactor.c
 * Run:   cc -o timers programs/timers.c own-reactor.c && ./timers order 1
 * Try:   the same with -levent_core in place of own-reactor.c
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/event_struct.h>

/* The fields of libevent's struct event that are of use here. The flags tell
 * where an event is: EVLIST_INSERTED with its descriptor or signal,
 * EVLIST_TIMEOUT in the heap, EVLIST_ACTIVE in a queue. */
#define ev_flags ev_evcallback.evcb_flags
#define ev_priority ev_evcallback.evcb_pri
#define ev_callback ev_evcallback.evcb_cb_union.evcb_callback
#define ev_arg ev_evcallback.evcb_arg
#define ev_queue_next ev_evcallback.evcb_active_next
#define ev_heap_index ev_timeout_pos.min_heap_idx
#define ev_next ev_.ev_io.ev_io_next     /* of the same descriptor or signal */
#define ev_interval ev_.ev_io.ev_timeout /* of a persistent event */
#define ev_calls ev_.ev_signal.ev_ncalls /* how often the signal came */

#ifdef SOLUTION
enum {
    READY = 64, /* events that one epoll_wait returns */
    IO_EVENTS = EV_READ | EV_WRITE | EV_CLOSED,
    MAX_FD = 1 << 20,   /* a descriptor above it is refused */
    MAX_WAIT = 1800000, /* milliseconds; then the loop waits again */
    MILLION = 1000000,
};

typedef int64_t usec_t; /* of CLOCK_MONOTONIC, or a difference */

/* The events of one descriptor or signal. */
struct slot {
    struct event_dlist events;
    short wanted; /* what epoll was asked for */
};

struct timer {
    usec_t due;
    uint64_t number; /* equal timers fire in the order of being added */
    struct event *ev;
};

struct once {
    LIST_ENTRY(once) next;
    struct event ev;
    event_callback_fn callback;
    void *arg;
};

TAILQ_HEAD(queue, event_callback);

struct event_base {
    int epoll;
    struct slot *slots; /* the index is the descriptor */
    int slot_count;
    struct timer *heap; /* the index is known to each event */
    int timer_count, timer_room;
    uint64_t timers_added;
    usec_t cached;       /* the time of this round, or 0 */
    int signal_pair[2];  /* the handler writes, the loop reads */
    struct event wakeup; /* of the end that the loop reads */
    struct slot signals[NSIG];
    struct sigaction before[NSIG]; /* what to restore */
    struct event *calling;         /* the signal event whose callback runs */
    struct queue *queues;          /* one for each priority */
    int queue_count, running_priority;
    int places; /* that events have, without those of wakeup */
    int active; /* events in the queues */
    int running, got_exit, got_break, got_urgent;
    LIST_HEAD(, once) onces;
};

/* An event enters a place, or leaves it. A base without a taken place is empty.
 */
static void take_place(struct event *ev, short flag)
{
    ev->ev_flags |= flag;
    ev->ev_base->places += !(ev->ev_flags & EVLIST_INTERNAL);
}

static void leave_place(struct event *ev, short flag)
{
    ev->ev_flags &= (short)~flag;
    ev->ev_base->places -= !(ev->ev_flags & EVLIST_INTERNAL);
}

/* --- the queues of active events --- */

static void queue_event(struct event *ev, short what, short calls)
{
    struct event_base *base = ev->ev_base;

    if (ev->ev_flags & EVLIST_ACTIVE) {
        ev->ev_res |= what;
        return;
    }
    ev->ev_res = what;
    if (ev->ev_events & EV_SIGNAL)
        ev->ev_calls = calls;
    if (ev->ev_priority < base->running_priority)
        base->got_urgent = 1;
    take_place(ev, EVLIST_ACTIVE);
    base->active++;
    TAILQ_INSERT_TAIL(
        &base->queues[ev->ev_priority], &ev->ev_evcallback, evcb_active_next);
}

static void unqueue_event(struct event *ev)
{
    struct event_base *base = ev->ev_base;

    leave_place(ev, EVLIST_ACTIVE);
    base->active--;
    TAILQ_REMOVE(
        &base->queues[ev->ev_priority], &ev->ev_evcallback, evcb_active_next);
}

static void queue_slot(struct slot *slot, short what, short calls)
{
    struct event *ev;

    LIST_FOREACH (ev, &slot->events, ev_next)
        if (ev->ev_events & what & ~EV_ET)
            queue_event(ev, ev->ev_events & what, calls);
}

/* --- the descriptor map --- */

/* A closed descriptor must not make the table larger. */
static int grow_slots(struct event_base *base, int fd)
{
    int size = base->slot_count ? base->slot_count : 32;
    struct slot *slots;

    if (fd > MAX_FD || fcntl(fd, F_GETFD) < 0)
        return -1;
    while (size <= fd)
        size *= 2;
    slots = realloc(base->slots, (size_t)size * sizeof(*slots));
    if (!slots)
        return -1;
    memset(slots + base->slot_count, 0,
        (size_t)(size - base->slot_count) * sizeof(*slots));
    /* The first event of a list points back to it, and the lists have moved. */
    for (int i = 0; i < base->slot_count; i++)
        if (!LIST_EMPTY(&slots[i].events))
            LIST_FIRST(&slots[i].events)->ev_next.le_prev =
                &slots[i].events.lh_first;
    base->slots = slots;
    base->slot_count = size;
    return 0;
}

/* Tell epoll what a descriptor is wanted for now. Its file may be another one
 * than at the last call; and a descriptor that is gone needs no deletion. */
static int ask_epoll(struct event_base *base, int fd, short wanted)
{
    struct slot *slot = &base->slots[fd];
    int op = !slot->wanted ? EPOLL_CTL_ADD
             : wanted      ? EPOLL_CTL_MOD
                           : EPOLL_CTL_DEL;
    struct epoll_event request = {0};
    int status = 0;

    request.data.fd = fd;
    request.events =
        (wanted & EV_READ ? EPOLLIN : 0) | (wanted & EV_WRITE ? EPOLLOUT : 0) |
        (wanted & EV_CLOSED ? EPOLLRDHUP : 0) | (wanted & EV_ET ? EPOLLET : 0);
    if (wanted != slot->wanted)
        status = epoll_ctl(base->epoll, op, fd, &request);
    if (status < 0 && op == EPOLL_CTL_MOD && errno == ENOENT)
        status = epoll_ctl(base->epoll, EPOLL_CTL_ADD, fd, &request);
    if (status < 0 && op == EPOLL_CTL_ADD && errno == EEXIST)
        status = epoll_ctl(base->epoll, EPOLL_CTL_MOD, fd, &request);
    if (status == 0 || op == EPOLL_CTL_DEL)
        slot->wanted = wanted;
    return op == EPOLL_CTL_DEL ? 0 : status;
}

static int insert_io(struct event *ev)
{
    struct event_base *base = ev->ev_base;
    int fd = ev->ev_fd;

    if (fd < 0 || (fd >= base->slot_count && grow_slots(base, fd) < 0))
        return -1;
    if (ask_epoll(base, fd,
            base->slots[fd].wanted | (ev->ev_events & (IO_EVENTS | EV_ET))) < 0)
        return -1;
    LIST_INSERT_HEAD(&base->slots[fd].events, ev, ev_next);
    return 0;
}

static void remove_io(struct event *ev)
{
    struct event *other;
    short wanted = 0;

    LIST_REMOVE(ev, ev_next);
    LIST_FOREACH (other, &ev->ev_base->slots[ev->ev_fd].events, ev_next)
        wanted |= other->ev_events & (IO_EVENTS | EV_ET);
    (void)ask_epoll(ev->ev_base, ev->ev_fd, wanted);
}

/* --- the timer heap --- */

static usec_t to_usec(const struct timeval *tv)
{
    return (usec_t)tv->tv_sec * MILLION + tv->tv_usec;
}

static struct timeval to_timeval(usec_t time)
{
    return (struct timeval){time / MILLION, time % MILLION};
}

static usec_t time_of(const struct event_base *base)
{
    struct timespec now;

    if (base->cached)
        return base->cached;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (usec_t)now.tv_sec * MILLION + now.tv_nsec / 1000;
}

static int fires_before(const struct timer *a, const struct timer *b)
{
    return a->due < b->due || (a->due == b->due && a->number < b->number);
}

static void put_timer(struct event_base *base, int index, struct timer timer)
{
    base->heap[index] = timer;
    timer.ev->ev_heap_index = index;
}

/* Walk with a hole to where the timer belongs, up or down. */
static void place_timer(struct event_base *base, int hole, struct timer timer)
{
    int child;

    while (hole > 0 && fires_before(&timer, &base->heap[(hole - 1) / 2])) {
        put_timer(base, hole, base->heap[(hole - 1) / 2]);
        hole = (hole - 1) / 2;
    }
    while ((child = 2 * hole + 1) < base->timer_count) {
        if (child + 1 < base->timer_count &&
            fires_before(&base->heap[child + 1], &base->heap[child]))
            child++;
        if (!fires_before(&base->heap[child], &timer))
            break;
        put_timer(base, hole, base->heap[child]);
        hole = child;
    }
    put_timer(base, hole, timer);
}

static int make_timer_room(struct event_base *base)
{
    int room = base->timer_room ? base->timer_room * 2 : 16;
    struct timer *heap;

    if (base->timer_count < base->timer_room)
        return 0;
    heap = realloc(base->heap, (size_t)room * sizeof(*heap));
    if (!heap)
        return -1;
    base->heap = heap;
    base->timer_room = room;
    return 0;
}

/* Start the timer of an event, or move it; there is room for it. */
static void start_timer(struct event *ev, usec_t due)
{
    struct event_base *base = ev->ev_base;

    ev->ev_timeout = to_timeval(due);
    if (!(ev->ev_flags & EVLIST_TIMEOUT)) {
        take_place(ev, EVLIST_TIMEOUT);
        ev->ev_heap_index = base->timer_count++;
    }
    place_timer(
        base, ev->ev_heap_index, (struct timer){due, base->timers_added++, ev});
}

static void stop_timer(struct event *ev)
{
    struct event_base *base = ev->ev_base;
    struct timer last = base->heap[--base->timer_count];

    leave_place(ev, EVLIST_TIMEOUT);
    if (last.ev != ev)
        place_timer(base, ev->ev_heap_index, last);
}

/* --- signals --- */

static struct event_base *volatile signal_base;

static void note_signal(int number)
{
    int error = errno;
    unsigned char byte = (unsigned char)number;
    ssize_t sent =
        signal_base ? send(signal_base->signal_pair[1], &byte, 1, 0) : 0;

    (void)sent; /* if the pair is full, the loop has enough to wake up for */
    errno = error;
}

static void wakeup_cb(evutil_socket_t fd, short what, void *arg)
{
    struct event_base *base = arg;
    unsigned char bytes[256];
    short calls[NSIG] = {0};
    ssize_t got;

    while ((got = recv(fd, bytes, sizeof(bytes), 0)) > 0)
        for (ssize_t i = 0; i < got; i++)
            if (bytes[i] < NSIG && calls[bytes[i]] < SHRT_MAX)
                calls[bytes[i]]++;
    for (int i = 0; i < NSIG; i++)
        if (calls[i])
            queue_slot(&base->signals[i], EV_SIGNAL, calls[i]);
}

static int insert_signal(struct event *ev)
{
    struct event_base *base = ev->ev_base;
    int number = ev->ev_fd;
    struct sigaction action = {0};

    action.sa_handler = note_signal;
    action.sa_flags = SA_RESTART;
    sigfillset(&action.sa_mask);
    if (number < 0 || number >= NSIG || event_add(&base->wakeup, NULL) < 0)
        return -1;
    signal_base = base;
    if (LIST_EMPTY(&base->signals[number].events) &&
        sigaction(number, &action, &base->before[number]) < 0)
        return -1;
    LIST_INSERT_HEAD(&base->signals[number].events, ev, ev_next);
    return 0;
}

static void remove_signal(struct event *ev)
{
    LIST_REMOVE(ev, ev_next);
    if (LIST_EMPTY(&ev->ev_base->signals[ev->ev_fd].events))
        sigaction(ev->ev_fd, &ev->ev_base->before[ev->ev_fd], NULL);
}

/* --- events --- */

int event_assign(struct event *ev, struct event_base *base, evutil_socket_t fd,
    short events, event_callback_fn callback, void *arg)
{
    memset(ev, 0, sizeof(*ev));
    ev->ev_base = base;
    ev->ev_fd = fd;
    ev->ev_events = events;
    ev->ev_callback = callback;
    ev->ev_arg = arg;
    ev->ev_flags = EVLIST_INIT;
    ev->ev_priority = (ev_uint8_t)(base->queue_count / 2);
    return events & EV_SIGNAL && events & IO_EVENTS ? -1 : 0;
}

struct event *event_new(struct event_base *base, evutil_socket_t fd,
    short events, event_callback_fn callback, void *arg)
{
    struct event *ev = malloc(sizeof(*ev));

    if (ev && event_assign(ev, base, fd, events, callback, arg) < 0) {
        free(ev);
        return NULL;
    }
    return ev;
}

/* Add an event, with a time-out unless DUE is -1. What can fail comes first. */
static int add_until(struct event *ev, usec_t due)
{
    int status = 0;

    if (due >= 0 && make_timer_room(ev->ev_base) < 0)
        return -1;
    if (!(ev->ev_flags & (EVLIST_INSERTED | EVLIST_ACTIVE))) {
        if (ev->ev_events & EV_SIGNAL)
            status = insert_signal(ev);
        else if (ev->ev_events & IO_EVENTS)
            status = insert_io(ev);
        if (status < 0)
            return -1;
        if (ev->ev_events & (IO_EVENTS | EV_SIGNAL))
            take_place(ev, EVLIST_INSERTED);
    }
    if (due < 0)
        return 0;
    /* A new time-out takes back one that has passed but was not told yet. */
    if (ev->ev_flags & EVLIST_ACTIVE && ev->ev_res & EV_TIMEOUT)
        unqueue_event(ev);
    start_timer(ev, due);
    return 0;
}

int event_add(struct event *ev, const struct timeval *timeout)
{
    usec_t due;

    if (!timeout)
        return add_until(ev, -1);
    due = time_of(ev->ev_base) + to_usec(timeout);
    if (add_until(ev, due > 0 ? due : 0) < 0)
        return -1;
    if (ev->ev_events & EV_PERSIST && !(ev->ev_events & EV_SIGNAL))
        ev->ev_interval = *timeout;
    return 0;
}

int event_del(struct event *ev)
{
    if (ev->ev_base->calling == ev)
        ev->ev_base->calling = NULL; /* no further calls */
    if (ev->ev_flags & EVLIST_TIMEOUT)
        stop_timer(ev);
    if (ev->ev_flags & EVLIST_ACTIVE)
        unqueue_event(ev);
    if (!(ev->ev_flags & EVLIST_INSERTED))
        return 0;
    leave_place(ev, EVLIST_INSERTED);
    if (ev->ev_events & EV_SIGNAL)
        remove_signal(ev);
    else
        remove_io(ev);
    return 0;
}

void event_free(struct event *ev)
{
    event_del(ev);
    free(ev);
}

void event_active(struct event *ev, int what, short calls)
{
    queue_event(ev, (short)what, calls);
}

int event_pending(const struct event *ev, short what, struct timeval *tv)
{
    short flags = 0;
    struct timeval left, now;

    if (ev->ev_flags & EVLIST_INSERTED)
        flags |= ev->ev_events & (IO_EVENTS | EV_SIGNAL);
    if (ev->ev_flags & EVLIST_ACTIVE)
        flags |= ev->ev_res;
    if (ev->ev_flags & EVLIST_TIMEOUT)
        flags |= EV_TIMEOUT;
    flags &= what & (IO_EVENTS | EV_SIGNAL | EV_TIMEOUT);
    if (tv && flags & EV_TIMEOUT) {
        left = to_timeval(to_usec(&ev->ev_timeout) - time_of(ev->ev_base));
        gettimeofday(&now, NULL);
        timeradd(&now, &left, tv);
    }
    return flags;
}

int event_priority_set(struct event *ev, int priority)
{
    if (ev->ev_flags & EVLIST_ACTIVE || priority < 0 ||
        priority >= ev->ev_base->queue_count)
        return -1;
    ev->ev_priority = (ev_uint8_t)priority;
    return 0;
}

/* --- the base and its loop --- */

int event_base_priority_init(struct event_base *base, int count)
{
    struct queue *queues;

    if (base->active || count < 1 || count >= EVENT_MAX_PRIORITIES)
        return -1;
    queues = malloc((size_t)count * sizeof(*queues));
    if (!queues)
        return -1;
    for (int i = 0; i < count; i++)
        TAILQ_INIT(&queues[i]);
    free(base->queues);
    base->queues = queues;
    base->queue_count = count;
    return 0;
}

struct event_base *event_base_new(void)
{
    struct event_base *base = calloc(1, sizeof(*base));

    if (!base)
        return NULL;
    base->signal_pair[0] = base->signal_pair[1] = -1;
    base->running_priority = -1;
    base->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (base->epoll < 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
            base->signal_pair) < 0 ||
        event_base_priority_init(base, 1) < 0) {
        event_base_free(base);
        return NULL;
    }
    event_assign(&base->wakeup, base, base->signal_pair[0],
        EV_READ | EV_PERSIST, wakeup_cb, base);
    base->wakeup.ev_flags |= EVLIST_INTERNAL;
    return base;
}

/* The events stay the program's; they are only taken out of the base. */
void event_base_free(struct event_base *base)
{
    struct once *once;

    for (int i = 0; i < NSIG; i++)
        while (!LIST_EMPTY(&base->signals[i].events))
            event_del(LIST_FIRST(&base->signals[i].events));
    for (int i = 0; i < base->slot_count; i++)
        while (!LIST_EMPTY(&base->slots[i].events))
            event_del(LIST_FIRST(&base->slots[i].events));
    while (base->timer_count > 0)
        event_del(base->heap[0].ev);
    for (int i = 0; i < base->queue_count; i++)
        while (!TAILQ_EMPTY(&base->queues[i]))
            event_del((struct event *)TAILQ_FIRST(&base->queues[i]));
    while ((once = LIST_FIRST(&base->onces))) {
        LIST_REMOVE(once, next);
        free(once);
    }
    if (signal_base == base)
        signal_base = NULL;
    for (int i = 0; i < 2; i++)
        if (base->signal_pair[i] >= 0)
            close(base->signal_pair[i]);
    if (base->epoll >= 0)
        close(base->epoll);
    free(base->slots);
    free(base->heap);
    free(base->queues);
    free(base);
}

/* How long epoll_wait may sleep, in whole milliseconds, rounded up. */
static int longest_wait(const struct event_base *base, int flags)
{
    usec_t left;

    if (base->active || flags & EVLOOP_NONBLOCK)
        return 0;
    if (base->timer_count == 0)
        return -1;
    left = base->heap[0].due - time_of(base);
    if (left <= 0)
        return 0;
    return left < MAX_WAIT * 1000LL ? (int)((left + 999) / 1000) : MAX_WAIT;
}

/* An error or a hang-up wakes both who waits to read and who waits to write. */
static short meaning(uint32_t events)
{
    if (events & EPOLLERR || (events & EPOLLHUP && !(events & EPOLLRDHUP)))
        return EV_READ | EV_WRITE | EV_ET;
    return (short)((events & EPOLLIN ? EV_READ : 0) |
                   (events & EPOLLOUT ? EV_WRITE : 0) |
                   (events & EPOLLRDHUP ? EV_CLOSED : 0) | EV_ET);
}

static int wait_and_queue(struct event_base *base, int flags)
{
    struct epoll_event ready[READY];
    int count;

    base->cached = 0;
    count = epoll_wait(base->epoll, ready, READY, longest_wait(base, flags));
    if (count < 0 && errno != EINTR)
        return -1;
    for (int i = 0; i < count; i++)
        queue_slot(&base->slots[ready[i].data.fd], meaning(ready[i].events), 1);
    base->cached = time_of(base);
    while (base->timer_count > 0 && base->heap[0].due <= base->cached) {
        struct event *ev = base->heap[0].ev;

        event_del(ev);
        queue_event(ev, EV_TIMEOUT, 1);
    }
    return 0;
}

/* The next time-out counts from when the last one was due, so that delays do
 * not add up; but from now if the event is active for another reason, or if
 * whole intervals were missed. */
static void renew_timeout(struct event_base *base, struct event *ev)
{
    usec_t interval = to_usec(&ev->ev_interval), now = time_of(base);
    usec_t due = to_usec(&ev->ev_timeout) + interval;

    add_until(ev, ev->ev_res & EV_TIMEOUT && due >= now ? due : now + interval);
}

/* The callback may free the event, so nothing of it is read afterwards. A
 * signal that came three times is three calls, unless the event is deleted. */
static void call_event(struct event_base *base, struct event *ev)
{
    if (ev->ev_events & EV_SIGNAL) {
        short left = ev->ev_calls;

        base->calling = ev;
        while (left-- > 0 && base->calling == ev && !base->got_break)
            ev->ev_callback(ev->ev_fd, ev->ev_res, ev->ev_arg);
        base->calling = NULL;
        return;
    }
    if (ev->ev_events & EV_PERSIST && timerisset(&ev->ev_interval))
        renew_timeout(base, ev);
    ev->ev_callback(ev->ev_fd, ev->ev_res, ev->ev_arg);
}

/* Run the most urgent queue that has an event. Returns how many events of the
 * program were run. */
static int run_queue(struct event_base *base)
{
    int count = 0;

    base->got_urgent = 0;
    for (int i = 0; i < base->queue_count && count == 0; i++) {
        struct queue *queue = &base->queues[i];

        base->running_priority = i;
        while (!TAILQ_EMPTY(queue) && !base->got_break && !base->got_urgent) {
            struct event *ev = (struct event *)TAILQ_FIRST(queue);

            if (ev->ev_events & EV_PERSIST)
                unqueue_event(ev);
            else
                event_del(ev);
            count += !(ev->ev_flags & EVLIST_INTERNAL);
            call_event(base, ev);
        }
        if (base->got_break)
            break;
    }
    base->running_priority = -1;
    return count;
}

int event_base_loop(struct event_base *base, int flags)
{
    int status = 0, done = 0, count;

    if (base->running)
        return -1;
    base->running = 1;
    base->got_exit = base->got_break = 0;
    if (base->wakeup.ev_flags & EVLIST_INSERTED)
        signal_base = base;
    while (!done && !base->got_exit && !base->got_break) {
        if (!base->places && !(flags & EVLOOP_NO_EXIT_ON_EMPTY)) {
            status = 1;
            break;
        }
        if (wait_and_queue(base, flags) < 0) {
            status = -1;
            break;
        }
        done = !base->active && flags & EVLOOP_NONBLOCK;
        count = run_queue(base);
        done |= count > 0 && !base->active && flags & EVLOOP_ONCE;
    }
    base->cached = 0;
    base->running = 0;
    return status;
}

int event_base_dispatch(struct event_base *base)
{
    return event_base_loop(base, 0);
}

int event_base_loopbreak(struct event_base *base)
{
    base->got_break = 1;
    return 0;
}

static void once_cb(evutil_socket_t fd, short what, void *arg)
{
    struct once *once = arg;

    LIST_REMOVE(once, next);
    once->callback(fd, what, once->arg);
    free(once);
}

/* A time-out of none is active at once, and stays in order with others. */
int event_base_once(struct event_base *base, evutil_socket_t fd, short events,
    event_callback_fn callback, void *arg, const struct timeval *timeout)
{
    struct once *once = calloc(1, sizeof(*once));

    if (!once || events & (EV_SIGNAL | EV_PERSIST) ||
        !(events & (IO_EVENTS | EV_TIMEOUT))) {
        free(once);
        return -1;
    }
    once->callback = callback;
    once->arg = arg;
    event_assign(&once->ev, base, fd, events & IO_EVENTS, once_cb, once);
    if (!(events & IO_EVENTS) && (!timeout || !timerisset(timeout))) {
        event_active(&once->ev, EV_TIMEOUT, 1);
    } else if (event_add(&once->ev, timeout) < 0) {
        free(once);
        return -1;
    }
    LIST_INSERT_HEAD(&base->onces, once, next);
    return 0;
}

static void exit_cb(evutil_socket_t fd, short what, void *arg)
{
    ((struct event_base *)arg)->got_exit = 1;
}

/* An event like another: those that are active before it run before it. */
int event_base_loopexit(struct event_base *base, const struct timeval *timeout)
{
    return event_base_once(base, -1, EV_TIMEOUT, exit_cb, base, timeout);
}
#else
/* Stage 1 works: a loop around epoll_wait, one event for each descriptor, and
 * that event persistent and for reading. */
enum {
    READY = 64,    /* events that one epoll_wait returns */
    MAX_FD = 1024, /* stage 2: a table that grows */
};

/* Stage 2: a list of events (LIST_HEAD(, event), linked by ev_next), and what
 * epoll was asked for. */
struct slot {
    struct event *ev;
};

/* Stage 3: a heap of the events with a time-out; each has its ev_heap_index.
 * Stage 4: a socket pair, an event for its reading end, the events of each
 * signal, and what sigaction gave for it before.
 * Stage 5: a queue for each priority (TAILQ_HEAD(, event_callback), linked by
 * evcb_active_next), and a place in it for each active event. */
struct event_base {
    int epoll;
    struct slot slots[MAX_FD]; /* the index is the descriptor */
    int count;                 /* of events that are added */
};

struct event_base *event_base_new(void)
{
    struct event_base *base = calloc(1, sizeof(*base));

    if (!base)
        return NULL;
    base->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (base->epoll < 0) {
        free(base);
        return NULL;
    }
    return base;
}

void event_base_free(struct event_base *base)
{
    close(base->epoll);
    free(base);
}

struct event *event_new(struct event_base *base, evutil_socket_t fd,
    short events, event_callback_fn callback, void *arg)
{
    struct event *ev = calloc(1, sizeof(*ev));

    if (!ev)
        return NULL;
    ev->ev_base = base;
    ev->ev_fd = fd;
    ev->ev_events = events;
    ev->ev_callback = callback;
    ev->ev_arg = arg;
    ev->ev_flags = EVLIST_INIT;
    return ev;
}

int event_add(struct event *ev, const struct timeval *timeout)
{
    struct event_base *base = ev->ev_base;
    struct epoll_event request = {.events = EPOLLIN};

    request.data.fd = ev->ev_fd;
    if (ev->ev_fd < 0 || ev->ev_fd >= MAX_FD ||
        epoll_ctl(base->epoll, EPOLL_CTL_ADD, ev->ev_fd, &request) < 0)
        return -1;
    base->slots[ev->ev_fd].ev = ev;
    ev->ev_flags |= EVLIST_INSERTED;
    base->count++;
    return 0;
}

int event_del(struct event *ev)
{
    struct event_base *base = ev->ev_base;

    if (!(ev->ev_flags & EVLIST_INSERTED))
        return 0;
    (void)epoll_ctl(base->epoll, EPOLL_CTL_DEL, ev->ev_fd, NULL);
    base->slots[ev->ev_fd].ev = NULL;
    ev->ev_flags &= (short)~EVLIST_INSERTED;
    base->count--;
    return 0;
}

void event_free(struct event *ev)
{
    event_del(ev);
    free(ev);
}

/* Later it also tells of time-outs and of events that are active. */
int event_pending(const struct event *ev, short what, struct timeval *tv)
{
    return ev->ev_flags & EVLIST_INSERTED ? ev->ev_events & what : 0;
}

int event_base_loop(struct event_base *base, int flags)
{
    struct epoll_event ready[READY];
    int count;

    while (base->count > 0) {
        count = epoll_wait(
            base->epoll, ready, READY, flags & EVLOOP_NONBLOCK ? 0 : -1);
        if (count < 0 && errno != EINTR)
            return -1;
        for (int i = 0; i < count; i++) {
            struct event *ev = base->slots[ready[i].data.fd].ev;

            if (ev)
                ev->ev_callback(ev->ev_fd, EV_READ, ev->ev_arg);
        }
        if (flags & (EVLOOP_NONBLOCK | EVLOOP_ONCE))
            return 0;
    }
    return 1;
}

int event_base_dispatch(struct event_base *base)
{
    return event_base_loop(base, 0);
}
#endif
