/* buffer-tour.c -- shows what each call does to an evbuffer.
 *
 * Build: cc -o buffer-tour buffer-tour.c -levent_core
 * Run:   ./buffer-tour
 * Try:   add "world" with evbuffer_add instead of evbuffer_add_reference
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/buffer.h>

static void usage(int status)
{
    fprintf(status ? stderr : stdout, "usage: buffer-tour\n");
    exit(status);
}

/* Open what is missing of standard input, output and error: the numbers would
 * otherwise go to libevent's own descriptors, and what we print with them.
 * Opened for reading alone, so that printing fails as it did. */
static void open_standard_fds(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            open("/dev/null", O_RDONLY); /* gets the lowest number, FD */
}

/* Output that could not be written, because the disk is full or standard output
 * is closed, is a failure of a program whose output is its result. */
static void check_output(void)
{
    if (fflush(stdout) != 0 || ferror(stdout))
        err(1, "cannot write to standard output");
}

static struct evbuffer *new_buffer(void)
{
    struct evbuffer *buffer = evbuffer_new();

    if (!buffer)
        errx(1, "cannot make a buffer");
    return buffer;
}

/* The program ends if a call that has to succeed fails. */
static void must(int result)
{
    if (result < 0)
        errx(1, "a call failed");
}

static void add_text(struct evbuffer *buffer, const char *text)
{
    must(evbuffer_add(buffer, text, strlen(text)));
}

/* Print LENGTH bytes, with what does not print in the way of C. */
static void print_bytes(const char *bytes, size_t length)
{
    putchar('"');
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] == '\r')
            printf("\\r");
        else if (bytes[i] == '\n')
            printf("\\n");
        else
            putchar(bytes[i]);
    }
    putchar('"');
}

/* Print WHAT, and the pieces of memory that the buffer consists of. */
static void show_buffer(const char *what, struct evbuffer *buffer)
{
    struct evbuffer_iovec pieces[8];
    int count = evbuffer_peek(buffer, -1, NULL, pieces, 8);

    printf("  %-30s", what);
    for (int i = 0; i < count; i++) {
        putchar(' ');
        print_bytes(pieces[i].iov_base, pieces[i].iov_len);
    }
    printf(count > 0 ? "\n" : " empty\n");
}

static void cleanup_cb(const void *data, size_t length, void *arg)
{
    printf("  cleanup_cb: %zu bytes are not needed any more\n", length);
}

static void show_pieces(void)
{
    struct evbuffer *buffer = new_buffer();

    printf("pieces:\n");
    add_text(buffer, "hello, ");
    show_buffer("evbuffer_add", buffer);
    must(evbuffer_add_reference(buffer, "world", 5, cleanup_cb, NULL));
    show_buffer("evbuffer_add_reference", buffer);
    must(evbuffer_add_printf(buffer, " %d\r\n", 2));
    show_buffer("evbuffer_add_printf", buffer);
    printf("  evbuffer_get_length %zu, of these in the first piece %zu\n",
        evbuffer_get_length(buffer), evbuffer_get_contiguous_space(buffer));
    must(evbuffer_pullup(buffer, 9) ? 0 : -1);
    show_buffer("evbuffer_pullup 9", buffer);
    must(evbuffer_pullup(buffer, -1) ? 0 : -1);
    show_buffer("evbuffer_pullup -1", buffer);
    printf("  evbuffer_pullup 100 returns %s\n",
        evbuffer_pullup(buffer, 100) ? "bytes" : "NULL: there are not so many");
    evbuffer_free(buffer);
}

static void show_taking(void)
{
    struct evbuffer *buffer = new_buffer();
    char bytes[4];

    printf("taking bytes out, and putting some before:\n");
    add_text(buffer, "0123456789");
    show_buffer("evbuffer_add", buffer);
    must((int)evbuffer_copyout(buffer, bytes, 4));
    show_buffer("evbuffer_copyout 4", buffer);
    struct evbuffer_ptr place = evbuffer_search(buffer, "6", 1, NULL);
    must((int)evbuffer_copyout_from(buffer, &place, bytes, 4));
    printf("  evbuffer_copyout_from 6, 4     \"%.4s\"\n", bytes);
    must(evbuffer_remove(buffer, bytes, 4));
    show_buffer("evbuffer_remove 4", buffer);
    must(evbuffer_drain(buffer, 2));
    show_buffer("evbuffer_drain 2", buffer);
    must(evbuffer_prepend(buffer, "ab", 2));
    show_buffer("evbuffer_prepend", buffer);
    evbuffer_free(buffer);
}

