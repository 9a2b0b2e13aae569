/* own-mutex.c -- the program prints that it listens, and does nothing else.
 *
 * Fails: answers_all, at "A sends 50 lines, one after the other, and each
 *   is answered by its number"
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
