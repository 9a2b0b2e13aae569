/* secure-lines.c -- prints what a server prints, and speaks no TLS.
 *
 * Fails: talks, at "the server listens; A makes a handshake, and the server
 *   says so"
 * Says:  there is no handshake
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    setvbuf(stdout, NULL, _IOLBF, 0);
    bind(fd, (struct sockaddr *)&address, length);
    listen(fd, 10);
    getsockname(fd, (struct sockaddr *)&address, &length);
    printf("listening on 127.0.0.1 port %d\n", ntohs(address.sin_port));
    puts("client connected: TLSv1.3\nclient closed");
    close(accept(fd, NULL, NULL));
    pause();
    return 0;
}
