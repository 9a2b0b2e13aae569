/* file-pieces.c -- send a file as an answer of evhttp, piece by piece.
 *
 * evbuffer_add_file would map the file into memory, where a buffer's bytes are
 * encrypted. If the file becomes shorter then, as it does when somebody copies
 * another one over it, the process ends by SIGBUS: see mmap(2).
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>

#include "file-pieces.h"

enum { PIECE = 64 * 1024 }; /* bytes */

struct pieces {
    struct evhttp_request *request;
    int fd;
    off_t left; /* bytes that are not read yet */
    void (*lost)(struct evhttp_connection *, void *);
    void *arg;
};

static void pieces_free(struct pieces *pieces)
{
    close(pieces->fd);
    free(pieces);
}

/* The connection is closed before the last piece. If the client has left,
 * evhttp has removed the request from the connection, and we have to free
 * it. */
static void pieces_lost_cb(struct evhttp_connection *connection, void *arg)
{
    struct pieces *pieces = arg;

    if (!evhttp_request_get_connection(pieces->request))
        evhttp_request_free(pieces->request);
    pieces->lost(connection, pieces->arg);
    pieces_free(pieces);
}

/* The last piece has gone to the kernel. We do not read meanwhile: a client
 * that has only half-closed its connection would lose the rest. Ending the
 * answer may close the connection, so we free our own part first. */
static void next_piece_cb(struct evhttp_connection *connection, void *arg)
{
    struct pieces *pieces = arg;
    struct evhttp_request *request = pieces->request;
    struct evbuffer *piece = evhttp_request_get_output_buffer(request);
    int size = pieces->left < PIECE ? (int)pieces->left : PIECE;
    int got = size > 0 ? evbuffer_read(piece, pieces->fd, size) : 0;

    if (size > 0 && got <= 0) { /* the file is shorter now */
        evhttp_connection_free(connection);
    } else if (size > 0) {
        pieces->left -= got;
        evhttp_send_reply_chunk_with_cb(request, piece, next_piece_cb, pieces);
        bufferevent_disable(
            evhttp_connection_get_bufferevent(connection), EV_READ);
    } else {
        evhttp_connection_set_closecb(connection, pieces->lost, pieces->arg);
        pieces_free(pieces);
        evhttp_send_reply_end(request);
    }
}

bool send_pieces(struct evhttp_request *request, int fd, off_t size,
    void (*lost)(struct evhttp_connection *, void *), void *arg)
{
    struct evhttp_connection *connection =
        evhttp_request_get_connection(request);
    struct pieces *pieces = malloc(sizeof(*pieces));
    char length[32];

    snprintf(length, sizeof(length), "%lld", (long long)size);
    if (!pieces || evhttp_add_header(evhttp_request_get_output_headers(request),
                       "Content-Length", length) < 0) {
        free(pieces);
        close(fd);
        return false;
    }
    *pieces = (struct pieces){request, fd, size, lost, arg};
    evhttp_connection_set_closecb(connection, pieces_lost_cb, pieces);
    evhttp_send_reply_start(request, 200, NULL);
    next_piece_cb(connection, pieces);
    return true;
}
