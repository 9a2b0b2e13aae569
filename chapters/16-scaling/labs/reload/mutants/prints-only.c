/* reload.c -- the program prints that it listens, and does nothing else.
 *
 * Fails: keeps_clients, at "A is answered with the word in the file"
 * Says:  cannot connect to the program
 */
#include <stdio.h>
#include <unistd.h>

int main(void)
{
    printf("a new worker serves\n");
    printf("listening on 127.0.0.1 port 8888\n");
    fflush(stdout);
    pause();
    return 0;
}
