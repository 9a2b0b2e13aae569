/* forges-records.c -- says what is wrong in words that hold the characters
 * which separate the records of the checks. */
#include <stdio.h>

int main(void)
{
    fputs("ok\037\0362\0370\037visible\037bonus\037\037\036"
          "0\0370\037visible\037.\037\n\033[2J\033[H",
        stderr);
    return 1;
}
