/* Starter and solution in one: look once you have passed (make compare-NN). */
/* lost-break.c -- an alarm clock that ends when the last alarm has rung.
 *
 * Build: cc -o lost-break lost-break.c -levent_core
 * Run:   ./lost-break [MS:TEXT]...      (the TEXT "stop" ends it)
 * Try:   ./lost-break 2000:tea 1000:toast 0:hello
 */
#include <ctype.h>
#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#define DAY 86400000L /* ms: no alarm is later */

struct schedule {
    struct event_base *base;
    int left; /* alarms that have not rung */
    int rang;
};

struct alarm {
    struct schedule *schedule;
    struct event *event; /* NULL if the alarm needed none */
    long delay;          /* ms */
    const char *text;
};

/* Read an alarm from TEXT. Returns -1 if it is none. */
static int alarm_parse(struct alarm *alarm, const char *text)
{
    char *end;

    alarm->delay = strtol(text, &end, 10);
    if (!isdigit((unsigned char)text[0]) || *end != ':' || alarm->delay > DAY)
        return -1;
    alarm->text = end + 1;
    return 0;
}

/* No alarm is left to ring: end the program. */
static void schedule_end(struct schedule *schedule)
{
#ifdef SOLUTION
    event_base_loopexit(schedule->base, NULL);
#else
    event_base_loopbreak(schedule->base);
#endif
}

static void alarm_ring(struct alarm *alarm)
{
    struct schedule *schedule = alarm->schedule;

    if (strcmp(alarm->text, "stop") == 0) {
        schedule_end(schedule);
        return;
    }
    printf("%s\n", alarm->text);
    schedule->rang++;
    schedule->left--;
    if (schedule->left == 0)
        schedule_end(schedule);
}

static void alarm_cb(evutil_socket_t fd, short what, void *arg)
{
    alarm_ring(arg);
}

/* Let ALARM ring when its time comes, which may be now. */
static void alarm_set(struct alarm *alarm, struct schedule *schedule)
{
    struct timeval delay = {alarm->delay / 1000, alarm->delay % 1000 * 1000};

    alarm->schedule = schedule;
    if (alarm->delay == 0) {
        alarm_ring(alarm);
        return;
    }
    alarm->event = evtimer_new(schedule->base, alarm_cb, alarm);
    if (!alarm->event || event_add(alarm->event, &delay) < 0)
        errx(1, "cannot set an alarm");
}

static void signal_cb(evutil_socket_t signum, short what, void *arg)
{
    event_base_loopbreak(arg);
}

int main(int argc, char **argv)
{
    int count = argc - 1;
    struct schedule schedule = {.left = count};
    struct alarm *alarms = calloc((size_t)argc, sizeof(*alarms));

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!alarms)
        err(1, "cannot make the alarms");
    for (int i = 0; i < count; i++) {
        if (alarm_parse(&alarms[i], argv[i + 1]) < 0) {
            fprintf(stderr, "usage: lost-break [MS:TEXT]...\n");
            return 2;
        }
    }

    schedule.base = event_base_new();
    if (!schedule.base)
        errx(1, "cannot make an event base");
    struct event *terminate =
        evsignal_new(schedule.base, SIGTERM, signal_cb, schedule.base);
    if (!terminate || event_add(terminate, NULL) < 0)
        errx(1, "cannot watch SIGTERM");

    if (count == 0)
        schedule_end(&schedule);
    for (int i = 0; i < count; i++)
        alarm_set(&alarms[i], &schedule);
    int result = event_base_dispatch(schedule.base);
    printf("done, %d rang\n", schedule.rang);

    for (int i = 0; i < count; i++)
        if (alarms[i].event)
            event_free(alarms[i].event);
    event_free(terminate);
    event_base_free(schedule.base);
    free(alarms);
    return result < 0 ? 1 : 0;
}
