/* memcache-talk.c -- has the same random conversation with two servers.
 *
 * Usage: memcache-talk SEED COMMANDS PORT PORT [numbers]
 * With "numbers", it is about incr and decr, and values that are or are not
 * numbers; without, about all commands, also badly written ones. Both servers
 * are to be fresh, or their cas numbers differ. The seed decides what is said.
 * At the first answer that is not the same, byte for byte, what was sent and
 * both answers are printed, and the status is 1. At the end it prints how often
 * each kind of answer came.
 */
#include <arpa/inet.h>
#include <err.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum {
    ROOM = 8 << 20, /* for a batch, or its answers */
    KEYS = 40,
    VALUE_MAX = 6000,
    NUMBER_KEYS = 6,
    NUMBER_SIZE = 50, /* of a value that may be a number, at the most, and */
    NUMBER_ROOM = 63, /* of one that takes just as much memory */
    NUMBER_KEY = 182, /* the size of a key that goes with both */
    LIMIT = 60,       /* seconds that an answer may take */
};

/* The last command of a batch: its answer ends the answers. No value holds
 * it. */
static const char LAST[] = "version\r\n";
static const char LAST_ANSWER[] = "VERSION 1.6.18\r\n";

static const char *const ANSWERS[] = {"STORED", "NOT_STORED", "EXISTS",
    "NOT_FOUND", "DELETED", "TOUCHED", "OK", "RESET", "END", "VALUE ", "ERROR",
    "CLIENT_ERROR bad command line format\r",
    "CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]",
    "CLIENT_ERROR bad data chunk", "CLIENT_ERROR invalid exptime argument",
    "CLIENT_ERROR invalid numeric delta argument",
    "CLIENT_ERROR cannot increment or decrement non-numeric value",
    "SERVER_ERROR object too large for cache"};
enum { KINDS = sizeof(ANSWERS) / sizeof(*ANSWERS) };

struct batch {
    size_t size;
    char bytes[ROOM];
};

static uint64_t state;     /* of the generator of random numbers */
static char seen_key[300]; /* the last item that a gets has shown */
static uint64_t seen_cas;  /* and its number */
static unsigned long counts[KINDS];

/* A number below LIMIT: xorshift, the same everywhere. */
static unsigned below(unsigned limit)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned)(state >> 32) % limit;
}

#define PICK(list) (list)[below(sizeof(list) / sizeof(*(list)))]

__attribute__((format(printf, 2, 3))) static void say(
    struct batch *batch, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    batch->size += (size_t)vsnprintf(batch->bytes + batch->size,
        sizeof(batch->bytes) - batch->size, format, arguments);
    va_end(arguments);
}

/* Few keys, so that they meet again; now and then one of the longest. */
static const char *key(void)
{
    static char text[300];

    if (below(50) == 0)
        snprintf(text, sizeof(text), "%0250u", below(2));
    else
        snprintf(text, sizeof(text), "key%u", below(KEYS));
    return text;
}

static const char *long_key(void)
{
    static char text[400];

    snprintf(text, sizeof(text), "%0*u", (int)(251 + below(100)), 7);
    return text;
}

static const char *flags(void)
{
    static const char *const LIST[] = {"0", "0", "0", "0", "1", "5", "42",
        "65535", "4294967295", "4294967296", "+3", "-1", "x", "1x", "007"};

    return below(2) ? "0" : PICK(LIST);
}

/* None that would end while we talk. */
static const char *exptime(void)
{
    static const char *const LIST[] = {"0", "0", "1000", "86400", "2592000",
        "-1", "-100", "2592001", "2147483647", "4294967296", "x", "5x", "-",
        "99999999999999999999"};

    return below(4) ? "0" : PICK(LIST);
}

static const char *delta(void)
{
    static const char *const LIST[] = {"0", "1", "2", "9", "10", "99", "1000",
        "9223372036854775807", "18446744073709551615", "18446744073709551616",
        "-1", "x", "1x", "+1", "1.5"};

    return PICK(LIST);
}

static const char *noreply(void)
{
    return below(6) ? "" : " noreply";
}

static const char *line_end(void)
{
    return below(12) ? "\r\n" : "\n";
}

/* The bytes of a value. Where memcached 1.6.18 looks for a number, it may read
 * on into what an older item left behind: so values are never blanks alone,
 * have no minus sign, and long ones end in a NUL, where it stops. */
