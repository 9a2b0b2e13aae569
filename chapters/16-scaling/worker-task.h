/* worker-task.h -- what a worker process begins with: a listening socket on a
 * port that it shares with others, a base, and a way to tell its supervisor.
 */
#ifndef WORKER_TASK_H
#define WORKER_TASK_H

#include <stdbool.h>

#include <event2/event.h>
#include <event2/listener.h>

/* All of it is the worker's own, to be freed by it. */
struct task {
    struct event_base *base;         /* without events */
    struct evconnlistener *listener; /* without a callback, and disabled */
    int control; /* a socket; readable when the supervisor has died */
    int number;  /* 1 to the number of the workers */
};

/* Listen on HOST and PORT. With MORE, other sockets can join by
 * worker_socket_next: those have SO_REUSEPORT set, and the kernel spreads new
 * connections over them by a hash of their addresses and ports. A failure ends
 * the program. */
int worker_socket_first(const char *host, const char *port, bool more);

/* A socket of its own on the port of FIRST, with a queue of its own. A failure
 * ends the program. */
int worker_socket_next(int first);

/* Make the base, and the listener on FD, which it takes over. A failure ends
 * the program. */
void task_begin(struct task *task, int fd);

/* For a worker: its signals have handlers, it accepts clients. From now on it
 * gets signals, which were blocked. Returns -1 if the supervisor cannot be
 * told. */
int task_ready(const struct task *task);

/* When the loop has ended: from now on a signal has no effect. Without its
 * handler a second SIGTERM would kill the worker, which is about to exit. */
void task_end(void);

#endif
