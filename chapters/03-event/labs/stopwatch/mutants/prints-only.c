/* stopwatch.c -- knows what to print for each command, and has no timer.
 *
 * Fails: quits, at "a line that is not a command is reported on standard
 *   error, and the timer goes on"
 * Says:  nothing received
 */
#include <stdio.h>
#include <string.h>

int main(void)
{
    char line[256], word[32];
    const char *state = "non-pending";

    setvbuf(stdout, NULL, _IOLBF, 0);
    while (fgets(line, sizeof(line), stdin) && strcmp(line, "quit\n") != 0) {
        if (sscanf(line, "%31s", word) != 1)
            continue;
        int pending = strncmp(state, "pending", 7) == 0;
        if (strncmp(word, "add", 3) == 0)
            state = "pending";
        else if (strcmp(word, "del") == 0)
            state = "non-pending";
        else if (strcmp(word, "activate") == 0)
            state = pending ? "pending and active" : "active";
        printf("%s: %s\n", word, state);
    }
    return 0;
}
