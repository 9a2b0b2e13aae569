/* quiet-period.c -- the program prints that it listens, and does nothing else.
 *
 * Fails: tells_once_quiet, at "A sends 3 lines and gets "lines: 3", not
 *   before 600 ms have passed"
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
