/* memory-eater.c -- takes memory without end, by a program of the system that
 * no sanitizer watches. */
#include <unistd.h>

int main(void)
{
    execl("/usr/bin/tail", "tail", "/dev/zero", (char *)NULL);
    return 1;
}
