/* frame.c -- before the load and after it: options, requests, result. */
#define _GNU_SOURCE /* CPU_SETSIZE */
#include <ctype.h>
#include <err.h>
#include <getopt.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frame.h"

/* Who used so much of the processor's time had no time to wait for a server. */
static const double BUSY = 0.95;

enum { RING = 1 << 20 }; /* bytes of messages in a script, or a little more */

static void usage(int status)
{
    fputs("usage: load-gen [OPTION...] ADDRESS PORT\n"
          "  -c N         connections (1)\n"
          "  -p N         requests under way on each (1)\n"
          "  -r N         requests a second in all; without, each answer is\n"
          "               followed by the next request\n"
          "  -m MODE      echo, upper or memcache (echo)\n"
          "  -s N         bytes of a message, or of a value (64)\n"
          "  -g N         percent of gets, the rest are sets (90)\n"
          "  -w SECONDS   warm-up (1)\n"
          "  -d SECONDS   duration, after that (5)\n"
          "  -j, --json   print the result as a JSON object\n"
          "      --cpu N  run on this core alone\n"
          "      --server PID  tell what each request costs this process\n",
        status ? stderr : stdout);
    exit(status);
}

/* The port that TEXT names, 0 to 65535, or -1 if it names none. The resolver
 * would not say: getaddrinfo(3) takes 70000 for 4464. */
static int parse_port(const char *text)
{
    char *end;
    long port = strtol(text, &end, 10);

    if (!isdigit((unsigned char)text[0]) || *end != '\0' || port > 65535)
        return -1;
    return (int)port;
}

/* The number from LEAST to MOST that TEXT gives. */
static double parse_number(const char *text, double least, double most)
{
    char *end;
    double number = strtod(text, &end);

    if (!isdigit((unsigned char)text[0]) || *end != '\0' || number < least ||
        number > most) {
        warnx("%s is not a number from %g to %g", text, least, most);
        usage(2);
    }
    return number;
}

static size_t parse_count(const char *text, double least, double most)
{
    double number = parse_number(text, least, most);

    if (number != (double)(size_t)number) {
        warnx("%s is not a whole number", text);
        usage(2);
    }
    return (size_t)number;
}

static const char *parse_mode(const char *text)
{
    if (strcmp(text, "echo") != 0 && strcmp(text, "upper") != 0 &&
        strcmp(text, "memcache") != 0) {
        warnx("%s is no mode", text);
        usage(2);
    }
    return text;
}

static void set_option(struct options *options, int option, const char *text)
{
    switch (option) {
    case 'c':
        options->connections = parse_count(text, 1, 1e6);
        break;
    case 'p':
        options->pipeline = parse_count(text, 1, 1e5);
        break;
    case 'r':
        options->rate = parse_number(text, 0.01, 1e8);
        break;
    case 'm':
        options->mode = parse_mode(text);
        break;
    case 's':
        options->size = parse_count(text, 1, 1 << 24);
        break;
    case 'g':
        options->gets = parse_count(text, 0, 100);
        break;
    case 'w':
        options->warm_up = parse_number(text, 0, 86400);
        break;
    case 'd':
        options->duration = parse_number(text, 0.01, 86400);
        break;
    case 'j':
        options->json = 1;
        break;
    case 'C':
        options->cpu = (int)parse_count(text, 0, CPU_SETSIZE - 1);
        break;
    case 'S':
        options->server = (int)parse_count(text, 1, 1 << 22);
        break;
    default:
        usage(option == 'h' ? 0 : 2);
    }
}

