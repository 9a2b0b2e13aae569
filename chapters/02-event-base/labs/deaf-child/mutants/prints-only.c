/* deaf-child.c -- says that it listens, and what it would answer.
 *
 * Fails: counts, at "A sends letters and asks how many there are"
 * Says:  cannot connect to the program
 */
#include <stdio.h>
#include <unistd.h>

int main(void)
{
    printf("listening on 127.0.0.1 port 8888\n");
    printf("a 3\nfrozen\na 6\n");
    fflush(stdout);
    pause();
    return 0;
}
