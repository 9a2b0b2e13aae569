/* job-pool.h -- threads for work that would block a loop.
 *
 * A job goes to the pool, one of its threads works on it, and it comes back to
 * the mailbox of the loop that it belongs to.
 */
#ifndef JOB_POOL_H
#define JOB_POOL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/queue.h>

#include "mailbox.h"

enum { JOB_THREADS = 2 };

/* Stands at the beginning of a job. While it is away, its loop may use no other
 * part of it than those that WORK leaves alone. */
struct job {
    struct message message;        /* its callback receives the finished job */
    struct mailbox *back;          /* to this mailbox */
    void (*work)(struct job *job); /* in a thread of the pool; may block */
    atomic_bool unwanted;          /* WORK may return early */
    bool queued; /* no thread has begun; the pool's mutex guards it */
    TAILQ_ENTRY(job) next;
};

struct job_pool {
    pthread_t threads[JOB_THREADS];
    pthread_mutex_t mutex; /* guards the rest */
    pthread_cond_t changed;
    TAILQ_HEAD(jobs, job) jobs; /* that no thread has begun */
    bool closed;                /* the threads are to end */
};

/* False, with errno set, if a thread cannot be started. */
bool job_pool_start(struct job_pool *pool);

/* Hand a job over, in any thread. */
void job_pool_add(struct job_pool *pool, struct job *job);

/* Call this when the result is not needed any more. True: no thread had begun,
 * and the job is the caller's again. False: it still comes back, sooner if WORK
 * checks UNWANTED. Without this, jobs of clients that have left would pile
 * up. */
bool job_pool_take_back(struct job_pool *pool, struct job *job);

/* When no thread adds jobs any more. Returns when all jobs have come back. */
void job_pool_stop(struct job_pool *pool);

#endif
