/* stalled-neighbour.c -- says that it listens, and never answers.
 *
 * Fails: echoes, at "A sends two lines and gets them back"
 * Says:  cannot connect to the program
 */
#include <stdio.h>
#include <unistd.h>

int main(void)
{
    printf("listening on 127.0.0.1 port 8888\n");
    printf("client closed\n");
    fflush(stdout);
    pause();
    return 0;
}
