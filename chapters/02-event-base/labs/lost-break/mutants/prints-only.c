/* lost-break.c -- prints what an alarm clock would print, at once.
 *
 * Fails: waits_at_rest, at "the program does not end: it waits, and uses no
 *   processor time"
 * Says:  the program had ended, with exit status 0
 */
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    int rang = 0;

    for (int i = 1; i < argc; i++) {
        const char *text = strchr(argv[i], ':');

        if (!text || strcmp(text, ":stop") == 0)
            break;
        puts(text + 1);
        rang++;
    }
    printf("done, %d rang\n", rang);
    return 0;
}
