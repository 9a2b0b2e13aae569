/* Starter and solution in one: look once you have passed (make compare-NN). */
/* heap.c -- timers that are set on standard input, and fire on time.
 *
 * Build: cc -o heap heap.c
 * Run:   ./heap
 * Try:   add tea 3000, then add egg 1000, count, move tea 500, del egg, Ctrl-D
 */
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <limits.h>
#include <search.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum {
    NAME_LIMIT = 31,
    INPUT_SIZE = 16384, /* a line has to fit */
    FIRST_SIZE = 16,
};

static const long long MS_LIMIT = 10000000000; /* 115 days */
static const long long MILLION = 1000000;

struct timer {
    long long due;   /* in nanoseconds of the clock */
    long long order; /* the greater, the later it was added or moved */
    size_t place;    /* in the heap */
    char name[NAME_LIMIT + 1];
};

struct heap {
    struct timer **timers; /* an array; the first one fires next */
    size_t count;
    size_t size; /* of the array */
};

struct program {
    struct heap heap;
    void *names;     /* of the same timers, by name: see tsearch(3) */
    long long order; /* of the latest timer */
    long long now;   /* when the loop woke up; lines count from there */
    size_t length;   /* of what is in `input`: a line that is not whole */
    bool skipping;   /* the rest of a line that does not fit */
    char input[INPUT_SIZE];
};

static long long read_clock(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time); /* cannot fail */
    return time.tv_sec * 1000 * MILLION + time.tv_nsec;
}

/* --- the heap --- */

#ifdef SOLUTION
static bool is_before(const struct timer *a, const struct timer *b)
{
    return a->due != b->due ? a->due < b->due : a->order < b->order;
}

static void put(struct heap *heap, struct timer *timer, size_t place)
{
    heap->timers[place] = timer;
    timer->place = place;
}

/* From the free place up, let parents that fire later sink into it; then the
 * timer belongs there. */
static void sift_up(struct heap *heap, struct timer *timer, size_t place)
{
    while (place > 0) {
        size_t parent = (place - 1) / 2;

        if (!is_before(timer, heap->timers[parent]))
            break;
        put(heap, heap->timers[parent], place);
        place = parent;
    }
    put(heap, timer, place);
}

/* From the free place down, let the earlier child rise into it. */
static void sift_down(struct heap *heap, struct timer *timer, size_t place)
{
    size_t child;

    while ((child = 2 * place + 1) < heap->count) {
        if (child + 1 < heap->count &&
            is_before(heap->timers[child + 1], heap->timers[child]))
            child++;
        if (!is_before(heap->timers[child], timer))
            break;
        put(heap, heap->timers[child], place);
        place = child;
    }
    put(heap, timer, place);
}

static bool heap_add(struct heap *heap, struct timer *timer)
{
    if (heap->count == heap->size) {
        size_t size = heap->size ? 2 * heap->size : FIRST_SIZE;
        struct timer **timers =
            realloc(heap->timers, size * sizeof(struct timer *));

        if (!timers)
            return false;
        heap->timers = timers;
        heap->size = size;
    }
    sift_up(heap, timer, heap->count++);
    return true;
}

/* The last timer fills the gap; it may belong above it or below it. */
static void heap_remove(struct heap *heap, struct timer *timer)
{
    struct timer *last = heap->timers[--heap->count];
    size_t place = timer->place;

    if (last == timer)
        return;
    if (place > 0 && is_before(last, heap->timers[(place - 1) / 2]))
        sift_up(heap, last, place);
    else
        sift_down(heap, last, place);
}

static struct timer *heap_first(const struct heap *heap)
{
    return heap->count > 0 ? heap->timers[0] : NULL;
}
#else
/* Add a timer, whose `due` and `order` are set, in log n steps. Returns false
 * if there is no memory. */
static bool heap_add(struct heap *heap, struct timer *timer)
{
    /* yours; this one fires them in the order of adding, and 16 at most */
    if (!heap->timers)
        heap->timers = calloc(FIRST_SIZE, sizeof(struct timer *));
    if (!heap->timers || heap->count == FIRST_SIZE)
        return false;
    heap->timers[heap->count++] = timer;
    return true;
}

/* Remove a timer, which is in the heap at any place, in log n steps. */
static void heap_remove(struct heap *heap, struct timer *timer)
{
    /* yours; this one can remove only the first */
    heap->count--;
    memmove(
        heap->timers, heap->timers + 1, heap->count * sizeof(struct timer *));
}

/* The timer that fires next, or NULL if there is none. */
static struct timer *heap_first(const struct heap *heap)
{
    return heap->count > 0 ? heap->timers[0] : NULL; /* yours */
}
#endif

/* --- the commands --- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(
        ((const struct timer *)a)->name, ((const struct timer *)b)->name);
}

/* Look for the timer called NAME, which has at most NAME_LIMIT characters. */
static struct timer *find_timer(struct program *program, const char *name)
{
    struct timer key;

    snprintf(key.name, sizeof(key.name), "%s", name);
    struct timer **found = tfind(&key, &program->names, compare_names);
    return found ? *found : NULL;
}

static void timer_free(struct program *program, struct timer *timer)
{
    heap_remove(&program->heap, timer);
    tdelete(timer, &program->names, compare_names);
    free(timer);
}

static void set_due(struct program *program, struct timer *timer, long long ms)
{
    timer->due = program->now + ms * MILLION;
    timer->order = ++program->order;
}

static void add(struct program *program, const char *name, long long ms)
{
    struct timer *timer = calloc(1, sizeof(*timer));

    if (!timer)
        err(1, "cannot make a timer");
    snprintf(timer->name, sizeof(timer->name), "%s", name);
    set_due(program, timer, ms);
    if (!tsearch(timer, &program->names, compare_names) ||
        !heap_add(&program->heap, timer))
        errx(1, "cannot add a timer");
}

