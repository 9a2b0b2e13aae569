/* log-queue.c -- a ring of bytes between the program and its log.
 *
 * It is a part of hardened-server. log-queue.h says what it is for, and how it
 * is called.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <event2/event.h>

#include "log-queue.h"

enum { RING = 64 * 1024, LINE = 1024, LAST_WAIT = 100 /* ms */ };

/* With NOTICE bytes left a line may not enter any more, but the notice that
 * lines were dropped may. */
enum { NOTICE = 80 };

static const struct timeval AGAIN = {0, 50000}; /* where no event tells us */

enum way { BY_SEND, BY_WRITE, BY_POLL };

static const char *const NAMES[] = {"error", "warning", "info", "debug"};

static struct {
    int fd;
    bool own;     /* the descriptor is ours to close */
    bool journal; /* of systemd, which reads the level as a number */
    enum way way;
    enum log_level most;
    struct event *room;     /* pending while the descriptor takes no more */
    bool waiting;           /* for it, or for the base at the start */
    bool within;            /* libevent, which is not to be called then */
    unsigned first, length; /* the bytes that wait, in the ring */
    unsigned long dropped;  /* lines */
    unsigned long told;     /* of these, in a notice */
    char ring[RING];
} the_log = {.fd = -1};

int log_level_of(const char *name)
{
    for (int i = LEVEL_ERROR; i <= LEVEL_DEBUG; i++)
        if (strcmp(name, NAMES[i]) == 0)
            return i;
    return -1;
}

/* As write(2), but it never blocks: then errno is EAGAIN. Where the descriptor
 * could not be opened anew, poll(2) has to say that a page has room. */
static ssize_t write_some(const char *bytes, size_t length)
{
    struct pollfd pollfd = {.fd = the_log.fd, .events = POLLOUT};

    if (the_log.way == BY_SEND)
        return send(the_log.fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (the_log.way == BY_POLL && poll(&pollfd, 1, 0) == 0) {
        errno = EAGAIN;
        return -1;
    }
    return write(the_log.fd, bytes,
        the_log.way == BY_POLL && length > LINE ? LINE : length);
}

/* The caller has made sure that there is room. */
static void append(const char *bytes, unsigned length)
{
    unsigned end = (the_log.first + the_log.length) % RING;
    unsigned part = length < RING - end ? length : RING - end;

    memcpy(the_log.ring + end, bytes, part);
    memcpy(the_log.ring, bytes + part, length - part);
    the_log.length += length;
}

/* Lines that the descriptor will never take count as dropped. */
static void drop_all(void)
{
    for (; the_log.length > 0; the_log.length--) {
        the_log.dropped += the_log.ring[the_log.first] == '\n';
        the_log.first = (the_log.first + 1) % RING;
    }
    the_log.told = the_log.dropped;
}

/* Write what waits, as far as there is room. */
static void flush(void)
{
    while (the_log.length > 0) {
        unsigned part = RING - the_log.first;
        ssize_t written = write_some(the_log.ring + the_log.first,
            the_log.length < part ? the_log.length : part);

        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0 && errno != EAGAIN)
            drop_all();
        if (written <= 0)
            return;
        the_log.first = (the_log.first + (unsigned)written) % RING;
        the_log.length -= (unsigned)written;
    }
}

/* Lines were dropped since the last notice: say so in their place. */
static void append_notice(void)
{
    char notice[NOTICE];
    unsigned long count = the_log.dropped - the_log.told;

    if (count == 0)
        return;
    int length = snprintf(notice, sizeof(notice),
        "%s%lu lines of the log were dropped\n",
        the_log.journal ? "<4>" : "warning: ", count);
    append(notice, (unsigned)length);
    the_log.told = the_log.dropped;
}

/* Wait for room if something is left. Set WAITING first: event_add itself may
 * log a line. Without a base, within libevent, or if it fails, the next line or
 * the next tick tries again. */
static void flush_or_wait(void)
{
    flush();
    if (the_log.length == 0 || !the_log.room || the_log.waiting ||
        the_log.within)
        return;
    the_log.waiting = true;
    the_log.waiting =
        event_add(the_log.room, the_log.way == BY_WRITE ? NULL : &AGAIN) == 0;
}

static void room_cb(evutil_socket_t fd, short what, void *arg)
{
    the_log.waiting = false;
    flush();
    if (RING - the_log.length > RING / 2)
        append_notice();
    flush_or_wait();
}

/* The text of a line, at most LINE bytes with its end. */
static unsigned format_line(
    char *line, enum log_level level, const char *format, va_list arguments)
{
    static const char priorities[] = "3467"; /* as syslog(3) has them */
    int begin = the_log.journal
                    ? snprintf(line, LINE, "<%c>", priorities[level])
                    : snprintf(line, LINE, "%s: ", NAMES[level]);
    int length =
        vsnprintf(line + begin, LINE - 1 - (size_t)begin, format, arguments);

    if (length < 0)
        length = 0;
    length += begin;
    if (length > LINE - 2)
        length = LINE - 2;
    line[length] = '\n';
    return (unsigned)length + 1;
}

