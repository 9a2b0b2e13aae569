/* stream.h -- what the files of the second library know of each other
 *
 * On top of the reactor: libevent's buffers, buffered sockets and pairs, and
 * listeners, as far as the programs of chapters 1 to 11 and others like them
 * call them. Read the files in this order:
 *
 *   buffer.c       a queue of bytes, as a list of chunks
 *   space.c        bytes in and out of it without a copy: room, read, write
 *   lines.c        where a line ends, and lines as strings
 *   bufferevent.c  what sockets and pairs have in common
 *   socket.c       a bufferevent with a socket
 *   pair.c         two bufferevents that talk to each other
 *   listener.c     accepting connections
 *
 * What only tours of the API call is in more/: rare-buffers.c, rare-streams.c,
 * search.c, share.c; and util.c, which is not about streams.
 */
#ifndef STREAM_H
#define STREAM_H

#include <errno.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_struct.h>
#include <event2/listener.h>

#include "../reactor/reactor.h"

/* The bytes of a chunk stand behind it, or are the program's, or belong to
 * another chunk, its owner, which is freed when nobody refers to it any more.
 */
struct chunk {
    TAILQ_ENTRY(chunk) next;
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
    TAILQ_HEAD(chunks, chunk) chunks; /* some may be empty */
    size_t length;
    LIST_HEAD(, evbuffer_cb_entry) callbacks;
    int references; /* 1, and more while its callbacks run */
    char frozen_front, frozen_end;
};

static inline size_t least_(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Try again later: nothing is wrong. */
static inline int is_passing_(int error)
{
    return error == EAGAIN || error == EINTR;
}

/* buffer.c */
struct chunk *chunk_new_(size_t size);
void chunk_free_(struct chunk *chunk);
struct chunk *chunk_at_(const struct evbuffer *buf, size_t *position);
void changed_(struct evbuffer *buf, size_t added, size_t deleted);

/* lines.c */
ev_ssize_t find_byte_(
    const struct evbuffer *buf, size_t from, size_t end, int byte);

/* As many bytes are read or written at once, unless the program says it. */
enum { MAX_AT_ONCE = 16384 };

/* A kind of bufferevent: what is to be done when a direction was enabled. */
struct bufferevent_ops {
    void (*enabled)(struct bufferevent *bev, short events);
};

struct stream {
    struct bufferevent bev; /* libevent's, which old programs look into */
    int options;
    int references;            /* 1, and more while its callbacks run */
    char connecting, too_full; /* too_full: at the read high-water mark */
    struct event later;        /* its callbacks are to run from the loop */
    short data_later;          /* EV_READ, EV_WRITE */
    short event_later;
    int errno_later;
    struct evbuffer_cb_entry *mark_cb;
    size_t max_read, max_write;
    struct stream *partner; /* of a pair */
};

static inline struct stream *of_(struct bufferevent *bev)
{
    return (struct stream *)bev;
}

struct evconnlistener {
    struct event ev;
    evconnlistener_cb callback;
    evconnlistener_errorcb error_callback;
    void *arg;
    unsigned flags;
    int references; /* 1, and one more while a callback runs */
    char enabled;
};

/* bufferevent.c */
struct stream *stream_new_(struct event_base *base,
    const struct bufferevent_ops *ops, int options, evbuffer_cb_func output_cb);
void stream_release_(struct bufferevent *bev);
int stream_add_(struct event *ev, const struct timeval *timeout);
void stream_event_(struct bufferevent *bev, short what, int options);
void stream_stop_(struct bufferevent *bev, short direction, short what);
extern const struct bufferevent_ops socket_ops_;

/* pair.c */
void pair_transfer_(
    struct bufferevent *from, struct bufferevent *to, int beyond_mark);

#endif
