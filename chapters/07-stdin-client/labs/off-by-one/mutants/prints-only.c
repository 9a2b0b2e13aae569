/* off-by-one.c -- says hello.
 *
 * Fails: answers, at "the client connects"
 * Says:  the program does not connect
 */
#include <stdio.h>

int main(void)
{
    printf("hello\n");
    return 0;
}
