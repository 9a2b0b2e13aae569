/* file-pieces.h -- send a file as an answer of evhttp, piece by piece. */
#ifndef FILE_PIECES_H
#define FILE_PIECES_H

#include <stdbool.h>
#include <sys/types.h>

struct evhttp_connection;
struct evhttp_request;

/* Answer REQUEST with 200, a Content-Length and the SIZE bytes of the file FD,
 * one or more. FD is closed at the end, and also if this returns false: there
 * is no memory, and the request is unanswered.
 *
 * A piece is read when the one before it has gone to the kernel, by the call of
 * evhttp_send_reply_chunk_with_cb (event2/http.h). If the file has become
 * shorter meanwhile, the connection is closed, so that the client sees that the
 * end is missing.
 *
 * LOST is the connection's close callback, with ARG, as with
 * evhttp_connection_set_closecb; it stays set behind the last piece. */
bool send_pieces(struct evhttp_request *request, int fd, off_t size,
    void (*lost)(struct evhttp_connection *, void *), void *arg);

#endif
