/* result.c -- what was measured: the histogram, and how it is printed. */
#include <err.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "result.h"

/* Above this share of the processor's time, load-gen itself was the limit. */
static const double BUSY = 0.95;

/* The numbers below 2 * STEPS have a bucket each. Of a greater one the first
 * eight bits choose the bucket, and how many bits follow them. */
static size_t bucket_of(uint64_t ns)
{
    int shift = ns < 2 * STEPS ? 0 : 56 - __builtin_clzll(ns);

    return (size_t)shift * STEPS + (size_t)(ns >> shift);
}

/* The greatest number in BUCKET. */
static uint64_t bucket_top(size_t bucket)
{
    size_t shift = bucket < 2 * STEPS ? 0 : bucket / STEPS - 1;

    return ((bucket - shift * STEPS + 1) << shift) - 1;
}

void add_latency(struct result *result, uint64_t ns)
{
    result->buckets[bucket_of(ns)]++;
    result->latencies++;
    if (ns > result->max)
        result->max = ns;
}

static bool is_measured(const struct result *result, uint64_t due)
{
    return due >= result->from && due < result->until;
}

void count_answered(struct result *result, uint64_t due, uint64_t time)
{
    if (is_measured(result, due))
        add_latency(result, time - due);
}

void count_unanswered(struct result *result, uint64_t due, uint64_t time)
{
    if (!is_measured(result, due))
        return;
    add_latency(result, time - due);
    result->unanswered++;
}

double percentile(const struct result *result, unsigned per_mille)
{
    uint64_t wanted = (result->latencies * per_mille + 999) / 1000, seen = 0;

    for (size_t i = 0; i < BUCKETS && wanted > 0; i++) {
        seen += result->buckets[i];
        if (seen >= wanted) {
            uint64_t top = bucket_top(i);
            return (double)(top < result->max ? top : result->max) / 1000;
        }
    }
    return 0;
}

static double per_second(const struct result *result, uint64_t count)
{
    return result->seconds > 0 ? (double)count / result->seconds : 0;
}

static double busy(const struct result *result)
{
    return result->seconds > 0 ? result->counts.cpu / result->seconds : 0;
}

/* Microseconds of the server's processor time for one request. */
static double server_cost(const struct result *result)
{
    return result->counts.answers > 0
               ? result->counts.server * 1e6 / (double)result->counts.answers
               : 0;
}

static void print_text(
    const struct result *result, const struct options *options)
{
    if (result->seconds == 0) {
        puts("nothing was measured");
        return;
    }
    printf("%s: connections %zu, pipeline %zu, bytes %zu, seconds %.2f\n",
        options->mode, options->connections, options->pipeline, options->size,
        result->seconds);
    printf("requests    %" PRIu64 "\n", result->counts.answers);
    printf("requests/s  %.1f\n", per_second(result, result->counts.answers));
    printf("MB/s        %.2f sent, %.2f received\n",
        per_second(result, result->counts.sent) / 1e6,
        per_second(result, result->counts.received) / 1e6);
    printf("latency     microseconds, at most 0.8 %% too high\n");
    printf("  50 %%      %.1f\n", percentile(result, 500));
    printf("  90 %%      %.1f\n", percentile(result, 900));
    printf("  99 %%      %.1f\n", percentile(result, 990));
    printf("  99.9 %%    %.1f\n", percentile(result, 999));
    printf("  max       %.1f\n", (double)result->max / 1000);
    printf("processor   %.0f %%\n", 100 * busy(result));
    if (options->server > 0)
        printf("server      %.2f microseconds of its processor a request\n",
            server_cost(result));
    if (result->unanswered > 0)
        printf("unanswered  %" PRIu64 ", counted with the time they waited\n",
            result->unanswered);
    if (busy(result) >= BUSY)
        printf("load-gen was itself the limit: it used %.0f %% of a core\n",
            100 * busy(result));
}

