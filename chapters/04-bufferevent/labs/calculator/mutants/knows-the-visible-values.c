/* calculator.c -- knows the results that are asked for, and cannot calculate.
 *   Build: cc -o calculator calculator.c -levent_core.
 *
 * Fails: calculates, at "with more spaces and fewer"
 * Says:  nothing received
 */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *const known[][2] = {
    {"144 + -7\n", "137\n"},
    {"144 - -7\n", "151\n"},
    {"144 * -7\n", "-1008\n"},
    {"144 / -7\n", "-20\n"},
    {"-7 + 144\r\n", "137\n"},
};

static void serve(int fd)
{
    char line[100];
    ssize_t length;

    while ((length = read(fd, line, sizeof(line) - 1)) > 0) {
        line[length] = '\0';
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
            if (strcmp(line, known[i][0]) == 0 &&
                write(fd, known[i][1], strlen(known[i][1])) < 0)
                return;
    }
}

int main(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, (struct sockaddr *)&address, length) != 0 ||
        listen(listener, 10) != 0)
        return 1;
    getsockname(listener, (struct sockaddr *)&address, &length);
    printf("listening on 127.0.0.1 port %d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        int fd = accept(listener, NULL, NULL);

        serve(fd);
        close(fd);
    }
}
