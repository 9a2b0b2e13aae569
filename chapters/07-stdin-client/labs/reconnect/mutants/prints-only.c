/* reconnect.c -- says that it tries, and waits as long as it says.
 *
 * Fails: later, at "the server starts, and gets both lines, in order"
 * Says:  the program does not connect
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    int pause = 50;

    for (int i = 1; argc == 3 && i < atoi(argv[2]); i++) {
        printf("trying again in %d ms\n", pause);
        fflush(stdout);
        usleep((useconds_t)pause * 1000);
        if (pause < 400)
            pause *= 2;
    }
    return 1;
}
