/* spin-at-eof.c -- prints the answers that it has been told about. */
#include <stdio.h>

int main(void)
{
    printf("two\nthe last answer\n");
    return 0;
}
