/* prints-only.c -- says that it listens, and does nothing else.
 *
 * Fails: answers_a_line, at "A sends a line and gets it back in capitals"
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