void parse_options(struct options *options, int argc, char **argv)
{
    static const struct option names[] = {
        {"json", no_argument, NULL, 'j'},
        {"cpu", required_argument, NULL, 'C'},
        {"server", required_argument, NULL, 'S'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;

    *options = (struct options){.mode = "echo",
        .connections = 1,
        .pipeline = 1,
        .size = 64,
        .gets = 90,
        .warm_up = 1,
        .duration = 5,
        .cpu = -1};
    while ((option = getopt_long(
                argc, argv, "c:p:r:m:s:g:w:d:j", names, NULL)) != -1)
        set_option(options, option, optarg);
    if (argc - optind != 2 || parse_port(argv[optind + 1]) < 1)
        usage(2);
    options->host = argv[optind];
    options->port = argv[optind + 1];
}

/* The same numbers in each run, so that runs can be compared. */
static unsigned next_random(void)
{
    static uint64_t state = 1;

    state = state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(state >> 40);
}

/* Bytes that grow. (A memory stream of the C library loses a byte where it
 * finds no memory, and says so in no way that is easy to see.) */
struct text {
    char *bytes;
    size_t length, room;
};

/* Room for LENGTH bytes more, which count as written. */
static char *add_room(struct text *text, size_t length)
{
    if (text->room - text->length < length) {
        text->room = 2 * text->room + length;
        text->bytes = realloc(text->bytes, text->room);
    }
    if (!text->bytes)
        err(1, "cannot make the requests");
    text->length += length;
    return text->bytes + text->length - length;
}

static void add_string(struct text *text, const char *string)
{
    memcpy(add_room(text, strlen(string)), string, strlen(string));
}

/* A message of all kinds of bytes; upper wants its letters back in capitals. */
static void add_message(
    struct text *request, struct text *answer, size_t size, int upper)
{
    char *there = add_room(request, size), *back = add_room(answer, size);

    for (size_t i = 0; i < size; i++) {
        int c = (int)(next_random() & 0xff);

        there[i] = (char)c;
        back[i] = (char)(upper && c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    }
}

/* Set or get KEY. Each key has one value for ever, so that the answer to a get
 * is known whatever the other connections have set. */
static void add_command(
    struct text *request, struct text *answer, size_t size, size_t key, int get)
{
    struct text *value = get ? answer : request;
    char line[64];

    snprintf(line, sizeof(line),
        get ? "VALUE key-%zu 0 %zu\r\n" : "set key-%zu 0 0 %zu\r\n", key, size);
    add_string(value, line);
    char *bytes = add_room(value, size);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)('a' + (key + i) % 26);
    add_string(value, get ? "\r\nEND\r\n" : "\r\n");
    snprintf(line, sizeof(line), "get key-%zu\r\n", key);
    if (get)
        add_string(request, line);
    else
        add_string(answer, "STORED\r\n");
}

void make_script(struct script *script, const struct options *options)
{
    int memcache = options->mode[0] == 'm';
    size_t ring = RING / options->size, least = memcache ? 10 : 2;
    struct text request = {NULL, 0, 0}, answer = {NULL, 0, 0};

    ring = ring > 1000 ? 1000 : ring < least ? least : ring;
    script->set_up = memcache ? ring : 1;
    script->count = script->set_up + ring;
    script->request_at = calloc(script->count + 1, sizeof(size_t));
    script->answer_at = calloc(script->count + 1, sizeof(size_t));
    if (!script->request_at || !script->answer_at)
        err(1, "cannot make the requests");
    for (size_t i = 0; i < script->count; i++) {
        size_t at = i - script->set_up; /* in the ring, gets spread evenly */
        if (!memcache)
            add_message(
                &request, &answer, options->size, options->mode[0] == 'u');
        else if (i < script->set_up)
            add_command(&request, &answer, options->size, i, 0);
        else
            add_command(&request, &answer, options->size, next_random() % ring,
                (at + 1) * options->gets / 100 > at * options->gets / 100);
        script->request_at[i + 1] = request.length;
        script->answer_at[i + 1] = answer.length;
    }
    script->requests = request.bytes;
    script->answers = answer.bytes;
}

void free_script(struct script *script)
{
    free(script->requests);
    free(script->answers);
    free(script->request_at);
    free(script->answer_at);
}

size_t request_size(const struct script *script, size_t i)
{
    return script->request_at[i + 1] - script->request_at[i];
}

size_t answer_size(const struct script *script, size_t i)
{
    return script->answer_at[i + 1] - script->answer_at[i];
}

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

/* The microseconds that PER_MILLE of the latencies did not exceed. */
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

/* Write LENGTH bytes as one may show them into TEXT, of SIZE bytes. */
static void describe(char *text, size_t size, const char *bytes, size_t length)
{
    size_t used = 0;

    for (size_t i = 0; i < length && i < 24 && used + 5 < size; i++) {
        unsigned char c = (unsigned char)bytes[i];
        int plain = c >= ' ' && c <= '~' && c != '"' && c != '\\';

        used += (size_t)snprintf(
            text + used, size - used, plain ? "%c" : "\\x%02x", c);
    }
    text[used] = '\0';
}

/* Keep what the first difference was: GOT where EXPECTED had to come, AT bytes
 * into an answer. With no EXPECTED, nothing had been asked for. */
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
                 : "byte %zu of an answer: \"%s\", which nobody asked for",
        at + same, is, due);
}

/* Say what went wrong; returns the exit status. */
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
