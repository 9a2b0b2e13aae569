/* which-method.c -- prints what it should print on most machines.
 *
 * Fails: switched_off, at "EVENT_NOEPOLL=1 ./which-method: poll is in use"
 */
#include <stdio.h>

int main(void)
{
    printf("libevent 2.1.12-stable\n");
    printf("supported: epoll poll select\n");
    printf("in use: epoll\n");
    return 0;
}
