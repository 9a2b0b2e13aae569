/* one-edge-one-read.c -- it prints that it listens, and does nothing else.
 *
 * Fails: echoes, at "A sends 10 bytes and gets them all back"
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
