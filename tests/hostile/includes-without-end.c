/* includes-without-end.c -- includes a file that never ends, and a secret. */
#include "/dev/zero"

int main(void)
{
    return 0;
}
