/* rare.c -- calls on buffers and bufferevents that few programs need. */
#include "trace.h"

#include <event2/buffer.h>
#include <event2/buffer_compat.h>
#include <event2/bufferevent.h>

static void changed_cb(
    struct evbuffer *buf, size_t before, size_t now, void *arg)
{
    printf("  %s: from %zu to %zu\n", (const char *)arg, before, now);
    if (now > 10)
        evbuffer_drain(buf, now); /* calls this again */
}

static void never_cb(
    struct evbuffer *buf, const struct evbuffer_cb_info *info, void *arg)
{
    printf("  a callback that was taken back\n");
}

static void old_callbacks(void)
{
    struct evbuffer *buf = evbuffer_new();

    evbuffer_add_cb(buf, never_cb, NULL);
    printf("setcb %d\n", evbuffer_setcb(buf, changed_cb, (void *)"first"));
    evbuffer_add(buf, "four", 4);
    printf("setcb %d\n", evbuffer_setcb(buf, changed_cb, (void *)"second"));
    evbuffer_add(buf, "and eleven more", 15);
    printf("left %zu\n", evbuffer_get_length(buf));
    printf("setcb %d\n", evbuffer_setcb(buf, NULL, NULL));
    evbuffer_add(buf, "silent", 6);
    evbuffer_setcb(buf, changed_cb, (void *)"freed with it");
    evbuffer_free(buf);
}

/* Each part is a chunk of its own: what shows bytes is not joined. */
static void parts(void)
{
    struct evbuffer *buf = evbuffer_new();
    struct evbuffer_iovec vectors[2];
    struct evbuffer_ptr at;

    for (int i = 0; i < 16; i++)
        evbuffer_add_reference(buf, "a part of seventeen", 17, NULL, NULL);
    evbuffer_ptr_set(buf, &at, 20, EVBUFFER_PTR_SET);
    printf("parts: %d, from 20 on %d, of 18 bytes %d, of none %d\n",
        evbuffer_peek(buf, -1, NULL, NULL, 0),
        evbuffer_peek(buf, -1, &at, NULL, 0),
        evbuffer_peek(buf, 18, NULL, NULL, 0),
        evbuffer_peek(buf, 0, NULL, NULL, 0));
    printf("with two vectors: %d, of 100 bytes %d\n",
        evbuffer_peek(buf, -1, NULL, vectors, 2),
        evbuffer_peek(buf, 100, NULL, vectors, 2));
    evbuffer_free(buf);
}

static void find(const char *what)
{
    struct evbuffer *buf = evbuffer_new();
    unsigned char *found;

    evbuffer_add_reference(buf, "one two th", 10, NULL, NULL);
    evbuffer_add_reference(buf, "ree", 3, NULL, NULL);
    found = evbuffer_find(buf, (const unsigned char *)what, strlen(what));
    printf("find %s: %.*s\n", what, found ? (int)strlen(what) : 7,
        found ? (const char *)found : "nowhere");
    evbuffer_free(buf);
}

static void shown_twice(void)
{
    struct evbuffer *one = evbuffer_new(), *two = evbuffer_new();
    struct evbuffer *three = evbuffer_new();

    printf("show nothing: %d, itself %d\n",
        evbuffer_add_buffer_reference(two, one),
        evbuffer_add_buffer_reference(one, one));
    evbuffer_add(one, "bytes", 5);
    printf("show: %d, itself %d\n", evbuffer_add_buffer_reference(two, one),
        evbuffer_add_buffer_reference(one, one));
    printf("what is shown: %d, by its owner %d\n",
        evbuffer_add_buffer_reference(three, two),
        evbuffer_add_buffer_reference(one, two));
    evbuffer_free(one);
    printf("%zu %zu bytes: %.5s\n", evbuffer_get_length(two),
        evbuffer_get_length(three), evbuffer_pullup(two, -1));
    evbuffer_free(two);
    evbuffer_free(three);
}

static void lines(void)
{
    struct evbuffer *buf = evbuffer_new();
    char *line = evbuffer_readln(buf, NULL, EVBUFFER_EOL_LF);

    printf("a line of nothing: %s\n", line ? line : "none");
    evbuffer_add(buf, "line\n", 5);
    line = evbuffer_readln(buf, NULL, EVBUFFER_EOL_LF);
    printf("a line: %s\n", line);
    free(line);
    evbuffer_free(buf);
}

int main(void)
{
    struct event_base *base = event_base_new();
    struct bufferevent *bev = bufferevent_socket_new(base, -1, 0);

    printf("no filter: %d\n", bufferevent_get_underlying(bev) == NULL);
    bufferevent_free(bev);
    event_base_free(base);
    old_callbacks();
    parts();
    find("two");
    find("three");
    find("four");
    shown_twice();
    lines();
    return 0;
}
