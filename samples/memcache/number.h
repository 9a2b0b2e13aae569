/* number.h -- numbers in the words of memcached's protocol. */
#ifndef NUMBER_H
#define NUMBER_H

#include <stdbool.h>
#include <stdint.h>

enum { NUMBER_MAX = 21 }; /* the digits of a 64-bit number, and a NUL */

/* Whether TEXT, which ends in a NUL, starts with a number, up to white space or
 * its end. Of one that is too large for an int, its low 32 bits count. */
bool parse_number(const char *text, uint64_t *number);
bool parse_int(const char *text, int32_t *number);

#endif
