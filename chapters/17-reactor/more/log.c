/* log.c -- messages, and the functions that allocate
 *
 * Both can be replaced by the program. Every block of the reactor comes from
 * alloc_ or resize_, so that a program can count them, or let one fail.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../reactor/reactor.h"

struct event_base *current_base_;

static event_log_cb log_cb;
static event_fatal_cb fatal_cb;
static void *(*malloc_cb)(size_t size) = malloc;
static void *(*realloc_cb)(void *block, size_t size) = realloc;
static void (*free_cb)(void *block) = free;

void event_set_log_callback(event_log_cb callback)
{
    log_cb = callback;
}

void event_set_fatal_callback(event_fatal_cb callback)
{
    fatal_cb = callback;
}

/* The reason is an errno, or 0. What the caller finds in errno stays. */
void warn_(int error, const char *format, ...)
{
    char text[512];
    int length;
    va_list ap;

    va_start(ap, format);
    length = vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    if (error && length < (int)sizeof(text))
        snprintf(text + length, sizeof(text) - (size_t)length, ": %s",
            strerror(error));
    if (log_cb)
        log_cb(EVENT_LOG_WARN, text);
    else
        fprintf(stderr, "[warn] %s\n", text);
    errno = error ? error : errno;
}

/* For a fault of the program, after which nothing is sure. */
void fail_(const char *what)
{
    if (log_cb)
        log_cb(EVENT_LOG_ERR, what);
    else
        fprintf(stderr, "[err] %s\n", what);
    if (fatal_cb)
        fatal_cb((int)0xdeaddead); /* as libevent does */
    abort();
}

void event_set_mem_functions(void *(*malloc_fn)(size_t size),
    void *(*realloc_fn)(void *block, size_t size), void (*free_fn)(void *block))
{
    malloc_cb = malloc_fn ? malloc_fn : malloc;
    realloc_cb = realloc_fn ? realloc_fn : realloc;
    free_cb = free_fn ? free_fn : free;
}

void *alloc_(size_t size)
{
    void *block = malloc_cb(size);

    return block ? memset(block, 0, size) : NULL;
}

void *resize_(void *block, size_t size)
{
    return realloc_cb(block, size);
}

void free_(void *block)
{
    free_cb(block);
}
