/* stream.h -- what the files of the second library know of each other
 *
 * On top of the reactor: libevent's buffers, buffered sockets and pairs, and
 * listeners, as far as the programs of chapters 1 to 11 and others like them
 * call them. Read the files in this order:
 *
 *   buffer.c       a queue of bytes, as a list of chunks
 *   watch.c        callbacks that are told when a buffer changes
 *   space.c        bytes in and out of it without a copy: room, reading,
 * writing share.c        memory and files that a buffer shows but does not own
 *   search.c       positions, searching, lines
 *   bufferevent.c  what sockets and pairs have in common
 *   socket.c       a bufferevent with a socket
 *   pair.c         two bufferevents that talk to each other
 *   listener.c     accepting connections
 *   util.c         small helpers for sockets
 */
#ifndef STREAM_H
#define STREAM_H

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_struct.h>

#include "../reactor/reactor.h"

/* The bytes of a chunk stand behind it, or are the program's, or belong to
 * another chunk, its owner, which is freed when nobody refers to it any more.
 */
struct chunk {
    struct chunk *next;
    unsigned char *bytes;
    size_t size;   /* of the bytes */
    size_t start;  /* before it: room to prepend */
    size_t length; /* after it: room to append */
    int references;
    struct chunk *owner;
    evbuffer_ref_cleanup_cb cleanup;
    void *cleanup_arg;
    unsigned char own_bytes[];
};

struct evbuffer_cb_entry {
    LIST_ENTRY(evbuffer_cb_entry) next;
    evbuffer_cb_func callback;
    void *arg;
    ev_uint32_t flags;
};

struct evbuffer {
    struct chunk *first;
    struct chunk *last;     /* only the last ones may be empty */
    struct chunk *reserved; /* where evbuffer_reserve_space began, or NULL */
    size_t length;
    LIST_HEAD(, evbuffer_cb_entry) callbacks;
    int references; /* 1, and more while its callbacks run */
    char frozen_front, frozen_end;
};

/* buffer.c */
struct chunk *chunk_new_(size_t size);
void chunk_free_(struct chunk *chunk);
void chunk_append_(struct evbuffer *buf, struct chunk *chunk);
size_t chunk_room_(const struct chunk *chunk); /* behind its bytes */
struct chunk *chunk_at_(const struct evbuffer *buf, size_t *position);
void changed_(struct evbuffer *buf, size_t added, size_t deleted);

/* A kind of bufferevent. */
struct bufferevent_ops {
    int (*enable)(struct bufferevent *bev, short events);
    int (*disable)(struct bufferevent *bev, short events);
    int (*flush)(struct bufferevent *bev, short events,
        enum bufferevent_flush_mode mode);
    void (*destroy)(struct bufferevent *bev);
    int (*renew_timeouts)(struct bufferevent *bev);
};

struct stream {
    struct bufferevent bev; /* libevent's, which old programs look into */
    int options;
    int references;            /* 1, and more while its callbacks run */
    char connecting, too_full; /* too_full: at the read high-water mark */
    struct event later;        /* its callbacks are to run from the loop */
    char read_later, write_later;
    short event_later;
    int errno_later;
    struct evbuffer_cb_entry *mark_cb;
    size_t max_read, max_write;
    struct stream *partner; /* of a pair */
};

/* bufferevent.c */
struct stream *stream_new_(
    struct event_base *base, const struct bufferevent_ops *ops, int options);
void stream_hold_(struct bufferevent *bev);
void stream_release_(struct bufferevent *bev);
void stream_full_(struct bufferevent *bev, int full);
void stream_event_(struct bufferevent *bev, short what, int options);
int stream_add_(struct event *ev, const struct timeval *timeout);
extern const struct bufferevent_ops socket_ops_;

#endif
