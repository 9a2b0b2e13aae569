/* proxy-header.c -- the fuzz target of proxy-header: see scripts/fuzz.
 *
 * The same bytes come in one piece and in many, each of them in a chain of its
 * own. The answer must be the same, and the one that the protocol asks for. It
 * must come as early as it can: a state that is not "more" is never changed by
 * what comes later. What follows a header stays, and before its end nothing is
 * taken.
 */
#include "proxy-header.c"

#include <stdint.h>
#include <stdlib.h>

/* What the protocol says of the bytes, read without a look at the program. */
static enum proxy_state expected(
    const uint8_t *data, size_t size, size_t *length, bool *local)
{
    static const uint8_t mark[] = {
        13, 10, 13, 10, 0, 13, 10, 'Q', 'U', 'I', 'T', 10};

    for (size_t i = 0; i < size && i < sizeof(mark); i++)
        if (data[i] != mark[i])
            return PROXY_BAD;
    if (size < 16)
        return PROXY_MORE;
    *length = 16 + 256 * data[14] + data[15];
    *local = data[12] == 0x20;
    if (data[12] < 0x20 || data[12] > 0x21 || *length > 2048)
        return PROXY_BAD;
    if (size < *length)
        return PROXY_MORE;
    if (*local || data[13] == 0 || (data[13] == 0x11 && *length >= 28) ||
        (data[13] == 0x21 && *length >= 52))
        return PROXY_DONE;
    return PROXY_BAD;
}

/* The client is the one in the bytes, and can be written. */
static void check_client(
    const struct proxy_header *header, const uint8_t *data, bool local)
{
    struct sockaddr_in *in = (struct sockaddr_in *)&header->client;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&header->client;
    char text[CLIENT_TEXT];
    int family = local              ? AF_UNSPEC
                 : data[13] == 0x11 ? AF_INET
                 : data[13] == 0x21 ? AF_INET6
                                    : AF_UNSPEC;

    if (header->local != local || header->client.ss_family != family)
        abort();
    if (family == AF_INET && (memcmp(&in->sin_addr, data + 16, 4) != 0 ||
                                 memcmp(&in->sin_port, data + 24, 2) != 0))
        abort();
    if (family == AF_INET6 && (memcmp(&in6->sin6_addr, data + 16, 16) != 0 ||
                                  memcmp(&in6->sin6_port, data + 48, 2) != 0))
        abort();
    proxy_client_text((struct sockaddr *)&header->client, text);
    if ((family == AF_UNSPEC) != (strcmp(text, "unknown") == 0))
        abort();
}

/* What is left in the buffer is the bytes from FROM on. */
static void check_rest(
    struct evbuffer *input, const uint8_t *data, size_t size, size_t from)
{
    size_t left = evbuffer_get_length(input);

    if (left != size - from || (left > 0 && memcmp(evbuffer_pullup(input, -1),
                                                data + from, left) != 0))
        abort();
}

/* The bytes come in pieces of 1 to MOST bytes. */
static void come_in_pieces(const uint8_t *data, size_t size, size_t most)
{
    struct evbuffer *input = evbuffer_new();
    struct proxy_header header;
    enum proxy_state state = PROXY_MORE, right;
    size_t come = 0, length = 0;
    bool local = false;

    if (!input)
        abort();
    while (come < size && state == PROXY_MORE) {
        size_t piece = 1 + (data[come] * 7 + come) % most;

        piece = piece < size - come ? piece : size - come;
        if (evbuffer_add_reference(input, data + come, piece, NULL, NULL) < 0)
            abort();
        come += piece;
        state = proxy_header_take(input, &header);
        right = expected(data, come, &length, &local);
        if (state != right)
            abort();
        check_rest(input, data, come, state == PROXY_DONE ? length : 0);
    }
    if (state == PROXY_DONE)
        check_client(&header, data, local);
    if (state != PROXY_MORE && state != expected(data, size, &length, &local))
        abort();
    evbuffer_free(input);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 4096)
        return 0;
    come_in_pieces(data, size, 4096);
    come_in_pieces(data, size, 9);
    return 0;
}
