/* proxy-header.c -- the header of the PROXY protocol, see proxy-header.h.
 */
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include <event2/buffer.h>

#include "proxy-header.h"

/* Before the addresses: the signature, version and command, family and
 * protocol, and the length of what follows. */
enum { SIGNATURE = 12, FIXED = 16, MOST = 2048 };
enum { COMMAND_LOCAL = 0x20, COMMAND_PROXY = 0x21 };
enum {
    UNKNOWN = 0x00,
    TCP_4 = 0x11,
    TCP_6 = 0x21,
    LENGTH_4 = 12,
    LENGTH_6 = 36
};

static const char MARK[] = "\r\n\r\n\0\r\nQUIT\n";

/* Read the client's address, the first of two addresses and two ports, from
 * BYTES. Returns false if they are of a kind that a TCP server cannot have. */
static bool read_client(struct proxy_header *header, unsigned family,
    const unsigned char *bytes, size_t length)
{
    struct sockaddr_in *in = (struct sockaddr_in *)&header->client;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&header->client;

    if (family == TCP_4 && length >= LENGTH_4) {
        in->sin_family = AF_INET;
        memcpy(&in->sin_addr, bytes, 4);
        memcpy(&in->sin_port, bytes + 8, 2);
        return true;
    }
    if (family == TCP_6 && length >= LENGTH_6) {
        in6->sin6_family = AF_INET6;
        memcpy(&in6->sin6_addr, bytes, 16);
        memcpy(&in6->sin6_port, bytes + 32, 2);
        return true;
    }
    return family == UNKNOWN;
}

enum proxy_state proxy_header_take(
    struct evbuffer *input, struct proxy_header *header)
{
    size_t have = evbuffer_get_length(input);
    unsigned char bytes[MOST];
    size_t length;

    memset(header, 0, sizeof(*header));
    if (evbuffer_copyout(input, bytes, sizeof(bytes)) < 0)
        return PROXY_BAD;
    /* As soon as a byte is wrong: a client without a header is not to wait. */
    if (memcmp(bytes, MARK, have < SIGNATURE ? have : SIGNATURE) != 0)
        return PROXY_BAD;
    if (have < FIXED)
        return PROXY_MORE;
    length = (size_t)bytes[14] << 8 | bytes[15];
    header->local = bytes[12] == COMMAND_LOCAL;
    if ((!header->local && bytes[12] != COMMAND_PROXY) || FIXED + length > MOST)
        return PROXY_BAD;
    if (have < FIXED + length)
        return PROXY_MORE;
    if (!header->local &&
        !read_client(header, bytes[13], bytes + FIXED, length))
        return PROXY_BAD;
    evbuffer_drain(input, FIXED + length);
    return PROXY_DONE;
}

void proxy_client_text(const struct sockaddr *client, char text[CLIENT_TEXT])
{
    socklen_t length = client->sa_family == AF_INET6
                           ? sizeof(struct sockaddr_in6)
                           : sizeof(struct sockaddr_in);
    char host[NI_MAXHOST], port[NI_MAXSERV];

    if (getnameinfo(client, length, host, sizeof(host), port, sizeof(port),
            NI_NUMERICHOST | NI_NUMERICSERV) == 0)
        snprintf(text, CLIENT_TEXT, "%s port %s", host, port);
    else
        snprintf(text, CLIENT_TEXT, "unknown");
}
