/* map.c -- the program prints that it listens, and does nothing else.
 *
 * Fails: hears_and_sees_the_end, at "A is told its number, and gets back
 *   what it sends"
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
