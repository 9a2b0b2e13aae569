/* options.h -- what the command line asks for. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

struct options {
    const char *host, *port;
    const char *mode;                   /* echo, upper or memcache */
    size_t connections, pipeline, size; /* size: of a message or a value */
    size_t gets;                        /* percent */
    double rate, warm_up, duration;     /* rate 0: closed loop; seconds */
    bool json;
    int cpu;    /* the core, or -1 */
    int server; /* pid of a process to watch, or 0 */
};

/* Read the command line. A wrong one ends the program with status 2, --help
 * with status 0; both print the usage. */
void parse_options(struct options *options, int argc, char **argv);

#endif
