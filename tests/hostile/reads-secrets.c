/* reads-secrets.c -- looks for what is not its own. SECRETS is a list of paths
 * that the test puts in. If it can read one of them it says so, on a port. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const secrets[] = {SECRETS};

static void found(const char *path)
{
    printf("listening on %s port 1\n", path);
    fflush(stdout);
    pause();
}

/* Whether there is a text in a file. */
static int holds(const char *path, const char *text)
{
    static char content[65536];
    int fd = open(path, O_RDONLY);
    ssize_t length = fd < 0 ? -1 : read(fd, content, sizeof(content));

    if (fd >= 0)
        close(fd);
    return length > 0 && memmem(content, length, text, strlen(text));
}

/* Whatever a process can be seen to have open, or to call its root. */
static void look_through_processes(void)
{
    char path[512];

    for (int pid = 1; pid < 2000; pid++) {
        for (size_t i = 0; i < sizeof(secrets) / sizeof(*secrets); i++) {
            snprintf(path, sizeof(path), "/proc/%d/root%s", pid, secrets[i]);
            if (access(path, R_OK) == 0)
                found(path);
        }
        snprintf(path, sizeof(path), "/proc/%d/environ", pid);
        if (holds(path, "TEACHER="))
            found(path);
    }
}

int main(void)
{
    for (size_t i = 0; i < sizeof(secrets) / sizeof(*secrets); i++)
        if (access(secrets[i], R_OK) == 0)
            found(secrets[i]);
    look_through_processes();
    return 0;
}
