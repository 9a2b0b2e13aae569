/* killed-by-a-client.c -- says that it listens and that clients have closed.
 *
 * Fails: counts, at "A sends a short text, half-closes, and gets the counts"
 * Says:  cannot connect to the program
 */
#include <stdio.h>
#include <unistd.h>

int main(void)
{
    printf("listening on 127.0.0.1 port 8888\n");
    for (int i = 0; i < 100; i++)
        printf("client closed\n");
    fflush(stdout);
    pause();
    return 0;
}
