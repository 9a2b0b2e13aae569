/* heap.c -- the program prints the timers in order, and waits for none.
 *
 * Fails: fires_in_order, at "three timers fire, the earliest first"
 * Says:  nothing received
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct timer {
    long long due, order;
    char name[32];
};

static struct timer timers[1000];
static size_t count;

static int compare(const void *a, const void *b)
{
    const struct timer *one = a, *two = b;

    if (one->due != two->due)
        return one->due < two->due ? -1 : 1;
    return one->order < two->order ? -1 : 1;
}

static void forget(const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(timers[i].name, name) == 0)
            timers[i] = timers[--count];
}

int main(void)
{
    char line[100], word[8], name[32];
    long long ms, order = 0;

    setvbuf(stdout, NULL, _IOLBF, 0);
    while (fgets(line, sizeof(line), stdin)) {
        int words = sscanf(line, "%7s %31s %lld", word, name, &ms);

        if (words == 1)
            printf("count %zu\n", count);
        if (words >= 2)
            forget(name);
        if (words == 3 && count < 1000) {
            timers[count].due = ms;
            timers[count].order = ++order;
            strcpy(timers[count++].name, name);
        }
    }
    qsort(timers, count, sizeof(timers[0]), compare);
    for (size_t i = 0; i < count; i++)
        printf("fired %s\n", timers[i].name);
    return 0;
}