static size_t value(char *bytes)
{
    static const char *const NUMBERS[] = {"0", "1", "9", "10", "99", "100",
        "12345", "18446744073709551615", "18446744073709551616", "+7", "007",
        " 8", "5 ", "5 x", "1e3", "9223372036854775808"};
    size_t size;

    switch (below(8)) {
    case 0:
    case 1:
    case 2:
        return (size_t)sprintf(bytes, "%s", PICK(NUMBERS));
    case 3:
        return (size_t)sprintf(bytes, "a\r\nget key1\r\nEND\r\n");
    case 4:
        return 0;
    default:
        size = below(20) ? 2 + below(60) : 2 + below(VALUE_MAX);
        bytes[0] = 'v';
        for (size_t i = 1; i < size; i++)
            do
                bytes[i] = (char)below(256);
            while (bytes[i] == '-');
        bytes[size - 1] = '\0';
        return size;
    }
}

/* Any of the commands that bring a value. Some announce another size. */
static void say_store(struct batch *batch)
{
    static const char *const NAMES[] = {
        "set", "set", "set", "add", "replace", "append", "prepend", "cas"};
    static char bytes[VALUE_MAX + 64];
    const char *name = PICK(NAMES);
    size_t size = value(bytes);
    int wrong = below(25) ? 0 : (int)below(9) - 4;
    int announced = (int)size + wrong < 0 ? 0 : (int)size + wrong;
    int is_cas = strcmp(name, "cas") == 0;

    say(batch, "%s %s %s %s %d", name, is_cas && below(3) ? seen_key : key(),
        flags(), exptime(), announced);
    if (is_cas)
        say(batch, " %" PRIu64, below(4) ? seen_cas : (uint64_t)below(5000));
    say(batch, "%s%s", noreply(), line_end());
    memcpy(batch->bytes + batch->size, bytes, size);
    batch->size += size;
    say(batch, "\r\n");
    if (wrong) /* what is missing is taken from here */
        say(batch, "missing\r\nmissing\r\n");
}

static void say_get(struct batch *batch)
{
    static const char *const NAMES[] = {"get", "get", "gets", "gats", "gat"};
    const char *name = PICK(NAMES);
    unsigned keys = below(10) ? 1 + below(3) : 1 + below(60);

    say(batch, "%s", name);
    if (name[1] == 'a')
        say(batch, " %s", exptime());
    for (unsigned i = 0; i < keys; i++)
        say(batch, "%s%s", below(30) ? " " : "   ", key());
    say(batch, "%s", line_end());
}

/* What is taken for one word, or for none. As a TIME, it is not one that would
 * end while we talk. */
static const char *odd_word(int time, unsigned longest)
{
    static const char *const WORDS[] = {"\t", "\t0", "0\t", "\t1\t", "1\tx",
        "\v1", "1\f", "\r", "+1", "-0", "00", "1\v2", "0x1", "noreply", "key1",
        "key2", "0", "1", "5", "x"};
    static const char *const TIMES[] = {"\t", "\t0", "0\t", "\t1000\t",
        "1000\tx", "\v0", "0\f", "\r", "+1000", "-0", "00", "1000\v2", "0x1",
        "noreply", "key1", "x", "-1\t", "2592001 "};
    static char text[400];

    if (below(20) > 0)
        return time ? PICK(TIMES) : PICK(WORDS);
    snprintf(text, sizeof(text), "%0*u", (int)(longest - below(60)),
        time ? 0 : below(10));
    return text;
}

static const char *blanks(void)
{
    return below(5) ? " " : below(3) ? "  " : "     ";
}

/* A command with a word that is odd, missing or too much, or blanks where they
 * do not matter. The value that may follow is there for those that want one. */
static void say_words(struct batch *batch)
{
    static const struct {
        const char *name;
        unsigned words, time; /* which of them is the time; 0: none */
    } COMMANDS[] = {{"set", 4, 3}, {"add", 4, 3}, {"replace", 4, 3},
        {"append", 4, 3}, {"prepend", 4, 3}, {"cas", 5, 3}, {"incr", 2, 0},
        {"decr", 2, 0}, {"touch", 2, 2}, {"delete", 1, 0}, {"gat", 2, 1},
        {"gats", 2, 1}, {"gat", 1, 1}, {"get", 1, 0}, {"gets", 2, 0},
        {"verbosity", 1, 0}, {"\t", 1, 0}, {"set\t", 4, 3}};
    unsigned command = below(sizeof(COMMANDS) / sizeof(*COMMANDS));
    unsigned words = COMMANDS[command].words + (below(10) == 0);
    /* See say_too_long. */
    unsigned longest = COMMANDS[command].name[0] == 'g' ? 250 : 300;

    if (words > 0 && below(10) == 0)
        words--;
    say(batch, "%s%s", below(20) ? "" : " ", COMMANDS[command].name);
    for (unsigned i = 1; i <= words; i++) {
        int time = i == COMMANDS[command].time;

        say(batch, "%s%s", blanks(),
            below(4) == 0                            ? odd_word(time, longest)
            : time                                   ? "0"
            : i == 1 + (COMMANDS[command].time == 1) ? key()
            : below(2)                               ? "5"
                                                     : "0");
    }
    say(batch, "%s%s", below(5) ? "" : blanks(), noreply());
    say(batch, "%s%s", below(5) ? "" : blanks(), line_end());
    if (COMMANDS[command].words >= 4)
        say(batch, "%.*s\r\nmissing\r\n", (int)below(6), "55555");
}

