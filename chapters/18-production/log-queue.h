/* log-queue.h -- a log that never lets the loop wait for its reader.
 *
 * A line that cannot be written at once waits in a queue of fixed size; a line
 * that finds no room there is dropped, and counted. There is one log for the
 * process, because libevent's log callback has no argument.
 */
#ifndef LOG_QUEUE_H
#define LOG_QUEUE_H

#include <stdbool.h>

struct event_base;

enum log_level { LEVEL_ERROR, LEVEL_WARNING, LEVEL_INFO, LEVEL_DEBUG };

/* The level that NAME names, or -1. */
int log_level_of(const char *name);

/* Write lines up to the level MOST to FD, and so what libevent reports. Call it
 * before everything else of libevent, and before the user is changed. It never
 * fails: a log that cannot be written is a log whose lines are dropped. */
void log_open(int fd, enum log_level most);

/* From now on BASE writes what waits, as soon as there is room. False if there
 * is no memory. */
bool log_attach(struct event_base *base);

/* Write a line, or queue it, or drop it. Never waits. */
__attribute__((format(printf, 2, 3))) void log_line(
    enum log_level level, const char *format, ...);

/* To be called now and then from the loop: lines of libevent itself cannot wait
 * for room, since it must not be called while it reports something. */
void log_tick(void);

/* Write every event of BASE. */
void log_events(struct event_base *base);

/* Lines that were dropped so far, and bytes that wait. */
unsigned long log_dropped(void);
unsigned log_waiting(void);

/* Before the base is freed. What waits has a tenth of a second to be written.
 */
void log_close(void);

#endif
