/* guessing-game.c -- greets, and calls each guess right.  Build: cc -o
 *   guessing-game guessing-game.c -levent_core.
 *
 * Fails: one_player_plays, at "A halves the range until the number of round 1
 *   is found"
 */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char greeting[] = "player 1: guess a number from 1 to 100\n";
static const char answer[] = "right in 1 tries\n";

int main(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t length = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    char guess[100];

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, (struct sockaddr *)&address, length) != 0 ||
        listen(listener, 10) != 0)
        return 1;
    getsockname(listener, (struct sockaddr *)&address, &length);
    printf("listening on 127.0.0.1 port %d\n", ntohs(address.sin_port));
    printf("player 1 has come\nplayer 1 has left\n");
    fflush(stdout);
    for (;;) {
        int fd = accept(listener, NULL, NULL);

        if (write(fd, greeting, strlen(greeting)) < 0)
            return 1;
        while (read(fd, guess, sizeof(guess)) > 0)
            if (write(fd, answer, strlen(answer)) < 0)
                break;
        close(fd);
    }
}
