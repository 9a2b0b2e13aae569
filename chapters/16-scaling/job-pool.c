/* job-pool.c -- a queue of jobs and the threads that work on them.
 *
 * It is a part of worker-pool. job-pool.h says what it is for, and how it is
 * called.
 */
#include <errno.h>

#include "job-pool.h"

/* A thread of the pool: it sleeps until there is a job. */
static void *work_on_jobs(void *arg)
{
    struct job_pool *pool = arg;

    for (;;) {
        pthread_mutex_lock(&pool->mutex);
        while (TAILQ_EMPTY(&pool->jobs) && !pool->closed)
            pthread_cond_wait(&pool->changed, &pool->mutex);
        struct job *job = TAILQ_FIRST(&pool->jobs);
        if (job) {
            TAILQ_REMOVE(&pool->jobs, job, next);
            job->queued = false;
        }
        pthread_mutex_unlock(&pool->mutex);
        if (!job)
            return NULL;
        job->work(job);
        mailbox_post(job->back, &job->message);
    }
}

bool job_pool_start(struct job_pool *pool)
{
    pool->closed = false;
    TAILQ_INIT(&pool->jobs);
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->changed, NULL);
    for (int i = 0; i < JOB_THREADS; i++) {
        errno = pthread_create(&pool->threads[i], NULL, work_on_jobs, pool);
        if (errno)
            return false;
    }
    return true;
}

void job_pool_add(struct job_pool *pool, struct job *job)
{
    pthread_mutex_lock(&pool->mutex);
    job->queued = true;
    TAILQ_INSERT_TAIL(&pool->jobs, job, next);
    pthread_cond_signal(&pool->changed);
    pthread_mutex_unlock(&pool->mutex);
}

bool job_pool_take_back(struct job_pool *pool, struct job *job)
{
    atomic_store(&job->unwanted, true);
    pthread_mutex_lock(&pool->mutex);
    bool queued = job->queued;
    if (queued)
        TAILQ_REMOVE(&pool->jobs, job, next);
    pthread_mutex_unlock(&pool->mutex);
    return queued;
}

void job_pool_stop(struct job_pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    pool->closed = true;
    pthread_cond_broadcast(&pool->changed);
    pthread_mutex_unlock(&pool->mutex);
    for (int i = 0; i < JOB_THREADS; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->changed);
    pthread_mutex_destroy(&pool->mutex);
}