static void say_other(struct batch *batch)
{
    static const char *const LINES[] = {"", " ", "foo", "get", "gets", "gat",
        "gat 0", "gat x key1", "set", "set key1", "set key1 0 0", "a", "ab",
        "GET key1", "gett key1", "cas key1 0 0 1", "incr key1", "incr",
        "incr key1 1 2 3", "touch key1", "delete", "delete key1 0",
        "delete key1 0 noreply", "delete key1 5", "delete key1 0 0",
        "delete key1 noreply 0", "delete noreply", "flush_all x",
        "flush_all 1 2 3", "flush_all \t", "flush_all \t 0", "flush_all \t0",
        "flush_all  0\t  noreply ", "verbosity", "verbosity 1", "verbosity x",
        "verbosity 1 2 3", "verbosity noreply", "stats nonsense", "stats reset",
        "  get   key1  ", "set key1 0 0 -1", "set key1 0 0 x noreply",
        "set key1 0 0 2147483647x", "append key1 0 0",
        "one two three four five six seven eight nine ten"};
    static const char *const FLUSHES[] = {
        "flush_all", "flush_all 0", "flush_all noreply", "flush_all -5"};

    say(batch, "%s%s", below(40) ? PICK(LINES) : PICK(FLUSHES), line_end());
}

/* memcached 1.6.18 drops the answers that wait when a get has a key too long,
 * so such a line is the first of a batch. */
static void say_too_long(struct batch *batch)
{
    static const char *const FORMATS[] = {"get %s", "gets %s key1", "gat 0 %s",
        "incr %s 1", "decr %s x", "touch %s 0", "delete %s",
        "delete %s noreply", "set %s 0 0 1", "add %s 0 0 1 noreply"};

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    say(batch, PICK(FORMATS), long_key());
#pragma GCC diagnostic pop
    say(batch, "\r\n");
}

/* A value that does not fit: it is sent, and swallowed. */
static void say_too_large(struct batch *batch)
{
    size_t size = (1 << 20) - 50 + below(1000);

    say(batch, "%s %s 0 0 %zu%s\r\n", below(2) ? "set" : "add", key(), size,
        noreply());
    memset(batch->bytes + batch->size, 'x', size);
    batch->size += size;
    say(batch, "\r\n");
}

static void say_one(struct batch *batch)
{
    unsigned kind = below(100);

    if (kind < 15)
        say_words(batch);
    else if (kind < 45)
        say_store(batch);
    else if (kind < 70)
        say_get(batch);
    else if (kind < 82)
        say(batch, "%s %s %s%s%s", below(2) ? "incr" : "decr", key(), delta(),
            noreply(), line_end());
    else if (kind < 87)
        say(batch, "touch %s %s%s%s", key(), exptime(), noreply(), line_end());
    else if (kind < 92)
        say(batch, "delete %s%s%s", key(), noreply(), line_end());
    else
        say_other(batch);
}

/* --- numbers ---
 *
 * To see whether a value is a number, memcached 1.6.18 reads on behind its end,
 * into what an older item has left in the same place: a value of white space is
 * the number that follows it there, and one from 2^63 on is none if there is a
 * minus sign. What it finds there is no concern of ours; so all values lie in
 * places of one size, and before one is used, it is filled with NULs. That is
 * easy, since memcached uses first what was given back last. */

static void number_key(struct batch *batch, unsigned number)
{
    say(batch, "%0*u", NUMBER_KEY, number);
}

static void say_value(struct batch *batch, const char *command, unsigned key,
    const char *bytes, size_t size)
{
    say(batch, "%s ", command);
    number_key(batch, key);
    say(batch, " 0 0 %zu\r\n", size);
    memcpy(batch->bytes + batch->size, bytes, size);
    batch->size += size;
    say(batch, "\r\n");
}

