/* mailbox.h -- how one thread sends something to the loop of another.
 *
 * A mailbox belongs to a loop: messages are received by callbacks in the thread
 * that runs it, in the order in which they were posted. Any thread may post.
 * Neither needs evthread_use_pthreads: no thread but its own touches a base.
 */
#ifndef MAILBOX_H
#define MAILBOX_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/queue.h>

struct event;
struct event_base;

/* Stands at the beginning of what is sent. From mailbox_post on it belongs to
 * the receiver, and so does all that it is a part of. */
struct message {
    void (*receive)(struct message *message, void *owner);
    STAILQ_ENTRY(message) next;
};

struct mailbox {
    void *owner;           /* for the callbacks */
    struct event *event;   /* pending: it waits for the bell */
    int bell;              /* an eventfd: readable when messages wait */
    pthread_mutex_t mutex; /* guards the messages */
    STAILQ_HEAD(messages, message) messages;
};

/* False, with errno set, if there is no memory or no descriptor. */
bool mailbox_open(struct mailbox *box, struct event_base *base, void *owner);

/* Never fails, and never waits for the receiver. */
void mailbox_post(struct mailbox *box, struct message *message);

/* Before the base is freed, and when no thread posts any more. Messages that
 * have come after the end of the loop are received now. */
void mailbox_close(struct mailbox *box);

#endif
