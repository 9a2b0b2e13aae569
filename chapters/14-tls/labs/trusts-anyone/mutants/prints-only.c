/* trusts-anyone.c -- prints the visible answer, and talks to nobody.
 *
 * Fails: answers, at "the request arrives at the server, and behind it
 *   close_notify"
 * Says:  nothing received
 */
#include <stdio.h>

int main(int argc, char **argv)
{
    puts("the price is 1000");
    return 0;
}
