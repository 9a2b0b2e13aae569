/* includes-secret.c -- has the compiler read what is not its own, so that its
 * complaints show it. */
#include SECRET

__asm__(".incbin " INCBIN);

int main(void)
{
    return 0;
}