/* A timer that is moved counts as added anew. */
static void move(struct program *program, struct timer *timer, long long ms)
{
    heap_remove(&program->heap, timer);
    set_due(program, timer, ms);
    if (!heap_add(&program->heap, timer))
        errx(1, "cannot move a timer");
}

/* The milliseconds that TEXT names, or -1 if it names none. */
static long long parse_ms(const char *text)
{
    char *end;

    if (!isdigit((unsigned char)text[0]))
        return -1;
    errno = 0;
    long long ms = strtoll(text, &end, 10);
    return *end != '\0' || errno || ms > MS_LIMIT ? -1 : ms;
}

/* Do what a line says. Returns what is wrong with it, or NULL. */
static const char *do_line(struct program *program, char *line)
{
    char *rest = line, *words[4] = {NULL};
    int count = 0;

    while (count < 4 && (words[count] = strsep(&rest, " ")))
        count++;
    if (count == 1 && strcmp(words[0], "count") == 0) {
        printf("count %zu\n", program->heap.count);
        return NULL;
    }
    bool is_del = strcmp(words[0], "del") == 0;
    bool is_add = strcmp(words[0], "add") == 0;
    if (!is_add && !is_del && strcmp(words[0], "move") != 0)
        return "no such command";
    if (count != (is_del ? 2 : 3))
        return "wrong number of words";
    if (words[1][0] == '\0' || strlen(words[1]) > NAME_LIMIT)
        return "not a name";
    struct timer *timer = find_timer(program, words[1]);
    long long ms = is_del ? 0 : parse_ms(words[2]);
    if (ms < 0)
        return "not a time";
    if (is_add == (timer != NULL))
        return is_add ? "there is such a timer" : "no such timer";
    if (is_add)
        add(program, words[1], ms);
    else if (is_del)
        timer_free(program, timer);
    else
        move(program, timer, ms);
    return NULL;
}

static void take_line(struct program *program, char *line)
{
    const char *wrong = "line too long";

    if (!program->skipping)
        wrong = do_line(program, line);
    program->skipping = false;
    if (wrong)
        printf("error: %s\n", wrong);
}

/* Read once, and do all lines that are whole. Returns false at the end of the
 * input. Waits if there is no input. */
static bool read_input(struct program *program)
{
    char *start = program->input, *end;
    ssize_t length = read(STDIN_FILENO, program->input + program->length,
        INPUT_SIZE - 1 - program->length);

    if (length < 0 && (errno == EINTR || errno == EAGAIN))
        return true;
    if (length < 0)
        warn("cannot read standard input");
    if (length <= 0) {
        program->input[program->length] = '\0';
        if (program->length > 0 || program->skipping)
            take_line(program, program->input);
        return false;
    }
    program->length += (size_t)length;
    program->input[program->length] = '\0';
    while ((end = memchr(start, '\n',
                program->length - (size_t)(start - program->input)))) {
        *end = '\0';
        take_line(program, start);
        start = end + 1;
    }
    program->length -= (size_t)(start - program->input);
    memmove(program->input, start, program->length);
    if (program->length == INPUT_SIZE - 1) {
        program->length = 0;
        program->skipping = true;
    }
    return true;
}

/* --- the loop --- */

/* Print that the timer fires, and free it. */
static void fire(struct program *program, struct timer *timer)
{
    printf("fired %s\n", timer->name);
    timer_free(program, timer);
}

#ifdef SOLUTION
/* For how long epoll_wait may sleep. Rounded up: a millisecond that is cut off
 * would be spent in a busy loop. */
static int wait_ms(const struct program *program)
{
    struct timer *first = heap_first(&program->heap);

    if (!first)
        return -1;
    long long left = first->due - read_clock();
    if (left <= 0)
        return 0;
    left = (left + MILLION - 1) / MILLION;
    return left > INT_MAX ? INT_MAX : (int)left;
}

/* Fire what is due when this begins, and no more. */
static void fire_due(struct program *program)
{
    long long now = read_clock();
    struct timer *first;

    while ((first = heap_first(&program->heap)) && first->due <= now)
        fire(program, first);
}

static void run(struct program *program, int epoll)
{
    bool open = true;

    while (open || program->heap.count > 0) {
        struct epoll_event event;
        int count = epoll_wait(epoll, &event, 1, wait_ms(program));

        if (count < 0 && errno != EINTR)
            err(1, "epoll_wait");
        program->now = read_clock();
        if (count > 0 && !read_input(program)) {
            open = false;
            if (epoll_ctl(epoll, EPOLL_CTL_DEL, STDIN_FILENO, NULL) != 0)
                err(1, "cannot stop watching standard input");
        }
        fire_due(program);
    }
}
#else
/* Wait for standard input, which EPOLL watches, and for the first timer, both
 * at once; read; fire. Return when the input has ended and no timer is left. */
static void run(struct program *program, int epoll)
{
    /* yours: this one waits for nothing but the input */
    do
        program->now = read_clock();
    while (read_input(program));
    while (program->heap.count > 0)
        fire(program, heap_first(&program->heap));
}
#endif

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc > 1) {
        fprintf(stderr, "usage: heap\n");
        return 2;
    }

    struct program *program = calloc(1, sizeof(*program));
    struct epoll_event event = {.events = EPOLLIN};
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!program || epoll < 0)
        err(1, "cannot make the loop");
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, STDIN_FILENO, &event) != 0)
        err(1, "cannot watch standard input");

    run(program, epoll);

    close(epoll);
    free(program->heap.timers);
    free(program);
    return 0;
}
