/* buffers.c -- a long row of calls on buffers that look random, the same for
 * the same number: buffers [SEED]. How the bytes are cut into chunks is each
 * library's own. */
#include "trace.h"

#include <event2/buffer.h>

enum { BUFFERS = 4, CALLS = 1000, LARGEST = 6000 };

static struct evbuffer *buffers[BUFFERS];
static struct evbuffer
    *shown; /* libevent does not show what is shown already */
static struct evbuffer_cb_entry *entries[BUFFERS];
static unsigned char bytes[LARGEST * 2];
static unsigned long state;
static int fds[2], cleaned;

static int pick(int below)
{
    state = state * 6364136223846793005UL + 1442695040888963407UL;
    return (int)((state >> 33) % (unsigned long)below);
}

/* Mostly small. */
static size_t some_size(void)
{
    return (size_t)pick(pick(4) ? 40 : LARGEST);
}

static unsigned sum_of(const unsigned char *data, size_t size)
{
    unsigned sum = 1;

    for (size_t i = 0; i < size; i++)
        sum = sum * 31 + data[i];
    return sum;
}

/* Letters, few of them, and ends of lines. */
static size_t fill(void)
{
    size_t size = some_size();

    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)"abcabcabc\r\n\0"[pick(12)];
    return size;
}

static void changed_cb(
    struct evbuffer *buf, const struct evbuffer_cb_info *info, void *arg)
{
    printf("  %d: %zu + %zu - %zu\n", (int)((struct evbuffer **)arg - buffers),
        info->orig_size, info->n_added, info->n_deleted);
}

static void cleanup_cb(const void *data, size_t size, void *arg)
{
    cleaned++;
    free((void *)data);
}

static void show(int i)
{
    size_t length = evbuffer_get_length(buffers[i]);
    unsigned char *all = malloc(length + 1);
    ev_ssize_t got;

    if (!all)
        err(1, NULL);
    got = evbuffer_copyout(buffers[i], all, length);
    printf("%d has %zu %zd %08x, %d cleaned\n", i, length, got,
        sum_of(all, got > 0 ? (size_t)got : 0), cleaned);
    free(all);
}

static void add_some(int i)
{
    struct evbuffer *buf = buffers[i];
    size_t size = fill() + 1;
    void *own;

    switch (pick(6)) {
    case 0:
        printf("prepend %d\n", evbuffer_prepend(buf, bytes, size));
        break;
    case 1:
        printf(
            "printf %d\n", evbuffer_add_printf(buf, "%d %s", (int)size, "abc"));
        break;
    case 2:
        own = malloc(size + 1);
        if (!own)
            err(1, NULL);
        memcpy(own, bytes, size);
        if (evbuffer_add_reference(buf, own, size, cleanup_cb, NULL) < 0) {
            puts("no reference");
            free(own);
        }
        break;
    default:
        printf("add %d\n", evbuffer_add(buf, bytes, size));
    }
}

static void move_some(int i, int k)
{
    switch (pick(4)) {
    case 0:
        printf("add buffer %d\n", evbuffer_add_buffer(buffers[i], buffers[k]));
        break;
    case 1:
        printf("prepend buffer %d\n",
            evbuffer_prepend_buffer(buffers[i], buffers[k]));
        break;
    case 2:
        printf("remove buffer %d\n",
            evbuffer_remove_buffer(buffers[i], buffers[k], some_size()));
        break;
    default:
        evbuffer_add(shown, bytes, some_size());
        printf("share %d\n", evbuffer_add_buffer_reference(buffers[i], shown));
        evbuffer_drain(shown, some_size());
    }
}

static void take_some(int i)
{
    size_t size = some_size();
    int got;

    switch (pick(4)) {
    case 0:
        printf("drain %d\n", evbuffer_drain(buffers[i], size));
        break;
    case 1:
        got = evbuffer_remove(buffers[i], bytes, size);
        printf(
            "remove %d %08x\n", got, sum_of(bytes, got > 0 ? (size_t)got : 0));
        break;
    case 2:
        if (evbuffer_get_length(buffers[i]) > LARGEST * 4)
            printf("drain %d\n", evbuffer_drain(buffers[i], LARGEST * 3));
        break;
    default:
        got = (int)evbuffer_copyout(buffers[i], bytes, size);
        printf(
            "copyout %d %08x\n", got, sum_of(bytes, got > 0 ? (size_t)got : 0));
    }
}

static void read_line(int i)
{
    static const enum evbuffer_eol_style styles[] = {EVBUFFER_EOL_ANY,
        EVBUFFER_EOL_CRLF, EVBUFFER_EOL_CRLF_STRICT, EVBUFFER_EOL_LF,
        EVBUFFER_EOL_NUL};
    enum evbuffer_eol_style style = styles[pick(5)];
    struct evbuffer_ptr from, at;
    size_t length = 0;
    char *line;

    if (pick(2)) {
        line = evbuffer_readln(buffers[i], &length, style);
        printf("line %s %zu %08x\n", line ? "of" : "none", length,
            line ? sum_of((unsigned char *)line, length + 1) : 0);
        free(line);
        return;
    }
    if (evbuffer_ptr_set(buffers[i], &from, some_size(), EVBUFFER_PTR_SET) <
        0) {
        printf("no such place %zd\n", from.pos);
        return;
    }
    at = evbuffer_search_eol(buffers[i], &from, &length, style);
    printf("end of line at %zd, %zu\n", at.pos, at.pos < 0 ? 0 : length);
}

