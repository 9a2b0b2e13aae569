/* signals.c -- the program prints counts that it has not counted.
 *
 * Fails: counts_each, at "USR1, USR2 and HUP come one after the other, in 3
 *   rounds; stat tells how many came"
 */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static void handler(int number)
{
}

int main(void)
{
    signal(SIGUSR1, handler);
    signal(SIGUSR2, handler);
    signal(SIGHUP, handler);
    signal(SIGTERM, handler);
    printf("ready\nUSR1 1 USR2 1 HUP 1\ncommand: exit status 0\n");
    fflush(stdout);
    for (;;)
        pause();
}
