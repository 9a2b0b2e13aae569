/* Starter and solution in one: look once you have passed (make compare-NN). */
/* which-method.c -- prints which libevent this is and which back end it uses.
 *
 * Build: cc -o which-method which-method.c -levent_core
 * Run:   ./which-method
 * Try:   EVENT_NOEPOLL=1 ./which-method
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

static void usage(int status)
{
    fprintf(status ? stderr : stdout, "usage: which-method\n");
    exit(status);
}

/* Every back end that was compiled in, on one line. */
static void print_supported(void)
{
    const char **methods = event_get_supported_methods();

    if (!methods)
        errx(1, "cannot list the back ends");
    printf("supported:");
    for (int i = 0; methods[i]; i++)
        printf(" %s", methods[i]);
    printf("\n");
}

#ifdef SOLUTION
/* Only a base can say: it alone knows what the environment has switched off,
 * and what the system has refused. */
static void print_in_use(void)
{
    struct event_base *base = event_base_new();

    if (!base)
        errx(1, "cannot make an event base: no back end is left");
    printf("in use: %s\n", event_base_get_method(base));
    event_base_free(base);
}
#else
/* The list begins with the best back end, and libevent takes the best. */
static void print_in_use(void)
{
    const char **methods = event_get_supported_methods();

    if (!methods || !methods[0])
        errx(1, "cannot list the back ends");
    printf("in use: %s\n", methods[0]);
}
#endif

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        usage(0);
    if (argc != 1)
        usage(2);

    printf("libevent %s\n", event_get_version());
    print_supported();
    print_in_use();
    return 0;
}
