/* resting-listener.c -- says all that it has to say, and serves nobody.
 *
 * Fails: serves_below, at "2 clients connect, and each gets its line back"
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

int main(int argc, char **argv)
{
    const char *most = argc > 2 ? argv[2] : "3";

    signal(SIGTERM, end);
    printf("listening on 127.0.0.1 port 8888\n");
    printf("resting at %s clients\naccepting again\n", most);
    printf("resting at %s clients\n", most);
    fflush(stdout);
    for (;;)
        pause();
}
