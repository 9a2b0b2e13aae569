/* method-probe.c -- prints which libevent this is and how it waits for events.
 *
 * Build: cc -o method-probe method-probe.c -levent_core
 * Run:   ./method-probe
 * Try:   EVENT_NOEPOLL=1 ./method-probe
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

static void usage(int status)
{
    fprintf(status ? stderr : stdout, "usage: method-probe\n");
    exit(status);
}

/* Output that could not be written, because the disk is full or standard output
 * is closed, is a failure of a program whose output is its result. */
static void check_output(void)
{
    if (fflush(stdout) != 0 || ferror(stdout))
        err(1, "cannot write to standard output");
}

/* Every back end that was compiled in, one a line, also those that the
 * environment has switched off for new bases. */
static void print_supported(void)
{
    const char **methods = event_get_supported_methods();

    if (!methods)
        errx(1, "cannot list the back ends");
    printf("compiled in:\n");
    for (int i = 0; methods[i]; i++)
        printf("  %s\n", methods[i]);
}

/* The names of FEATURES, a set of EV_FEATURE_* bits, on one line. */
static void print_features(int features)
{
    printf("features:");
    if (features & EV_FEATURE_ET)
        printf(" ET");
    if (features & EV_FEATURE_O1)
        printf(" O1");
    if (features & EV_FEATURE_FDS)
        printf(" FDS");
    if (features & EV_FEATURE_EARLY_CLOSE)
        printf(" EARLY_CLOSE");
    printf("\n");
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        usage(0);
    if (argc != 1)
        usage(2);

    //> versions
    printf("libevent %s (headers %s)\n", event_get_version(), LIBEVENT_VERSION);
    print_supported();

    //> in-use
    struct event_base *base = event_base_new();
    if (!base)
        errx(1, "cannot make an event base: no back end is left");
    printf("in use: %s\n", event_base_get_method(base));
    print_features(event_base_get_features(base));
    event_base_free(base);

    check_output();
    return 0;
}
