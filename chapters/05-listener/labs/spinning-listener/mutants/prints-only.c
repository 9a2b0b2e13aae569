/* spinning-listener.c -- says that it listens and that it rests, and waits.
 *
 * Fails: echoes, at "A and B connect, and each gets its line back"
 * Says:  cannot connect to the program
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void end(int signum)
{
    _exit(0);
}

int main(void)
{
    signal(SIGTERM, end);
    printf("listening on 127.0.0.1 port 8888\n");
    fflush(stdout);
    fprintf(stderr, "cannot accept, trying again soon\n");
    for (;;)
        pause();
}
