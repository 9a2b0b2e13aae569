/* settings.c -- the command line of hardened-server.
 *
 * It is a part of hardened-server. settings.h says what it is for, and how it
 * is called. One table holds each option, its default, its bounds and its help.
 */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log-queue.h"
#include "settings.h"

enum kind { COUNT, SIZE, SECONDS, LEVEL, NAME, SWITCH };

static const char *const VALUES[] = {
    "=N", "=BYTES", "=SECONDS", "=LEVEL", "=NAME", ""};

static const struct row {
    const char *name;
    enum kind kind;
    size_t offset; /* in struct settings */
    const char *usual;
    const char *help;
} ROWS[] = {
    {"clients", COUNT, offsetof(struct settings, clients), "1000",
        "clients at the most"},
    {"per-address", COUNT, offsetof(struct settings, per_address), "100",
        "clients of one address at the most"},
    {"rate", SIZE, offsetof(struct settings, rate), "0",
        "bytes a second of each client, in each direction; 0: any"},
    {"rate-all", SIZE, offsetof(struct settings, rate_all), "0",
        "bytes a second of all clients together; 0: any"},
    {"output", SIZE, offsetof(struct settings, output), "256k",
        "bytes of answers that may wait for one client"},
    {"memory", SIZE, offsetof(struct settings, memory), "64M",
        "bytes of answers that may wait for all clients"},
    {"idle", SECONDS, offsetof(struct settings, idle), "60",
        "drop a client that is silent for so long"},
    {"stuck", SECONDS, offsetof(struct settings, stuck), "20",
        "drop a client that takes nothing of an answer for so long"},
    {"progress", SECONDS, offsetof(struct settings, progress), "30",
        "drop a client that in so long takes fewer bytes than ..."},
    {"slowest", SIZE, offsetof(struct settings, slowest), "16k", "... these"},
    {"user", NAME, offsetof(struct settings, user), NULL,
        "be this user once the socket listens"},
    {"log", LEVEL, offsetof(struct settings, log), "info",
        "error, warning, info or debug"},
    {"debug", SWITCH, offsetof(struct settings, debug), NULL,
        "let libevent check how its events are used"},
};

enum { ROW_COUNT = sizeof(ROWS) / sizeof(ROWS[0]) };

static void usage(int status)
{
    fprintf(status ? stderr : stdout,
        "usage: hardened-server [OPTION...] [ADDRESS PORT]\n");
    for (int i = 0; !status && i < ROW_COUNT; i++) {
        char left[32];

        snprintf(
            left, sizeof(left), "--%s%s", ROWS[i].name, VALUES[ROWS[i].kind]);
        printf("  %-20s  %s", left, ROWS[i].help);
        if (ROWS[i].usual)
            printf(" (%s)", ROWS[i].usual);
        putchar('\n');
    }
    exit(status);
}

/* The port that TEXT names, 0 to 65535, or -1 if it names none. The resolver
 * would not report it: getaddrinfo(3) reads 70000 as 4464. */
static int parse_port(const char *text)
{
    char *end;
    long port = strtol(text, &end, 10);

    if (!isdigit((unsigned char)text[0]) || *end != '\0' || port > 65535)
        return -1;
    return (int)port;
}

/* A number of bytes, with k or M behind it for 1024 or 1024 * 1024 of them. */
static bool parse_size(const char *text, size_t *size)
{
    char *end;
    unsigned long number = strtoul(text, &end, 10);
    unsigned shift = *end == 'k' ? 10 : *end == 'M' ? 20 : 0;

    if (!isdigit((unsigned char)text[0]) || end[shift ? 1 : 0] != '\0' ||
        number > 0x7fffffffUL >> shift)
        return false;
    *size = number << shift;
    return true;
}

/* Seconds, with a fraction if need be: at least a hundredth, at most a day. */
static bool parse_milliseconds(const char *text, unsigned *milliseconds)
{
    char *end;
    double seconds = strtod(text, &end);

    if (!isdigit((unsigned char)text[0]) || *end != '\0' ||
        !(seconds >= 0.01 && seconds <= 86400))
        return false;
    *milliseconds = (unsigned)(seconds * 1000);
    return true;
}

static bool set(
    struct settings *settings, const struct row *row, const char *value)
{
    void *field = (char *)settings + row->offset;

    switch (row->kind) {
    case COUNT:
        return parse_size(value, field) && *(size_t *)field > 0;
    case SIZE:
        return parse_size(value, field);
    case SECONDS:
        return parse_milliseconds(value, field);
    case LEVEL:
        return (*(int *)field = log_level_of(value)) >= 0;
    case NAME:
        *(const char **)field = value;
        return true;
    default:
        return *(bool *)field = true;
    }
}

void settings_read(struct settings *settings, int argc, char **argv)
{
    struct option options[ROW_COUNT + 1] = {{0}};
    int index;

    *settings = (struct settings){.address = "127.0.0.1", .port = "9995"};
    for (int i = 0; i < ROW_COUNT; i++) {
        options[i].name = ROWS[i].name;
        options[i].has_arg = ROWS[i].kind != SWITCH;
        if (ROWS[i].usual)
            set(settings, &ROWS[i], ROWS[i].usual);
    }
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        usage(0);
    opterr = 0; /* usage says it */
    for (int c; (c = getopt_long(argc, argv, "", options, &index)) != -1;)
        if (c != 0 || !set(settings, &ROWS[index], optarg))
            usage(2);
    argv += optind;
    argc -= optind;
    if ((argc != 0 && argc != 2) || (argc == 2 && parse_port(argv[1]) < 0))
        usage(2);
    if (argc == 2) {
        settings->address = argv[0];
        settings->port = argv[1];
    }
}

unsigned settings_shortest_time(const struct settings *settings)
{
    unsigned shortest = settings->idle;

    if (settings->stuck < shortest)
        shortest = settings->stuck;
    return settings->progress < shortest ? settings->progress : shortest;
}
