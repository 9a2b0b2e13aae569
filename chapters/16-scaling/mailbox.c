/* mailbox.c -- a queue and an eventfd, for messages from thread to thread.
 *
 * It is a part of worker-pool. mailbox.h says what it is for, and how it is
 * called.
 */
#include <err.h>
#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <event2/event.h>

#include "mailbox.h"

/* Reset the bell, then remove the messages: one that is posted in between rings
 * again. They are received without the mutex, so that a callback may post. */
static void bell_cb(evutil_socket_t fd, short what, void *arg)
{
    struct mailbox *box = arg;
    struct messages taken = STAILQ_HEAD_INITIALIZER(taken);
    struct message *message;
    uint64_t rings;

    if (read(fd, &rings, sizeof(rings)) < 0 && errno != EAGAIN)
        err(1, "cannot read an eventfd");
    pthread_mutex_lock(&box->mutex);
    STAILQ_CONCAT(&taken, &box->messages);
    pthread_mutex_unlock(&box->mutex);
    while ((message = STAILQ_FIRST(&taken))) {
        STAILQ_REMOVE_HEAD(&taken, next);
        message->receive(message, box->owner);
    }
}

bool mailbox_open(struct mailbox *box, struct event_base *base, void *owner)
{
    box->owner = owner;
    box->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (box->bell < 0)
        return false;
    STAILQ_INIT(&box->messages);
    pthread_mutex_init(&box->mutex, NULL);
    box->event = event_new(base, box->bell, EV_READ | EV_PERSIST, bell_cb, box);
    if (box->event && event_add(box->event, NULL) == 0)
        return true;
    if (box->event)
        event_free(box->event);
    close(box->bell);
    return false;
}

/* The first message rings; those that follow are received together with it. */
void mailbox_post(struct mailbox *box, struct message *message)
{
    uint64_t one = 1;

    pthread_mutex_lock(&box->mutex);
    bool first = STAILQ_EMPTY(&box->messages);
    STAILQ_INSERT_TAIL(&box->messages, message, next);
    pthread_mutex_unlock(&box->mutex);
    if (first && write(box->bell, &one, sizeof(one)) < 0 && errno != EAGAIN)
        err(1, "cannot write to an eventfd");
}

void mailbox_close(struct mailbox *box)
{
    bell_cb(box->bell, EV_READ, box);
    event_free(box->event);
    pthread_mutex_destroy(&box->mutex);
    close(box->bell);
}
