/* spin-at-eof.c -- prints the answers that it has been told about.
 *
 * Fails: answers, at "the client connects"
 * Says:  the program does not connect
 */
#include <stdio.h>

int main(void)
{
    printf("two\nthe last answer\n");
    return 0;
}
