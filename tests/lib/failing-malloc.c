/* failing-malloc.c -- lets an allocation of a program fail, and counts them.
 *
 * Build: cc -shared -fPIC -o failing-malloc.so failing-malloc.c
 * Run:   FAIL_AT=17 LD_PRELOAD=./failing-malloc.so ./echo-server
 * Try:   FAIL_COUNT=count LD_PRELOAD=./failing-malloc.so ./method-probe
 *
 * FAIL_AT=N      the Nth allocation fails, once
 * FAIL_FROM=N    the Nth fails, and all that come after it
 * FAIL_AFTER=F   they are counted from when file F is there, not from the start
 * FAIL_COUNT=F   at the end, file F gets a line more, with three numbers:
 *                allocations that were counted, blocks that were never freed,
 *                and the exit status
 * FAIL_TRACE=F   file F gets the calls that led to the first one that failed
 *
 * It counts malloc, calloc, realloc (not to a smaller size), and those that
 * align, also where the C library calls them: in strdup, fopen, getaddrinfo ...
 * For glibc, whose own functions it calls. With several threads, which of them
 * makes the Nth allocation may differ from run to run. After fork(2) each
 * process counts on by itself.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *block, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *block);

static const char *after, *trace;
static long at, from;
static _Atomic long count, blocks; /* threads may allocate at the same time */
static _Atomic int started, failed;
static int ready;

static long number_of(const char *variable)
{
    const char *text = getenv(variable);

    return text ? atol(text) : 0;
}

static void finish(int status, void *unused)
{
    const char *file = getenv("FAIL_COUNT");
    char text[64];
    int fd = file ? open(file, O_WRONLY | O_CREAT | O_APPEND, 0666) : -1;
    int length =
        snprintf(text, sizeof(text), "%ld %ld %d\n", count, blocks, status);

    if (fd < 0)
        return;
    if (write(fd, text, (size_t)length) != length)
        _exit(125);
    close(fd);
}

/* The first backtrace loads a library, which allocates. */
__attribute__((constructor)) static void start(void)
{
    void *calls[2];

    backtrace(calls, 2);
    after = getenv("FAIL_AFTER");
    trace = getenv("FAIL_TRACE");
    at = number_of("FAIL_AT");
    from = number_of("FAIL_FROM");
    on_exit(finish, NULL);
    started = !after;
    blocks = 0;
    ready = 1;
}

static void show_calls(void)
{
    void *calls[32];
    int fd = trace ? open(trace, O_WRONLY | O_CREAT | O_TRUNC, 0666) : -1;

    if (fd < 0)
        return;
    backtrace_symbols_fd(calls, backtrace(calls, 32), fd);
    close(fd);
}

/* Whether this allocation is to fail. */
static int fails(void)
{
    int error = errno;

    if (!ready)
        return 0;
    if (!started)
        started = access(after, F_OK) == 0;
    errno = error;
    if (!started)
        return 0;
    long number = ++count;
    if (number != at && (from == 0 || number < from))
        return 0;
    if (!__atomic_exchange_n(&failed, 1, __ATOMIC_SEQ_CST))
        show_calls();
    errno = ENOMEM;
    return 1;
}

static void *counted(void *block)
{
    blocks += block != NULL;
    return block;
}

void *malloc(size_t size)
{
    return fails() ? NULL : counted(__libc_malloc(size));
}

void *calloc(size_t number, size_t size)
{
    return fails() ? NULL : counted(__libc_calloc(number, size));
}

void free(void *block)
{
    int error = errno;

    blocks -= block != NULL;
    __libc_free(block);
    errno = error;
}

void *realloc(void *block, size_t size)
{
    if (!block)
        return malloc(size);
    if (size == 0) {
        free(block);
        return NULL;
    }
    if (size > malloc_usable_size(block) && fails())
        return NULL;
    return __libc_realloc(block, size);
}

void *reallocarray(void *block, size_t number, size_t size)
{
    size_t total;

    if (__builtin_mul_overflow(number, size, &total)) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(block, total);
}

void *memalign(size_t alignment, size_t size)
{
    return fails() ? NULL : counted(__libc_memalign(alignment, size));
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return memalign(alignment, size);
}

int posix_memalign(void **block, size_t alignment, size_t size)
{
    void *made = memalign(alignment, size);

    if (!made)
        return ENOMEM;
    *block = made;
    return 0;
}
