/* request-gate.h -- what stands between the clients of a server and evhttp.
 *
 * evhttp of libevent 2.1 takes some bytes for one request that another program
 * takes for two, or for none (RFC 9112, section 11.2), has no limit on a head
 * by default, and lets a request come as slowly as its client likes. The gate
 * keeps the head of a request (its first line and its fields) back until it is
 * complete, and checks it. evhttp gets it if it is in order, and else the
 * harmless request "GET /refused" in its place, which the server answers with
 * the status that the gate names.
 *
 * A program has one gate for all its connections, plain or TLS. It calls:
 *   request_gate_start    once, before the first connection
 *   request_gate_bevcb    never: evhttp does, see evhttp_set_bevcb
 *   request_gate_status   first of all in each callback for a request
 *   request_gate_next     when an answer is sent, for each request
 *   request_gate_end      once, after evhttp_free
 * The functions print nothing. None of them ends the program.
 */
#ifndef REQUEST_GATE_H
#define REQUEST_GATE_H

#include <stdbool.h>
#include <stddef.h>

#include <event2/bufferevent.h>
#include <event2/http.h>

struct request_limits {
    size_t head; /* bytes of a head, with its line ends */
    size_t body; /* bytes of a body */
    long time;   /* milliseconds from the first byte to the last */

    /* Ends the output of a connection whose last answer is sent, so that its
     * client sees the end. NULL: by shutdown(2). TLS has an end of its own. */
    void (*half_close)(struct bufferevent *bev);
};

/* Set the limits, which are copied. */
void request_gate_start(const struct request_limits *limits);

/* Make the bufferevent of a plain connection, gated, for evhttp_set_bevcb. NULL
 * without memory: evhttp then makes one itself, without a gate, and
 * request_gate_status refuses what comes from there. ARG is not used. */
struct bufferevent *request_gate_bevcb(struct event_base *base, void *arg);

/* Put a gate into BEV, which the caller has made, as one for TLS. Call it in a
 * bevcb, where nothing has been read and no watermark is set. False without
 * memory: BEV has no gate then, and the caller has to free it. */
bool request_gate_attach(struct bufferevent *bev);

/* The status with which to answer REQUEST, or 0 if it is in order:
 *   400  a line that does not end in CR LF, a NUL, a bad first line or field,
 *        no Host in HTTP/1.1 or two, a Content-Length that is not one number
 *        (RFC 9112, sections 2.2, 3, 3.2, 5.1, 6.3), or a HEAD with a body,
 *        which evhttp would take for the next request
 *   408  the time is over
 *   411  a Transfer-Encoding: evhttp reads the sizes of chunks with strtoll(3)
 *   413  the body is too large: evhttp would reset the connection
 *   417  an Expect that is not 100-continue (RFC 9110, section 10.1.1)
 *   431  the head is too long
 *   501  a method that is not GET, HEAD or POST
 *   503  there was no memory for a gate
 *   505  a version that is not HTTP/1.0 or HTTP/1.1
 * A request that is not in order is the last one of its connection: the answer
 * has its "Connection: close" already. */
int request_gate_status(struct evhttp_request *request);

/* The answer to REQUEST is sent: call it in the callback that is set with
 * evhttp_request_set_on_complete_cb. It checks what has come behind the
 * request, or, after a refusal, half-closes the connection and throws away
 * what still comes. Without this call the next request is not checked. */
void request_gate_next(struct evhttp_request *request);

/* Free everything. No connection may be left. */
void request_gate_end(void);

#endif
