/* backlog-zero.c -- says that it listens, and says so again at SIGHUP.
 *
 * Fails: greets, at "A connects, is greeted, and the connection is closed"
 * Says:  cannot connect to the program
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static volatile sig_atomic_t hangups;

static void end(int signum)
{
    _exit(0);
}

static void hangup(int signum)
{
    hangups++;
}

int main(void)
{
    signal(SIGTERM, end);
    signal(SIGHUP, hangup);
    for (int i = 0;; i++) {
        printf("listening on 127.0.0.1 port %d\n", 8888 + i);
        fflush(stdout);
        while (hangups <= i)
            pause();
    }
}
