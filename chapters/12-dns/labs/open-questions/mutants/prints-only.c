/* open-questions.c -- prints what the first check expects, and asks nobody.
 *
 * Fails: needs_no_question, at "the address 192.0.2.7 is its own answer"
 */
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    for (int i = 2; i < argc; i++)
        printf("%s: %s\n", argv[i],
            strncmp(argv[i], "none", 4) == 0 ? "does not exist" : "192.0.2.1");
    printf("done\n");
    return 0;
}
