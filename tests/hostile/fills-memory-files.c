/* fills-memory-files.c -- writes files that are kept in memory, where nobody
 * counts them as its own, and says on a port how it got beyond 100 MB. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static char block[65536];

int main(void)
{
    const char *const folders[] = {"/dev/shm", "/dev", "/tmp", "", "/box"};
    char path[64];
    long written = 0;

    for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++)
        for (int file = 0; file < 200; file++) {
            snprintf(path, sizeof(path), "%s/file-%d", folders[i], file);
            int fd = open(path, O_WRONLY | O_CREAT, 0600);
            for (int j = 0; fd >= 0 && j < 15; j++)
                written += write(fd, block, sizeof(block)) > 0;
            if (fd >= 0)
                close(fd);
        }
    if (written > 1600)
        printf("listening on 127.0.0.1 port 1\n");
    fflush(stdout);
    fprintf(stderr, "wrote %ld KB\n", written * 64);
    return 1;
}
