/* Starter and solution in one: look once you have passed (make compare-NN). */
/* re-adding.c -- a reactor whose callbacks add, delete and free its events.
 *
 * Build: cc -o re-adding re-adding.c
 * Run:   ./re-adding <SCRIPT
 * Try:   the lines: timer a persist / on a print / start add a 100, and so on
 */
#include <err.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <unistd.h>

enum { EV_TIMEOUT = 1, EV_READ = 2, EV_ACTIVE = 4, EV_PERSIST = 16 };
enum { NEVER = -1, BATCH = 16, MOST_EVENTS = 32, MOST_ACTIONS = 8, WORDS = 5 };

typedef void (*callback_fn)(int fd, short what, void *arg);

struct event {
    struct base *base;
    int fd;       /* -1: none */
    short events; /* EV_READ, EV_PERSIST */
    short what;   /* the reasons, while it is active */
    callback_fn callback;
    void *arg;
    long interval;                 /* of a persistent event, in ms; 0: none */
    long due;                      /* while it has a time-out */
    bool watched, timed, active;   /* the places that it is in */
    TAILQ_ENTRY(event) next_timer; /* the next one to be due */
    TAILQ_ENTRY(event) next_active;
};

TAILQ_HEAD(event_list, event);

struct base {
    int epoll;
    long clock; /* the time in ms; see wait_for_descriptors */
    long now;   /* what it was when the callbacks of this round began */
    struct event_list timers; /* in the order of being due */
    struct event_list active; /* the callbacks that are to run */
    bool is_over;
};

/* --- the reactor --- */

static void unwatch(struct event *ev)
{
    if (epoll_ctl(ev->base->epoll, EPOLL_CTL_DEL, ev->fd, NULL) < 0)
        err(1, "cannot forget a descriptor");
    ev->watched = false;
}

static void watch(struct event *ev)
{
    struct epoll_event how = {.events = EPOLLIN, .data.ptr = ev};

    if (epoll_ctl(ev->base->epoll, EPOLL_CTL_ADD, ev->fd, &how) < 0)
        err(1, "cannot watch a descriptor");
    ev->watched = true;
}

static void clear_timer(struct event *ev)
{
    TAILQ_REMOVE(&ev->base->timers, ev, next_timer);
    ev->timed = false;
}

/* Events that are due at the same time stay in the order of being added. */
static void set_timer(struct event *ev, long due)
{
    struct event *other;

    if (ev->timed)
        clear_timer(ev);
    ev->due = due;
    ev->timed = true;
    TAILQ_FOREACH (other, &ev->base->timers, next_timer) {
        if (other->due > due) {
            TAILQ_INSERT_BEFORE(other, ev, next_timer);
            return;
        }
    }
    TAILQ_INSERT_TAIL(&ev->base->timers, ev, next_timer);
}

static void deactivate(struct event *ev)
{
    TAILQ_REMOVE(&ev->base->active, ev, next_active);
    ev->active = false;
}

/* Have the callback run for the reason WHAT. An event that is active already
 * keeps its place, and its callback is told all reasons. */
static void event_active(struct event *ev, short what)
{
    if (ev->active) {
        ev->what |= what;
        return;
    }
    ev->what = what;
    ev->active = true;
    TAILQ_INSERT_TAIL(&ev->base->active, ev, next_active);
}

/* Make the event pending, with a time-out at DUE unless that is NEVER. A new
 * time-out takes back one that has passed, if the callback has not run yet. */
static void add_at(struct event *ev, long due)
{
    if (ev->fd >= 0 && !ev->watched)
        watch(ev);
    if (due == NEVER)
        return;
    if (ev->active && ev->what & EV_TIMEOUT)
        deactivate(ev);
    set_timer(ev, due);
}

/* All callbacks of a round count from the same time, when they began. */
static void event_add(struct event *ev, long ms)
{
    add_at(ev, ms == NEVER ? NEVER : ev->base->now + ms);
    if (ev->events & EV_PERSIST && ms != NEVER)
        ev->interval = ms;
}

#ifdef SOLUTION
/* The event is neither pending nor active any more. */
#else
/* The event is no longer pending. */
#endif
static void event_del(struct event *ev)
{
    if (ev->timed)
        clear_timer(ev);
    if (ev->watched)
        unwatch(ev);
#ifdef SOLUTION
    if (ev->active)
        deactivate(ev);
#endif
}

static struct event *event_new(
    struct base *base, int fd, short events, callback_fn callback, void *arg)
{
    struct event *ev = calloc(1, sizeof(*ev));