void log_line(enum log_level level, const char *format, ...)
{
    char line[LINE];
    va_list arguments;

    if (level > the_log.most)
        return;
    va_start(arguments, format);
    unsigned length = format_line(line, level, format, arguments);
    va_end(arguments);
    if (RING - the_log.length < length + 2 * NOTICE) {
        the_log.dropped++;
        return;
    }
    append_notice();
    append(line, length);
    if (!the_log.waiting)
        flush_or_wait();
}

/* The text is made in memory first, since writing it to the log might block. */
void log_events(struct event_base *base)
{
    char *text = NULL;
    size_t length;
    FILE *stream = open_memstream(&text, &length);

    if (!stream)
        return;
    event_base_dump_events(base, stream);
    if (fclose(stream) == 0)
        for (char *rest = NULL, *line = strtok_r(text, "\n", &rest); line;
             line = strtok_r(NULL, "\n", &rest))
            log_line(LEVEL_INFO, "%s", line);
    free(text);
}

void log_tick(void)
{
    if (!the_log.waiting)
        flush_or_wait();
}

/* What libevent reports. It calls this in the middle of its functions, so none
 * of them may be called here. */
static void libevent_cb(int severity, const char *text)
{
    static const enum log_level levels[] = {
        LEVEL_DEBUG, LEVEL_INFO, LEVEL_WARNING, LEVEL_ERROR};

    the_log.within = true;
    log_line(levels[severity & 3], "libevent: %s", text);
    the_log.within = false;
}

/* libevent cannot go on. Its reason is the last line of the log; a core file
 * tells the rest. The event is left as it is, for libevent may be at work on
 * it. */
static void fatal_cb(int error)
{
    the_log.room = NULL;
    log_close();
    abort();
}

/* A pipe or a terminal is opened once more: O_NONBLOCK on the descriptor that
 * we were given would be felt by every process that shares it. A file would get
 * a second position, and never blocks in this sense. */
static void choose_way(int fd)
{
    char path[32];
    struct stat status;

    the_log.fd = fd;
    the_log.way = BY_POLL;
    if (fstat(fd, &status) != 0)
        return;
    if (S_ISSOCK(status.st_mode)) {
        the_log.way = BY_SEND;
        return;
    }
    if (!S_ISFIFO(status.st_mode) && !S_ISCHR(status.st_mode))
        return;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int again = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (again >= 0) {
        the_log.fd = again;
        the_log.own = true;
        the_log.way = BY_WRITE;
    }
}

/* Whether systemd's journal reads FD: then the variable names its socket. */
static bool is_journal(int fd)
{
    const char *stream = getenv("JOURNAL_STREAM");
    char own[64];
    struct stat status;

    if (!stream || fstat(fd, &status) != 0)
        return false;
    snprintf(own, sizeof(own), "%ju:%ju", (uintmax_t)status.st_dev,
        (uintmax_t)status.st_ino);
    return strcmp(stream, own) == 0;
}

void log_open(int fd, enum log_level most)
{
    the_log.most = most;
    the_log.journal = is_journal(fd);
    choose_way(fd);
    event_set_log_callback(libevent_cb);
    event_set_fatal_callback(fatal_cb);
    if (most == LEVEL_DEBUG)
        event_enable_debug_logging(EVENT_DBG_ALL);
}

/* A descriptor of our own can be watched. The others block, which libevent's
 * debug mode takes for a mistake, or are files: these are tried again. */
bool log_attach(struct event_base *base)
{
    the_log.room = the_log.way == BY_WRITE
                       ? event_new(base, the_log.fd, EV_WRITE, room_cb, NULL)
                       : evtimer_new(base, room_cb, NULL);
    if (!the_log.room)
        return false;
    if (the_log.length > 0)
        flush_or_wait();
    return true;
}

unsigned long log_dropped(void)
{
    return the_log.dropped;
}

unsigned log_waiting(void)
{
    return the_log.length;
}

void log_close(void)
{
    struct pollfd pollfd = {.fd = the_log.fd, .events = POLLOUT};

    event_enable_debug_logging(EVENT_DBG_NONE);
    if (the_log.room)
        event_free(the_log.room);
    the_log.room = NULL;
    flush();
    append_notice();
    while (the_log.length > 0 && poll(&pollfd, 1, LAST_WAIT) > 0)
        flush();
    if (the_log.own)
        close(the_log.fd);
    the_log.own = false;
    the_log.fd = -1;
}