static void print_json(
    const struct result *result, const struct options *options)
{
    printf("{\"mode\": \"%s\", \"connections\": %zu, \"pipeline\": %zu, "
           "\"bytes\": %zu, \"rate\": %g, \"seconds\": %.3f, ",
        options->mode, options->connections, options->pipeline, options->size,
        options->rate, result->seconds);
    printf("\"requests\": %" PRIu64 ", \"requests_per_second\": %.1f, "
           "\"mb_sent_per_second\": %.3f, \"mb_received_per_second\": %.3f, ",
        result->counts.answers, per_second(result, result->counts.answers),
        per_second(result, result->counts.sent) / 1e6,
        per_second(result, result->counts.received) / 1e6);
    printf("\"latency_us\": {\"p50\": %.3f, \"p90\": %.3f, \"p99\": %.3f, "
           "\"p99_9\": %.3f, \"max\": %.3f}, \"latency_error\": %.4f, ",
        percentile(result, 500), percentile(result, 900),
        percentile(result, 990), percentile(result, 999),
        (double)result->max / 1000, 1.0 / STEPS);
    printf("\"unanswered\": %" PRIu64 ", \"silent\": %" PRIu64
           ", \"errors\": {\"closed\": %" PRIu64 ", \"reset\": %" PRIu64
           ", \"other\": %" PRIu64 ", \"wrong\": %" PRIu64 "}, ",
        result->unanswered, result->silent, result->lost[CLOSED],
        result->lost[RESET], result->lost[OTHER], result->lost[WRONG]);
    if (options->server > 0)
        printf("\"server_us_per_request\": %.3f, ", server_cost(result));
    printf("\"processor\": %.3f, \"itself_the_limit\": %s}\n", busy(result),
        busy(result) >= BUSY ? "true" : "false");
}

void print_result(const struct result *result, const struct options *options)
{
    if (options->json)
        print_json(result, options);
    else
        print_text(result, options);
}

/* Write LENGTH bytes in printable form into TEXT, of SIZE bytes. */
static void describe(char *text, size_t size, const char *bytes, size_t length)
{
    size_t used = 0;

    for (size_t i = 0; i < length && i < 24 && used + 5 < size; i++) {
        unsigned char c = (unsigned char)bytes[i];
        bool plain = c >= ' ' && c <= '~' && c != '"' && c != '\\';

        used += (size_t)snprintf(
            text + used, size - used, plain ? "%c" : "\\x%02x", c);
    }
    text[used] = '\0';
}

void note_wrong(struct result *result, size_t at, const char *got,
    const char *expected, size_t length)
{
    char is[100], due[100] = "";
    size_t same = 0;

    if (result->first_wrong[0] != '\0')
        return;
    while (expected && same < length && got[same] == expected[same])
        same++;
    describe(is, sizeof(is), got + same, length - same);
    if (expected)
        describe(due, sizeof(due), expected + same, length - same);
    snprintf(result->first_wrong, sizeof(result->first_wrong),
        expected ? "byte %zu of an answer: \"%s\" in place of \"%s\""
                 : "byte %zu of an answer: \"%s\", which was not requested",
        at + same, is, due);
}

int print_errors(const struct result *result, const struct options *options)
{
    uint64_t lost =
        result->lost[CLOSED] + result->lost[RESET] + result->lost[OTHER];

    if (lost > 0)
        warnx("connections lost: %" PRIu64 " closed by the server, %" PRIu64
              " reset, %" PRIu64 " by other errors",
            result->lost[CLOSED], result->lost[RESET], result->lost[OTHER]);
    if (result->lost[WRONG] > 0)
        warnx("wrong answers: %" PRIu64 "; the first: %s", result->lost[WRONG],
            result->first_wrong);
    if (result->silent > 0)
        warnx("no answer: %" PRIu64
              " of %zu connections were silent at the end",
            result->silent, options->connections);
    return lost + result->lost[WRONG] + result->silent > 0;
}
