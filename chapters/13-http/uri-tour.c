/* uri-tour.c -- takes URIs apart, and makes them out of their parts.
 *
 * Build: cc -o uri-tour uri-tour.c -levent_core -levent_extra
 * Run:   ./uri-tour
 * Try:   decode "100%2541" twice
 */
#include <err.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include <event2/http.h>
#include <event2/keyvalq_struct.h>

static void usage(int status)
{
    fprintf(status ? stderr : stdout, "usage: uri-tour\n");
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

/* Print NAME and TEXT, and free TEXT. */
static void print_made(const char *name, char *text)
{
    if (!text)
        errx(1, "cannot make a text: no memory");
    printf("  %-28s %s\n", name, text);
    free(text);
}

static void print_part(const char *name, const char *part)
{
    if (part)
        printf("  %-10s \"%s\"\n", name, part);
    else
        printf("  %-10s none\n", name);
}

//> parts
/* Print what TEXT consists of. Nothing is decoded. */
static void show_parts(const char *text)
{
    struct evhttp_uri *uri = evhttp_uri_parse(text);

    printf("%s\n", text);
    if (!uri) {
        printf("  refused\n");
        return;
    }
    print_part("scheme", evhttp_uri_get_scheme(uri));
    print_part("userinfo", evhttp_uri_get_userinfo(uri));
    print_part("host", evhttp_uri_get_host(uri));
    printf("  %-10s %d\n", "port", evhttp_uri_get_port(uri));
    print_part("path", evhttp_uri_get_path(uri));
    print_part("query", evhttp_uri_get_query(uri));
    print_part("fragment", evhttp_uri_get_fragment(uri));
    evhttp_uri_free(uri);
}

//> refused
/* Print whether TEXT is a URI: by RFC 3986, and for a less strict parser. */
static void show_verdicts(const char *text)
{
    struct evhttp_uri *strict = evhttp_uri_parse(text);
    struct evhttp_uri *loose =
        evhttp_uri_parse_with_flags(text, EVHTTP_URI_NONCONFORMANT);

    printf("  %-28s %-8s %s\n", text, strict ? "taken" : "refused",
        loose ? "taken" : "refused");
    if (strict)
        evhttp_uri_free(strict);
    if (loose)
        evhttp_uri_free(loose);
}
//> end

static void show_refused(void)
{
    printf("what is refused, and what with EVHTTP_URI_NONCONFORMANT:\n");
    show_verdicts("http://localhost/a b");
    show_verdicts("http://localhost/a|b");
    show_verdicts("http://localhost/%zz");
    show_verdicts("http://local host/");
    show_verdicts("http://localhost:99999/");
    show_verdicts("http://localhost:80x/");
}

//> decode
/* Decode TEXT once. The size shows a NUL in it, which would end the string. */
static void show_decoded(const char *text, bool is_query)
{
    size_t size;
    char *decoded = evhttp_uridecode(text, is_query, &size);

    if (!decoded)
        errx(1, "cannot decode: no memory");
    printf("  %-10s %s: \"%s\", %zu bytes%s\n", text,
        is_query ? "in a query" : "in a path", decoded, size,
        strlen(decoded) < size ? ": a NUL" : "");
    free(decoded);
}
//> end

static void show_decoding(void)
{
    printf("decoding:\n");
    show_decoded("a%20b", false);
    show_decoded("a+b", false);
    show_decoded("a+b", true);
    show_decoded("100%2541", false);
    show_decoded("a%zz", false);
    show_decoded("a%00b", false);
}

//> encode
static void show_encoding(void)
{
    printf("encoding:\n");
    print_made("evhttp_encode_uri", evhttp_encode_uri("a b/c?d&e"));
    print_made("evhttp_uriencode, as a query", evhttp_uriencode("a b", -1, 1));
    print_made("evhttp_htmlescape", evhttp_htmlescape("<a title='&'>"));
}

//> query
/* Print the fields of a query. Values are decoded, names are not. */
static void show_query(const char *query)
{
    struct evkeyvalq fields;
    struct evkeyval *field;

    printf("the fields of %s:\n", query);
    if (evhttp_parse_query_str(query, &fields) < 0) {
        printf("  refused\n");
        return;
    }
    TAILQ_FOREACH (field, &fields, next) {
        printf("  \"%s\" is \"%s\"\n", field->key, field->value);
    }
    evhttp_clear_headers(&fields);
}

//> join
static void try_part(const char *call, int result)
{
    printf("  %-46s %s\n", call, result < 0 ? "refused" : "taken");
}

/* Make a URI out of its parts, which have to be encoded, and are checked. */
static void show_joining(void)
{
    struct evhttp_uri *uri = evhttp_uri_new();
    char text[64];

    if (!uri)
        errx(1, "cannot make a URI: no memory");
    printf("made out of parts:\n");
    try_part("evhttp_uri_set_scheme: http", evhttp_uri_set_scheme(uri, "http"));
    try_part("evhttp_uri_set_userinfo: me", evhttp_uri_set_userinfo(uri, "me"));
    try_part("evhttp_uri_set_host: ::1", evhttp_uri_set_host(uri, "::1"));
    try_part("evhttp_uri_set_host: [::1]", evhttp_uri_set_host(uri, "[::1]"));
    try_part("evhttp_uri_set_port: 8080", evhttp_uri_set_port(uri, 8080));
    try_part("evhttp_uri_set_path: /a b", evhttp_uri_set_path(uri, "/a b"));
    evhttp_uri_set_flags(uri, EVHTTP_URI_NONCONFORMANT);
    try_part("the same, not so strict", evhttp_uri_set_path(uri, "/a b"));
    try_part("evhttp_uri_set_path: /a%20b", evhttp_uri_set_path(uri, "/a%20b"));
    try_part("evhttp_uri_set_query: x=1", evhttp_uri_set_query(uri, "x=1"));
    try_part(
        "evhttp_uri_set_fragment: top", evhttp_uri_set_fragment(uri, "top"));
    if (!evhttp_uri_join(uri, text, sizeof(text)))
        errx(1, "cannot join the parts");
    printf("  %s\n", text);
    evhttp_uri_free(uri);
}
//> end

int main(int argc, char **argv)
{
    open_standard_fds();
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        usage(0);
    if (argc != 1)
        usage(2);

    show_parts("http://me@localhost:8080/a%20b?x=1#top");
    show_parts("/hello?name=you");
    show_parts("localhost:8080/hello");
    show_refused();
    show_decoding();
    show_encoding();
    show_query("x=1&x=2&na%6De=a+b%26c&z=");
    show_query("x&y=1");
    show_joining();
    check_output();
    return 0;
}
