/* prints-only.c -- says that it listens, and does nothing else.
 *
 * Fails: answers, at "A and B each send a line and get it back in capitals"
 * Says:  cannot connect to the program
 */
#include <stdio.h>
#include <unistd.h>

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("listening on 127.0.0.1 port 9995\n");
    pause();
    return 0;
}
