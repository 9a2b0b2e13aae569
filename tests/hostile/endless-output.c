/* endless-output.c -- writes without end. */
#include <stdio.h>

int main(void)
{
    for (;;)
        puts("listening on 127.0.0.1 port 1, and so on, and so on, and so on");
}
