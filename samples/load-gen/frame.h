/* frame.h -- what comes before the load and after it. */
#ifndef FRAME_H
#define FRAME_H

#include <stddef.h>
#include <stdint.h>

/* A latency is counted in one of 128 buckets for each power of two, so that a
 * percentile is at most 1 in 128 (0.8 %) too high, and never too low. */
enum { STEPS = 128, BUCKETS = 58 * STEPS };

/* How a connection may be lost. */
enum loss { CLOSED, RESET, OTHER, WRONG, LOSSES };

struct options {
    const char *host, *port;
    const char *mode;                   /* echo, upper or memcache */
    size_t connections, pipeline, size; /* size: of a message or a value */
    size_t gets;                        /* percent */
    double rate, warm_up, duration;     /* rate 0: closed loop; seconds */
    int json, cpu;                      /* cpu: the core, or -1 */
    int server;                         /* pid of a process to watch, or 0 */
};

/* All that will be sent and all that has to come back, made before the start.
 * First the requests of the set-up, then a ring that each connection goes
 * round. Request I lies from request_at[I] up to request_at[I + 1]. */
struct script {
    char *requests, *answers;
    size_t *request_at, *answer_at;
    size_t set_up, count;
};

struct counts {
    uint64_t answers, sent, received; /* the last two: bytes */
    double cpu, server;               /* seconds of processor time: ours, its */
};

struct result {
    double seconds;                            /* that were measured */
    struct counts counts;                      /* in that span */
    uint64_t buckets[BUCKETS], latencies, max; /* how many; the longest, ns */
    uint64_t unanswered;                       /* of these, at their age */
    uint64_t lost[LOSSES];                     /* connections */
    uint64_t silent; /* connections that waited for an answer at the end */
    char first_wrong[256]; /* what the first difference was */
};

void parse_options(struct options *options, int argc, char **argv);
void make_script(struct script *script, const struct options *options);
void free_script(struct script *script);
size_t request_size(const struct script *script, size_t i);
size_t answer_size(const struct script *script, size_t i);
void add_latency(struct result *result, uint64_t ns);
double percentile(const struct result *result, unsigned per_mille);
void note_wrong(struct result *result, size_t at, const char *got,
    const char *expected, size_t length);
void print_result(const struct result *result, const struct options *options);
int print_errors(const struct result *result, const struct options *options);

#endif