static void say_key(
    struct batch *batch, const char *command, unsigned key, const char *rest)
{
    say(batch, "%s ", command);
    number_key(batch, key);
    say(batch, "%s%s", rest, line_end());
}

/* Fill the place of KEY with NULs, and give it back; also the one before it, if
 * there was a minus sign, and the value has moved. */
static void wipe(struct batch *batch, unsigned key, int both)
{
    static const char nuls[NUMBER_ROOM];

    say_key(batch, "delete", key, "");
    say_value(batch, "set", key, nuls, NUMBER_ROOM);
    if (both) {
        say_value(batch, "set", NUMBER_KEYS, nuls, NUMBER_ROOM);
        say_key(batch, "delete", NUMBER_KEYS, "");
    }
    say_key(batch, "delete", key, "");
}

struct piece {
    const char *bytes;
    size_t size;
};
#define PIECE(text)                                                            \
    {                                                                          \
        text, sizeof(text) - 1                                                 \
    }

/* What may be a number, or next to one. */
static size_t number(char *bytes)
{
    static const struct piece PIECES[] = {PIECE(" "), PIECE("  "), PIECE("\t"),
        PIECE("\r\n"), PIECE("\n"), PIECE("\r"), PIECE("\v"), PIECE("\f"),
        PIECE("\0"), PIECE("+"), PIECE("-"), PIECE("0"), PIECE("00"),
        PIECE("0000000000000000000000"), PIECE("1"), PIECE("5"), PIECE("9"),
        PIECE("10"), PIECE("99"), PIECE("100"), PIECE("12345"),
        PIECE("9223372036854775807"), PIECE("9223372036854775808"),
        PIECE("18446744073709551614"), PIECE("18446744073709551615"),
        PIECE("18446744073709551616"), PIECE("99999999999999999999"),
        PIECE("123456789012345678901234567890"), PIECE("x"), PIECE("."),
        PIECE("e5"), PIECE("0x10"), PIECE("\xa0"), PIECE("\xc2\x85")};
    unsigned pieces = below(3) ? 1 + below(3) : below(7);
    size_t size = 0;

    while (pieces-- > 0) {
        const struct piece *piece =
            &PIECES[below(sizeof(PIECES) / sizeof(*PIECES))];

        if (size + piece->size > NUMBER_SIZE)
            break;
        memcpy(bytes + size, piece->bytes, piece->size);
        size += piece->size;
    }
    return size;
}

static const char *number_delta(void)
{
    static const char *const LIST[] = {"0", "1", "1", "2", "9", "10", "90",
        "99", "1000", "999999", "9223372036854775807", "9223372036854775808",
        "18446744073709551614", "18446744073709551615", "18446744073709551616",
        "-1", "+1", "\t1", "1\t", "001", "x"};

    return PICK(LIST);
}

static void count(struct batch *batch, unsigned key)
{
    say_key(batch, below(2) ? "incr" : "decr", key, " ");
    batch->size -= batch->bytes[batch->size - 2] == '\r' ? 2 : 1;
    say(batch, "%s%s%s", number_delta(), below(20) ? "" : " noreply",
        line_end());
}

/* A new value and what becomes of it, or a number that is there counts on.
 * Returns how many commands these are; those that wipe do not count. */
static unsigned long say_numbers(struct batch *batch)
{
    unsigned key = below(NUMBER_KEYS), counts = 1 + below(4), i;
    char bytes[NUMBER_SIZE];
    int minus = 0, fresh = below(3) > 0;

    if (fresh) {
        size_t size = number(bytes);

        minus = memchr(bytes, '-', size) != NULL;
        wipe(batch, key, 0);
        say_value(batch, below(2) ? "set" : "add", key, bytes, size);
        if (!minus && below(4) == 0)
            say_value(batch, "append", key, below(2) ? "5 " : "\0\n", 2);
        if (!minus && below(4) == 0)
            say_value(batch, "prepend", key, below(2) ? "\t1" : " +0", 2);
    }
    if (minus)
        counts = 1;
    for (i = 0; i < counts; i++)
        count(batch, key);
    say_key(batch, below(2) ? "gets" : "get", key, "");
    if (minus)
        wipe(batch, key, 1);
    return counts + 1 + (unsigned)fresh;
}

/* Returns how many commands these are. */
static unsigned long make_batch(struct batch *batch, int numbers)
{
    unsigned long count = 0, most = 1 + below(20);

    batch->size = 0;
    while (count < most) {
        if (numbers) {
            count += say_numbers(batch);
            continue;
        }
        if (count == 0 && below(20) == 0)
            say_too_long(batch);
        else if (count == 0 && below(200) == 0)
            say_too_large(batch);
        else
            say_one(batch);
        count++;
    }
    say(batch, "%s", LAST);
    return count;
}