    if (!ev)
        err(1, "cannot make an event");
    ev->base = base;
    ev->fd = fd;
    ev->events = events;
    ev->callback = callback;
    ev->arg = arg;
    return ev;
}

static void event_free(struct event *ev)
{
    event_del(ev);
    free(ev);
}

/* All descriptors here are the program's own, and only callbacks make them
 * ready: while it waits, nothing happens. So it moves its clock instead, and a
 * script always runs in the same way. Returns false if nothing is left to
 * wait for. */
static bool wait_for_descriptors(struct base *base)
{
    struct epoll_event ready[BATCH];
    struct event *first = TAILQ_FIRST(&base->timers);
    int count = epoll_wait(base->epoll, ready, BATCH, 0);

    if (count < 0)
        err(1, "cannot wait");
    for (int i = 0; i < count; i++)
        event_active(ready[i].data.ptr, EV_READ);
    if (!TAILQ_EMPTY(&base->active))
        return true;
    if (first && first->due > base->clock)
        base->clock = first->due;
    return first != NULL;
}

/* Make active what is due. */
static void expire_timers(struct base *base)
{
    struct event *ev;

    while ((ev = TAILQ_FIRST(&base->timers)) && ev->due <= base->now) {
        event_del(ev);
        event_active(ev, EV_TIMEOUT);
    }
}

#ifdef SOLUTION
/* The next time-out of a persistent event counts from when this one was due, so
 * that delays do not add up. It counts from now if another reason made the
 * event active, or if a whole interval was missed. */
static void start_again(struct event *ev)
{
    long due = ev->due + ev->interval;

    if (!(ev->what & EV_TIMEOUT) || due < ev->base->now)
        due = ev->base->now + ev->interval;
    add_at(ev, due);
}

/* A callback may change the queue, and free its own event: nothing of the event
 * is touched after its callback, and the queue is read anew. */
static void run_active(struct base *base)
{
    struct event *ev;

    while (!base->is_over && (ev = TAILQ_FIRST(&base->active))) {
        if (ev->events & EV_PERSIST)
            deactivate(ev);
        else
            event_del(ev);
        if (ev->events & EV_PERSIST && ev->interval > 0)
            start_again(ev);
        ev->callback(ev->fd, ev->what, ev->arg);
    }
}
#else
/* Run the callbacks of the queue. */
static void run_active(struct base *base)
{
    struct event *ev, *next;

    for (ev = TAILQ_FIRST(&base->active); ev && !base->is_over; ev = next) {
        next = TAILQ_NEXT(ev, next_active);
        deactivate(ev);
        ev->callback(ev->fd, ev->what, ev->arg);
        if (ev->events & EV_PERSIST && ev->interval > 0)
            event_add(ev, ev->interval);
    }
}

static bool is_due(const struct base *base)
{
    const struct event *first = TAILQ_FIRST(&base->timers);

    return first && first->due <= base->now;
}
#endif

/* Run until a callback sets is_over, or nothing can happen any more. */
static void loop(struct base *base)
{
    while (!base->is_over && wait_for_descriptors(base)) {
        base->now = base->clock;
#ifdef SOLUTION
        expire_timers(base);
        run_active(base);
#else
        do {
            expire_timers(base);
            run_active(base);
        } while (!base->is_over && is_due(base));
#endif
    }
}

/* --- the script: what each callback does --- */

struct action {
    char verb[16], name[16]; /* what to do, and with which event */
    long ms;                 /* NEVER: none was given */
};

/* It outlives its event. */
struct entry {
    struct script *script;
    char name[16];
    struct event *ev; /* NULL once it is freed */
    int fd;
    struct action actions[MOST_ACTIONS];
    int count;
};

struct script {
    struct base base;
    struct entry entries[MOST_EVENTS];
    int count;
    struct action start[MOST_EVENTS]; /* done before the loop */
    int start_count;
};

static struct entry *find_entry(struct script *script, const char *name)
{
    for (int i = 0; i < script->count; i++)
        if (strcmp(script->entries[i].name, name) == 0)
            return &script->entries[i];
    errx(1, "there is no event %s", name);
}

/* "wake": one byte or several, the descriptor is ready once. */
static void wake(const struct entry *entry)
{
    uint64_t one = 1;

    if (entry->fd < 0 || write(entry->fd, &one, sizeof(one)) < 0)
        errx(1, "%s has no descriptor to wake", entry->name);
}

