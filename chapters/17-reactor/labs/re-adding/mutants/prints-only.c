/* re-adding.c -- the program prints what the first script has to print.
 *
 * Fails: queue_changes, at "a makes an event active that was not: it runs
 *   in the same round, behind the others and before p, which becomes ready"
 * Says:  the program had ended, with exit status 0
 */
#include <stdio.h>

int main(void)
{
    printf("0 a active\n0 last active\n");
    return 0;
}
