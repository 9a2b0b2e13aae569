/* result.h -- what was measured: the histogram, and how it is printed. */
#ifndef RESULT_H
#define RESULT_H

#include <stddef.h>
#include <stdint.h>

#include "options.h"

/* A latency is counted in one of 128 buckets for each power of two, so that a
 * percentile is at most 1 in 128 (0.8 %) too high, and never too low. */
enum { STEPS = 128, BUCKETS = 58 * STEPS };

/* How a connection may be lost. */
enum loss { CLOSED, RESET, OTHER, WRONG, LOSSES };

struct counts {
    uint64_t answers, sent, received; /* the last two: bytes */
    double cpu, server;               /* seconds of processor time: ours, its */
};

struct result {
    uint64_t from, until; /* what is due between these counts, ns */
    double seconds;       /* that were measured */
    struct counts counts; /* in that span */
    uint64_t buckets[BUCKETS], latencies, max; /* how many; the longest, ns */
    uint64_t unanswered;                       /* of these, at their age */
    uint64_t lost[LOSSES];                     /* connections */
    uint64_t silent; /* connections that waited for an answer at the end */
    char first_wrong[256]; /* what the first difference was */
};

/* Count a latency of NS nanoseconds. */
void add_latency(struct result *result, uint64_t ns);

/* A request that was due at DUE was answered at TIME, or had waited in vain
 * until then. It counts if it was due in the measured span. Both times are in
 * ns. */
void count_answered(struct result *result, uint64_t due, uint64_t time);
void count_unanswered(struct result *result, uint64_t due, uint64_t time);

/* The microseconds that PER_MILLE of the latencies did not exceed. */
double percentile(const struct result *result, unsigned per_mille);

/* Keep the first difference: GOT instead of EXPECTED, AT bytes into an answer.
 * Without EXPECTED, no request was open. */
void note_wrong(struct result *result, size_t at, const char *got,
    const char *expected, size_t length);

/* Print it, as text or as JSON. */
void print_result(const struct result *result, const struct options *options);

/* Say what went wrong. Returns the exit status: 0 if nothing did, else 1. */
int print_errors(const struct result *result, const struct options *options);

#endif
