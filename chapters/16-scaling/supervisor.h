/* supervisor.h -- worker processes that share a port, and are looked after.
 *
 * supervisor_run binds the port, forks the workers, and returns when all of
 * them have ended. In the meantime the process is the supervisor:
 *   a worker that dies     is replaced at once; if it had not lived a second,
 *                          later each time
 *   SIGHUP                 replaces all workers, one after the other: the old
 *                          one leaves when the new one is ready
 *   SIGUSR1                is passed on to the workers
 *   SIGTERM, SIGINT        let the workers leave, and then the supervisor; a
 *                          second time, the workers end at once
 * A worker that has been told to leave, by SIGTERM, is killed a second after
 * its time of grace.
 *
 * The sockets belong to the supervisor as long as it lives. A worker inherits
 * one, and when it dies, clients that wait in the queue of that socket wait for
 * its successor.
 */
#ifndef SUPERVISOR_H
#define SUPERVISOR_H

#include <stdbool.h>
#include <sys/time.h>

#include "worker-task.h"

struct plan {
    int count;   /* of the workers */
    bool shared; /* one socket for all of them, or one each by SO_REUSEPORT */
    struct timeval grace; /* for a worker that leaves */

    /* A worker's whole life, in its process, which exits with the status that
     * it returns. Signals are blocked until it calls task_ready. */
    int (*work)(const struct task *task, const struct plan *plan);
};

/* Run the workers on HOST and PORT; print "listening on ..." when each of them
 * is ready for the first time. Returns the exit status: 1 if a worker could not
 * be started, or did not end as it should at the end. What fails before there
 * are workers ends the program. */
int supervisor_run(const struct plan *plan, const char *host, const char *port);

#endif
