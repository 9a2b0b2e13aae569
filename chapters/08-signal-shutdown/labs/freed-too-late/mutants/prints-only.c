/* freed-too-late.c -- says what is wanted when it is told to end, and serves
 *   nobody.
 *
 * Fails: echoes, at "A and B each get their line back"
 * Says:  cannot connect to the program
 */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static void stop(int signum)
{
    static const char words[] = "served 0 clients\ndone\n";

    _exit(write(1, words, sizeof(words) - 1) > 0 ? 0 : 1);
}

int main(void)
{
    signal(SIGTERM, stop);
    signal(SIGINT, stop);
    printf("listening on 127.0.0.1 port 8888\n");
    fflush(stdout);
    pause();
    return 0;
}
