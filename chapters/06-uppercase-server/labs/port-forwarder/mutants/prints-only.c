/* prints-only.c -- says that it listens, and does nothing else.
 *
 * Fails: keeps_clients_apart, at "A connects, and the forwarder to U"
 * Says:  cannot connect to the program
 */
#include <stdio.h>
#include <unistd.h>

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("listening on 127.0.0.1 port 9995\n");
    pause();
    return 0;
}
