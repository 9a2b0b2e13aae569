/* options.c -- what the command line asks for. */
#define _GNU_SOURCE /* CPU_SETSIZE */
#include <ctype.h>
#include <err.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"

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
 * would not report it: getaddrinfo(3) reads 70000 as 4464. */
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
        warnx("unknown mode: %s", text);
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
        options->json = true;
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
