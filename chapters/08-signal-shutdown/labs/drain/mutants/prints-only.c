/* drain.c -- says what is wanted, accepts, and answers nobody.
 *
 * Fails: idle_clients, at "3 clients connect; the first asked for something,
 *   the last is in the middle of a line"
 * Says:  nothing received
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void stop(int signum)
{
    static const char words[] = "draining 0\ncut off 0\n";

    _exit(write(1, words, sizeof(words) - 1) > 0 ? 0 : 1);
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons((in_port_t)(argc > 1 ? atoi(argv[1]) : 8888)),
    };
    socklen_t length = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    signal(SIGTERM, stop);
    signal(SIGINT, stop);
    if (bind(fd, (struct sockaddr *)&address, length) != 0 ||
        listen(fd, 128) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &length) != 0)
        return 1;
    printf("listening on 127.0.0.1 port %d\n", ntohs(address.sin_port));
    printf("begun: wait 800\n");
    printf("begun: wait 60000\n");
    printf("begun: data 6000000\n");
    fflush(stdout);
    for (;;)
        accept(fd, NULL, NULL);
}
