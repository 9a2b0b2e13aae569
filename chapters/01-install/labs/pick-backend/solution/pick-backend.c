/* Starter and solution in one: look once you have passed (make compare-NN). */
/* pick-backend.c -- picks a back end by the features that are asked for.
 *
 * Build: cc -o pick-backend pick-backend.c -levent_core
 * Run:   ./pick-backend [et] [o1] [fds] [early-close] [avoid=NAME]...
 * Try:   ./pick-backend fds avoid=poll
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

static void usage(int status)
{
    fprintf(status ? stderr : stdout,
        "usage: pick-backend [et] [o1] [fds] [early-close] [avoid=NAME]...\n");
    exit(status);
}
#ifdef SOLUTION

struct feature {
    const char *word; /* its name in the arguments and in the output */
    int bit;          /* its name in libevent */
};

static const struct feature features[] = {
    {"et", EV_FEATURE_ET},
    {"o1", EV_FEATURE_O1},
    {"fds", EV_FEATURE_FDS},
    {"early-close", EV_FEATURE_EARLY_CLOSE},
};

static const size_t feature_count = sizeof(features) / sizeof(features[0]);

/* The EV_FEATURE_* bit that WORD names, or 0 if it names none. */
static int find_feature(const char *word)
{
    for (size_t i = 0; i < feature_count; i++)
        if (strcmp(word, features[i].word) == 0)
            return features[i].bit;
    return 0;
}

/* Put what WORDS ask for into CONFIG. Returns 0, or -1 if a word is unknown. */
static int read_words(struct event_config *config, char **words)
{
    static const char avoid[] = "avoid=";
    const size_t length = strlen(avoid);
    int wanted = 0;

    for (; *words; words++) {
        if (strncmp(*words, avoid, length) == 0 && (*words)[length]) {
            if (event_config_avoid_method(config, *words + length) < 0)
                errx(1, "cannot avoid %s", *words + length);
            continue;
        }
        int bit = find_feature(*words);
        if (!bit)
            return -1;
        wanted |= bit;
    }

    /* Once, with all of them: a second call replaces what the first asked. */
    if (event_config_require_features(config, wanted) < 0)
        errx(1, "cannot require the features");
    return 0;
}

/* Print the back end of BASE and all its features, also those not asked for. */
static void print_choice(const struct event_base *base)
{
    int bits = event_base_get_features(base);

    printf("method: %s\n", event_base_get_method(base));
    printf("features:");
    for (size_t i = 0; i < feature_count; i++)
        if (bits & features[i].bit)
            printf(" %s", features[i].word);
    printf("\n");
}
#endif

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        usage(0);

    struct event_config *config = event_config_new();
    if (!config)
        errx(1, "cannot make a configuration");
#ifdef SOLUTION
    if (read_words(config, argv + 1) < 0) {
        event_config_free(config);
        usage(2);
    }

    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    if (!base)
        errx(1, "no back end fits");
    print_choice(base);
    event_base_free(base);
    return 0;
#else
    /* yours: put what the arguments ask for into the configuration, make a base
     * with it, print the base's back end and all its features, free the base */
    event_config_free(config);
    return 0;
#endif
}