static int open_connection(const char *port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)atoi(port)),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    struct timeval limit = {LIMIT, 0};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 ||
        connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
        err(1, "cannot connect to port %s", port);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    return fd;
}

static void send_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t sent = write(fd, bytes, size);

        if (sent <= 0)
            err(1, "cannot send");
        bytes += sent;
        size -= (size_t)sent;
    }
}

/* In one packet, in several, or in many tiny ones. */
static void send_batch(int fd, const struct batch *batch, unsigned piece)
{
    size_t at = 0;

    while (at < batch->size) {
        size_t size = batch->size - at;

        if (piece && size > piece && at < 2000)
            size = piece;
        send_all(fd, batch->bytes + at, size);
        at += size;
    }
}

static int ends_with(const struct batch *batch, const char *end)
{
    size_t size = strlen(end);

    return batch->size >= size &&
           memcmp(batch->bytes + batch->size - size, end, size) == 0;
}

/* Read up to the answer to LAST. */
static void receive(int fd, struct batch *batch, const char *port)
{
    batch->size = 0;
    while (!ends_with(batch, LAST_ANSWER)) {
        ssize_t size = read(fd, batch->bytes + batch->size, ROOM - batch->size);

        if (size <= 0) {
            warnx("no answer from port %s but this:", port);
            break;
        }
        batch->size += (size_t)size;
    }
}

static void show(const char *title, const struct batch *batch)
{
    size_t size = batch->size > 4000 ? 4000 : batch->size;

    printf("--- %s, %zu bytes\n", title, batch->size);
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)batch->bytes[i];

        if (c == '\n')
            printf("\\n\n");
        else if (c < ' ' || c > '~')
            printf("\\x%02x", c);
        else
            putchar(c);
    }
    printf("\n");
}

/* Count the answers, and remember the last number that a gets has shown. */
static void look_at(struct batch *answers)
{
    char *end = answers->bytes + answers->size;

    for (char *line = answers->bytes; line < end;) {
        char name[300];
        unsigned item_flags, size;
        uint64_t cas;
        char *next = memchr(line, '\n', (size_t)(end - line));

        for (int i = 0; i < KINDS; i++)
            counts[i] += strncmp(line, ANSWERS[i], strlen(ANSWERS[i])) == 0;
        next = next ? next + 1 : end;
        if (strncmp(line, "VALUE ", 6) == 0) {
            next[-1] = '\0';
            int found = sscanf(line, "VALUE %299s %u %u %" SCNu64, name,
                &item_flags, &size, &cas);
            if (found == 4) {
                strcpy(seen_key, name);
                seen_cas = cas;
            }
            if (found >= 3)
                next += size + 2;
        }
        line = next;
    }
}

int main(int argc, char **argv)
{
    static struct batch batch, answers[2];
    unsigned long said = 0;
    int fds[2];

    int numbers = argc == 6 && strcmp(argv[5], "numbers") == 0;
    if (argc != 5 + numbers)
        errx(2, "usage: memcache-talk SEED COMMANDS PORT PORT [numbers]");
    state = strtoull(argv[1], NULL, 10) * 0x9E3779B97F4A7C15 + 1;
    unsigned long commands = strtoul(argv[2], NULL, 10);
    strcpy(seen_key, "key0");
    for (int i = 0; i < 2; i++)
        fds[i] = open_connection(argv[3 + i]);

    while (said < commands) {
        said += make_batch(&batch, numbers);
        unsigned piece = below(3) ? 0 : 1 + below(below(2) ? 3 : 200);
        for (int i = 0; i < 2; i++) {
            send_batch(fds[i], &batch, piece);
            receive(fds[i], &answers[i], argv[3 + i]);
        }
        if (answers[0].size != answers[1].size ||
            memcmp(answers[0].bytes, answers[1].bytes, answers[0].size) != 0 ||
            !ends_with(&answers[0], LAST_ANSWER)) {
            show("sent", &batch);
            show("the first server", &answers[0]);
            show("the second server", &answers[1]);
            errx(1, "seed %s: not the same after %lu commands", argv[1], said);
        }
        look_at(&answers[0]);
    }
    for (int i = 0; i < KINDS; i++)
        printf("%lu %s\n", counts[i], ANSWERS[i]);
    printf("%lu commands, all answers the same\n", said);
    return 0;
}
