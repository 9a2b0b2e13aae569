/* kills-parent.c -- kills who started it, and everybody else. */
#include <signal.h>
#include <unistd.h>

int main(void)
{
    for (int i = 0; i < 100; i++) {
        kill(getppid(), SIGKILL);
        kill(1, SIGKILL);
        kill(0, SIGKILL == 9 ? SIGTERM : 0);
        kill(-1, SIGKILL);
    }
    pause();
    return 0;
}
