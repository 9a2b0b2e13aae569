/* http-paths.c -- the fuzz target of http-server's paths: see scripts/fuzz.
 *
 * Each file in the server's folder holds its own path, what is outside a
 * secret. The bytes are opened as a path as they are, and are asked for. What
 * opens must be below the folder, and what is sent must be the file that the
 * path names when it is decoded once.
 */
#include <limits.h>

#define main http_server_main
#include "http-server.c"
#include "request-gate.c"
#undef main

#include "local-socket.h"

static const char *const FILES[] = {
    "a.txt", "%41", "index.html", "sub/index.html", "sub/b c", "sub/sub/A"};

static struct server server;
static char folder[PATH_MAX];

static void write_file(int where, const char *name, const char *text)
{
    int fd = openat(where, name, O_WRONLY | O_CREAT, 0600);

    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        abort();
    close(fd);
}

/* A folder "top" with a secret, and in it the folder that is served. */
static void make_folder(void)
{
    char top[] = "/tmp/http-paths.XXXXXX";

    if (!mkdtemp(top))
        abort();
    snprintf(folder, sizeof(folder), "%s/www", top);
    int outside = open(top, O_RDONLY | O_DIRECTORY);

    write_file(outside, "secret", "secret");
    mkdirat(outside, "www", 0700);
    server.folder = open(folder, O_RDONLY | O_DIRECTORY);
    mkdirat(server.folder, "sub", 0700);
    mkdirat(server.folder, "sub/sub", 0700);
    for (size_t i = 0; i < sizeof(FILES) / sizeof(FILES[0]); i++)
        write_file(server.folder, FILES[i], FILES[i]);
    write_file(server.folder, ".hidden", "secret");
    if (symlinkat("../secret", server.folder, "link") < 0 ||
        symlinkat("..", server.folder, "sub/up") < 0)
        abort();
    close(outside);
}

/* Remove it: what the runs leave in /tmp is not to grow. */
static void remove_folder(void)
{
    char command[PATH_MAX + 16];

    *strrchr(folder, '/') = '\0';
    snprintf(command, sizeof(command), "rm -r '%s'", folder);
    if (system(command) != 0)
        abort();
}

/* What the bytes name as a path, opened without decoding. */
static void open_as_it_is(const char *bytes)
{
    char path[PATH_LENGTH], link[64], where[PATH_MAX];
    ssize_t length;
    int fd;

    snprintf(path, sizeof(path), "%s", bytes);
    fd = open_below(server.folder, path);
    if (fd < 0)
        return;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    length = readlink(link, where, sizeof(where) - 1);
    if (length < (ssize_t)strlen(folder) ||
        memcmp(where, folder, strlen(folder)) != 0)
        abort();
    close(fd);
}

static int digit(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : (c | 32) - 'a' + 10;
}

/* The file that the target of a request names, decoded once; "" if it has a
 * NUL. An empty name counts for nothing, and a folder stands for its index. */
static void decode_plainly(const char *target, char *file)
{
    char *end = file;

    while (*target && *target != '?' && *target != '#') {
        char c = *target++;

        if (c == '%' && isxdigit((unsigned char)target[0]) &&
            isxdigit((unsigned char)target[1])) {
            c = (char)(digit(target[0]) * 16 + digit(target[1]));
            target += 2;
            if (c == '\0') {
                *file = '\0';
                return;
            }
        }
        if (c != '/' || (end > file && end[-1] != '/'))
            *end++ = c;
    }
    strcpy(end, end == file || end[-1] == '/' ? "index.html" : "");
}

/* Ask for a target, and compare what is sent. */
static void ask_for(const char *target)
{
    static char answer[65536], file[65536];
    char *body;
    size_t length = 0;
    ssize_t got = -1;
    int fd = connect_locally();

    dprintf(fd, "GET /%s HTTP/1.0\r\n\r\n", target);
    shutdown(fd, SHUT_WR);
    for (int i = 0; i < 20 && got != 0; i++) {
        if (event_base_loop(server.base, EVLOOP_NONBLOCK) < 0)
            abort();
        got = recv(
            fd, answer + length, sizeof(answer) - 1 - length, MSG_DONTWAIT);
        length += got > 0 ? (size_t)got : 0;
    }
    close(fd);
    answer[length] = '\0';
    decode_plainly(target, file);
    body = strstr(answer, "\r\n\r\n");
    if (got != 0 || !body || strcmp(body + 4, "secret") == 0 ||
        (strncmp(answer + 9, "200", 3) == 0 && strcmp(body + 4, file) != 0))
        abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    signal(SIGPIPE, SIG_IGN);
    make_folder();
    atexit(remove_folder);
    server.base = event_base_new();
    server.rest_event =
        event_new(server.base, -1, EV_PERSIST, rest_cb, &server);
    server.http = new_http(&server);
    listen_locally(&server);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char bytes[4096];

    if (size >= sizeof(bytes))
        return 0;
    memcpy(bytes, data, size);
    bytes[size] = '\0';
    open_as_it_is(bytes);
    for (char *c = bytes; *c; c++)
        if (*c <= ' ' || *c > '~')
            return 0;    /* the gate would refuse it */
    if (bytes[0] != '/') /* with it, a host would begin */
        ask_for(bytes);
    return 0;
}
