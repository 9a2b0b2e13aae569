/* late-ticks.c -- the program prints that it listens, and does nothing else.
 *
 * Fails: catches_up, at "A receives 1, 2 and 3"
 * Says:  cannot connect to the program
 */
#include <stdio.h>
#include <unistd.h>

int main(void)
{
    printf("listening on 127.0.0.1 port 8888\n");
    fflush(stdout);
    pause();
    return 0;
}
