/* proxy-header.h -- the header of the PROXY protocol, version 2, by which a
 * balancer says for whom it connects.
 *
 * https://www.haproxy.org/download/2.6/doc/proxy-protocol.txt, section 2.2
 */
#ifndef PROXY_HEADER_H
#define PROXY_HEADER_H

#include <netdb.h>
#include <stdbool.h>
#include <sys/socket.h>

#include <event2/buffer.h>

enum { CLIENT_TEXT = NI_MAXHOST + NI_MAXSERV + 8 };

enum proxy_state {
    PROXY_MORE, /* the header has not all arrived */
    PROXY_DONE,
    PROXY_BAD /* this is no such header, or none that we understand */
};

struct proxy_header {
    bool local; /* the balancer speaks for itself: a health check */
    struct sockaddr_storage client; /* AF_UNSPEC if it has not told that */
};

/* Take the header from the front of INPUT. What follows it stays there. Before
 * PROXY_DONE nothing is taken; no more than 2 kB are waited for. */
enum proxy_state proxy_header_take(
    struct evbuffer *input, struct proxy_header *header);

/* Write "ADDRESS port PORT" into TEXT, or "unknown". */
void proxy_client_text(const struct sockaddr *client, char text[CLIENT_TEXT]);

#endif
