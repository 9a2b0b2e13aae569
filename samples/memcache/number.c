/* number.c -- numbers in the words of memcached's protocol. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "number.h"

static bool is_end(char c)
{
    return c == '\0' || isspace((unsigned char)c);
}

bool parse_number(const char *text, uint64_t *number)
{
    char *end;

    errno = 0;
    *number = strtoull(text, &end, 10);
    if (errno == ERANGE || end == text || !is_end(*end))
        return false;
    /* strtoull takes -1 for the largest number of all. */
    return *number <= INT64_MAX || !strchr(text, '-');
}

bool parse_int(const char *text, int32_t *number)
{
    char *end;

    errno = 0;
    *number = (int32_t)strtoll(text, &end, 10);
    return errno != ERANGE && end != text && is_end(*end);
}