/* Let a function write into the buffer's own memory. */
static void show_reserve(void)
{
    struct evbuffer *buffer = new_buffer();
    struct evbuffer_iovec space;

    printf("reserving space, and committing a part of it:\n");
    must(evbuffer_reserve_space(buffer, 100, &space, 1));
    printf("  evbuffer_reserve_space 100 gives %s\n",
        space.iov_len >= 100 ? "as many bytes, or more" : "too little");
    memcpy(space.iov_base, "made in place", 13);
    space.iov_len = 13;
    must(evbuffer_commit_space(buffer, &space, 1));
    show_buffer("evbuffer_commit_space 13", buffer);
    evbuffer_free(buffer);
}

static void show_moving(void)
{
    struct evbuffer *from = new_buffer(), *to = new_buffer();

    printf("from one buffer to another:\n");
    add_text(from, "0123456789");
    must(evbuffer_remove_buffer(from, to, 4));
    show_buffer("evbuffer_remove_buffer 4, to", to);
    show_buffer("from", from);
    must(evbuffer_add_buffer(to, from));
    show_buffer("evbuffer_add_buffer, to", to);
    show_buffer("from", from);
    add_text(from, "ab");
    must(evbuffer_add_buffer_reference(to, from));
    show_buffer("..._add_buffer_reference, to", to);
    show_buffer("from", from);
    must(evbuffer_prepend_buffer(to, from));
    show_buffer("evbuffer_prepend_buffer, to", to);
    evbuffer_free(from);
    evbuffer_free(to);
}

static void change_cb(
    struct evbuffer *buffer, const struct evbuffer_cb_info *info, void *arg)
{
    printf("  change_cb: there were %zu bytes, %zu came, %zu went\n",
        info->orig_size, info->n_added, info->n_deleted);
}

static void show_callbacks(void)
{
    struct evbuffer *buffer = new_buffer();
    struct evbuffer_cb_entry *entry = evbuffer_add_cb(buffer, change_cb, NULL);

    printf("a callback for each change:\n");
    must(entry ? 0 : -1);
    add_text(buffer, "hello");
    must(evbuffer_drain(buffer, 2));
    must(evbuffer_cb_clear_flags(buffer, entry, EVBUFFER_CB_ENABLED));
    add_text(buffer, "unseen");
    must(evbuffer_cb_set_flags(buffer, entry, EVBUFFER_CB_ENABLED));
    add_text(buffer, "seen");
    must(evbuffer_remove_cb_entry(buffer, entry));
    evbuffer_free(buffer);
}

static void show_freezing(void)
{
    struct evbuffer *buffer = new_buffer();

    printf("frozen ends:\n");
    add_text(buffer, "hello");
    must(evbuffer_freeze(buffer, 0));
    printf(
        "  the end: evbuffer_add returns %d\n", evbuffer_add(buffer, "x", 1));
    must(evbuffer_unfreeze(buffer, 0));
    must(evbuffer_freeze(buffer, 1));
    printf(
        "  the start: evbuffer_drain returns %d\n", evbuffer_drain(buffer, 1));
    show_buffer("what is left", buffer);
    evbuffer_free(buffer);
}

static void segment_cb(
    struct evbuffer_file_segment const *segment, int flags, void *arg)
{
    printf("  segment_cb: no buffer uses the file any more\n");
}

/* One descriptor serves several buffers, each with a part of the file. */
static void show_segments(void)
{
    struct evbuffer *one = new_buffer(), *two = new_buffer();
    FILE *file = tmpfile();

    printf("parts of a file:\n");
    if (!file || fputs("0123456789", file) == EOF || fflush(file) != 0)
        err(1, "cannot write a temporary file");
    struct evbuffer_file_segment *segment =
        evbuffer_file_segment_new(fileno(file), 0, -1, 0);
    must(segment ? 0 : -1);
    evbuffer_file_segment_add_cleanup_cb(segment, segment_cb, NULL);
    must(evbuffer_add_file_segment(one, segment, 0, 4));
    must(evbuffer_add_file_segment(two, segment, 2, -1));
    evbuffer_file_segment_free(segment); /* the buffers keep it */
    show_buffer("evbuffer_add_file_segment 0 4", one);
    show_buffer("evbuffer_add_file_segment 2 -1", two);
    evbuffer_free(one);
    printf("  one buffer is freed\n");
    evbuffer_free(two);
    fclose(file);
}

int main(int argc, char **argv)
{
    open_standard_fds();
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        usage(0);
    if (argc != 1)
        usage(2);

    show_pieces();
    show_taking();
    show_reserve();
    show_moving();
    show_callbacks();
    show_freezing();
    show_segments();

    check_output();
    return 0;
}