static void search(int i)
{
    static const char *const words[] = {
        "ab", "abc", "c\r", "\r\n", "bcabca", "zz"};
    const char *word = words[pick(6)];
    struct evbuffer_ptr from, end, at;

    if (evbuffer_ptr_set(buffers[i], &from, some_size(), EVBUFFER_PTR_SET) <
            0 ||
        evbuffer_ptr_set(buffers[i], &end, (size_t)from.pos + some_size(),
            EVBUFFER_PTR_SET) < 0) {
        at = evbuffer_search(buffers[i], word, strlen(word), NULL);
        printf("found at %zd\n", at.pos);
        return;
    }
    at = evbuffer_search(buffers[i], word, strlen(word), &from);
    printf("found at %zd", at.pos);
    at = evbuffer_search_range(buffers[i], word, strlen(word), NULL, &end);
    printf(", %zd in the range to %zd", at.pos, end.pos);
    printf(", moved %d",
        evbuffer_ptr_set(buffers[i], &from, some_size(), EVBUFFER_PTR_ADD));
    printf(" to %zd\n", from.pos);
}

static void flat(int i)
{
    size_t size = some_size();
    unsigned char *data = evbuffer_pullup(buffers[i], (ev_ssize_t)size);

    printf("pullup %s %08x\n", data ? "of" : "none",
        data ? sum_of(data, size) : 0);
}

static void reserve(int i)
{
    struct evbuffer_iovec vectors[2];
    size_t size = 1 + some_size(), left = size;
    int count = evbuffer_reserve_space(
        buffers[i], (ev_ssize_t)size, vectors, 1 + pick(2));

    if (count < 0) {
        puts("no space");
        return;
    }
    for (int k = 0; k < count; k++) {
        size_t part = vectors[k].iov_len < left ? vectors[k].iov_len : left;

        memset(vectors[k].iov_base, 'r', part);
        vectors[k].iov_len = part;
        left -= part;
    }
    if (pick(4))
        printf("commit %d, left %zu\n",
            evbuffer_commit_space(buffers[i], vectors, count), left);
}

static void through_socket(int i, int k)
{
    int sent = evbuffer_write_atmost(buffers[i], fds[0], 3000), got;

    printf("sent %d\n", sent);
    for (int left = sent; left > 0; left -= got) {
        got = evbuffer_read(buffers[k], fds[1], -1);
        if (got <= 0) {
            drain(fds[1]);
            puts("not read");
            break;
        }
    }
}

static void look(int i)
{
    struct evbuffer_iovec vectors[64];
    struct evbuffer_ptr from;
    size_t size = some_size(), sum = 0;
    int count;

    if (evbuffer_ptr_set(buffers[i], &from, some_size(), EVBUFFER_PTR_SET) < 0)
        return;
    count = evbuffer_peek(buffers[i], (ev_ssize_t)size, &from, vectors, 64);
    for (int k = 0; k < count && k < 64; k++)
        sum += vectors[k].iov_len;
    if (count <= 64)
        printf("peek at %d\n",
            sum >= size ||
                sum == evbuffer_get_length(buffers[i]) - (size_t)from.pos);
    printf("from there %zd\n",
        evbuffer_copyout_from(buffers[i], &from, bytes, size));
}

static void state_of(int i)
{
    switch (pick(5)) {
    case 0:
        evbuffer_freeze(buffers[i], pick(2));
        break;
    case 1:
    case 2:
        evbuffer_unfreeze(buffers[i], 0);
        evbuffer_unfreeze(buffers[i], 1);
        break;
    default:
        if (pick(2))
            evbuffer_cb_clear_flags(
                buffers[i], entries[i], EVBUFFER_CB_ENABLED);
        else
            evbuffer_cb_set_flags(buffers[i], entries[i], EVBUFFER_CB_ENABLED);
    }
}

static void step(void)
{
    int i = pick(BUFFERS), k = pick(BUFFERS), what = pick(14);

    if (what < 4)
        add_some(i);
    else if (what < 6)
        take_some(i);
    else if (what < 8)
        move_some(i, k);
    else if (what == 8)
        read_line(i);
    else if (what == 9)
        search(i);
    else if (what == 10)
        flat(i);
    else if (what == 11)
        reserve(i);
    else if (what == 12 && i != k)
        through_socket(i, k);
    else if (pick(2))
        look(i);
    else
        state_of(i);
    show(i);
}

int main(int argc, char **argv)
{
    state = argc > 1 ? strtoul(argv[1], NULL, 10) : 1;
    make_pair(fds);
    for (int i = 0; i < BUFFERS; i++) {
        buffers[i] = evbuffer_new();
        if (!buffers[i])
            errx(1, "evbuffer_new");
        entries[i] = evbuffer_add_cb(buffers[i], changed_cb, &buffers[i]);
    }
    shown = evbuffer_new();
    for (int i = 0; i < CALLS; i++)
        step();
    evbuffer_free(shown);
    for (int i = 0; i < BUFFERS; i++)
        evbuffer_free(buffers[i]);
    printf("%d cleaned\n", cleaned);
    close(fds[0]);
    close(fds[1]);
    return 0;
}
