/* opens-ports.c -- listens to the whole world on PORT. */
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_ANY),
        .sin_port = htons(PORT),
    };
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
        return 1;
    listen(fd, 5);
    printf("listening on 0.0.0.0 port %d\n", PORT);
    fflush(stdout);
    pause();
    return 0;
}