static void act_on(struct entry *entry, const struct action *action)
{
    const char *verb = action->verb;

    if (strcmp(verb, "wake") == 0) {
        wake(entry);
    } else if (!entry->ev) {
        warnx("%s: the event %s was freed", verb, entry->name);
    } else if (strcmp(verb, "add") == 0) {
        event_add(entry->ev, action->ms);
    } else if (strcmp(verb, "del") == 0) {
        event_del(entry->ev);
    } else if (strcmp(verb, "active") == 0) {
        event_active(entry->ev, EV_ACTIVE);
    } else if (strcmp(verb, "free") == 0) {
        event_free(entry->ev);
        entry->ev = NULL;
    } else {
        errx(1, "cannot understand: %s", verb);
    }
}

static void act(struct script *script, const struct action *action)
{
    if (strcmp(action->verb, "exit") == 0)
        script->base.is_over = true;
    else if (strcmp(action->verb, "work") == 0)
        script->base.clock += atol(action->name);
    else
        act_on(find_entry(script, action->name), action);
}

/* The callback of all events. */
static void event_cb(int fd, short what, void *arg)
{
    struct entry *entry = arg;
    uint64_t number;

    printf("%ld %s%s%s%s\n", entry->script->base.clock, entry->name,
        what & EV_READ ? " read" : "", what & EV_TIMEOUT ? " timeout" : "",
        what & EV_ACTIVE ? " active" : "");
    if (what & EV_READ && read(fd, &number, sizeof(number)) < 0)
        err(1, "cannot read");
    for (int i = 0; i < entry->count; i++)
        act(entry->script, &entry->actions[i]);
}

/* "timer NAME [persist]" or "descriptor NAME [persist]" */
static void declare(struct script *script, char *words[WORDS])
{
    struct entry *entry = &script->entries[script->count];
    short events = strcmp(words[2], "persist") == 0 ? EV_PERSIST : 0;

    if (script->count++ == MOST_EVENTS)
        errx(1, "there are more than %d events", MOST_EVENTS);
    snprintf(entry->name, sizeof(entry->name), "%s", words[1]);
    entry->script = script;
    entry->fd = -1;
    if (words[0][0] == 'd') {
        events |= EV_READ;
        entry->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        if (entry->fd < 0)
            err(1, "cannot make a descriptor");
    }
    entry->ev = event_new(&script->base, entry->fd, events, event_cb, entry);
}

static void note(struct action *actions, int *count, int most, char **words)
{
    struct action *action = &actions[*count];

    if ((*count)++ == most)
        errx(1, "there are more than %d actions", most);
    snprintf(action->verb, sizeof(action->verb), "%s", words[0]);
    snprintf(action->name, sizeof(action->name), "%s", words[1]);
    action->ms = words[2][0] ? atol(words[2]) : NEVER;
}

static void read_line(struct script *script, char *line)
{
    char *words[WORDS + 1] = {"", "", "", "", "", ""};
    struct entry *entry;
    int count = 0;

    for (char *word = strtok(line, " \n"); word && count < WORDS;
         word = strtok(NULL, " \n"))
        words[count++] = word;
    if (count == 0)
        return;
    if (strcmp(words[0], "timer") == 0 || strcmp(words[0], "descriptor") == 0) {
        declare(script, words);
    } else if (strcmp(words[0], "start") == 0) {
        note(script->start, &script->start_count, MOST_EVENTS, words + 1);
    } else if (strcmp(words[0], "on") == 0) {
        entry = find_entry(script, words[1]);
        note(entry->actions, &entry->count, MOST_ACTIONS, words + 2);
    } else {
        errx(1, "cannot understand: %s", words[0]);
    }
}

int main(void)
{
    static struct script script;
    char line[256];

    setvbuf(stdout, NULL, _IOLBF, 0);
    TAILQ_INIT(&script.base.timers);
    TAILQ_INIT(&script.base.active);
    script.base.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (script.base.epoll < 0)
        err(1, "cannot make an epoll");
    while (fgets(line, sizeof(line), stdin))
        read_line(&script, line);

    for (int i = 0; i < script.start_count; i++)
        act(&script, &script.start[i]);
    loop(&script.base);

    for (int i = 0; i < script.count; i++) {
        if (script.entries[i].ev)
            event_free(script.entries[i].ev);
        if (script.entries[i].fd >= 0)
            close(script.entries[i].fd);
    }
    close(script.base.epoll);
    return 0;
}
