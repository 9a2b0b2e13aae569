/* pick-backend.c -- finds the answer without libevent: no base is made.
 *
 * Fails: libevent_agrees, at "libevent reports epoll"
 * Says:  nothing received
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name, *variable, *features;
} methods[] = {
    {"epoll", "EVENT_NOEPOLL", "et o1 early-close"},
    {"poll", "EVENT_NOPOLL", "fds early-close"},
    {"select", "EVENT_NOSELECT", "fds"},
};

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "avoid=", 6) == 0 && argv[i][6])
            continue;
        if (strcmp(argv[i], "et") != 0 && strcmp(argv[i], "o1") != 0 &&
            strcmp(argv[i], "fds") != 0 &&
            strcmp(argv[i], "early-close") != 0) {
            fprintf(stderr, "usage: pick-backend [WORD]...\n");
            return 2;
        }
    }
    for (int m = 0; m < 3; m++) {
        int fits = !getenv(methods[m].variable);
        for (int i = 1; i < argc; i++) {
            if (strncmp(argv[i], "avoid=", 6) == 0)
                fits = fits && strcmp(argv[i] + 6, methods[m].name) != 0;
            else
                fits = fits && strstr(methods[m].features, argv[i]);
        }
        if (fits) {
            printf("method: %s\n", methods[m].name);
            printf("features: %s\n", methods[m].features);
            return 0;
        }
    }
    errx(1, "no back end fits");
}
