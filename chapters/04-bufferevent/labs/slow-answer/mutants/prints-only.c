/* slow-answer.c -- gives one after the other the same 100 letters.  Build: cc
 *   -o slow-answer slow-answer.c -levent_core.
 *
 * Fails: answers_in_full, at "B sends several questions at once, and
 *   half-closes: all answers arrive"
 * Says:  nothing received
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char answer[] =
    "100 letters\nabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz"
    "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuv";

int main(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof(address);
    char question[100];
    int on = 1;
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

        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        while (read(fd, question, sizeof(question)) > 0)
            if (write(fd, answer, strlen(answer)) < 0)
                break;
        close(fd);
    }
}
