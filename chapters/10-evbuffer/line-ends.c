/* line-ends.c -- searches in an evbuffer, and what ends a line for each style.
 *
 * Build: cc -o line-ends line-ends.c -levent_core
 * Run:   ./line-ends
 * Try:   a style more, EVBUFFER_EOL_NUL
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
    fprintf(status ? stderr : stdout, "usage: line-ends\n");
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

/* The text that is searched for can lie in several pieces. */
static void show_search(void)
{
    struct evbuffer *buffer = new_buffer();
    struct evbuffer_ptr start, found;

    printf("searching:\n");
    must(evbuffer_add_reference(buffer, "a-b-", 4, NULL, NULL));
    must(evbuffer_add_reference(buffer, "-c--d", 5, NULL, NULL));
    show_buffer("evbuffer_add_reference, twice", buffer);
    found = evbuffer_search(buffer, "--", 2, NULL);
    printf("  evbuffer_search \"--\": %zd\n", found.pos);
    must(evbuffer_ptr_set(buffer, &start, 5, EVBUFFER_PTR_SET));
    found = evbuffer_search(buffer, "--", 2, &start);
    printf("  the same from 5 on: %zd\n", found.pos);
    found = evbuffer_search_range(buffer, "--", 2, NULL, &start);
    printf("  evbuffer_search_range, up to 5: %zd\n", found.pos);
    must(evbuffer_ptr_set(buffer, &start, 2, EVBUFFER_PTR_ADD));
    found = evbuffer_search(buffer, "--", 2, &start);
    printf("  evbuffer_search from 7 on: %zd\n", found.pos);
    evbuffer_free(buffer);
}

/* Remove lines from the buffer, and print them. */
static void read_lines(struct evbuffer *buffer, enum evbuffer_eol_style style)
{
    size_t length;
    char *line;

    while ((line = evbuffer_readln(buffer, &length, style))) {
        putchar(' ');
        print_bytes(line, length);
        free(line);
    }
}

static void show_lines(void)
{
    static const struct {
        const char *name;
        enum evbuffer_eol_style style;
    } styles[] = {{"CRLF", EVBUFFER_EOL_CRLF}, {"LF", EVBUFFER_EOL_LF},
        {"CRLF_STRICT", EVBUFFER_EOL_CRLF_STRICT}, {"ANY", EVBUFFER_EOL_ANY}};
    struct evbuffer *buffer = new_buffer();

    printf("evbuffer_readln on \"a\\nb\\r\\n\\r\\nc\\rd\\r\\n\":\n");
    for (int i = 0; i < 4; i++) {
        add_text(buffer, "a\nb\r\n\r\nc\rd\r\n");
        printf("  %-11s", styles[i].name);
        read_lines(buffer, styles[i].style);
        printf(", %zu bytes are left\n", evbuffer_get_length(buffer));
        must(evbuffer_drain(buffer, evbuffer_get_length(buffer)));
    }
    printf("  ANY, where \"b\\r\" and \"\\n\\r\\n\" come one after the other:");
    add_text(buffer, "a\nb\r");
    read_lines(buffer, EVBUFFER_EOL_ANY);
    add_text(buffer, "\n\r\nc\rd\r\n");
    read_lines(buffer, EVBUFFER_EOL_ANY);
    putchar('\n');
    evbuffer_free(buffer);
}

int main(int argc, char **argv)
{
    open_standard_fds();
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        usage(0);
    if (argc != 1)
        usage(2);

    show_search();
    show_lines();

    check_output();
    return 0;
}
