/* dns-server.c -- the fuzz target of dns-server: see scripts/fuzz.
 *
 * A packet is sent to the server. It must not crash, and what it answers, if it
 * does, must be one packet of at most 512 bytes, with the number of the
 * question and the mark of an answer.
 */
#define main dns_server_main
#include "dns-server.c"
#undef main

static struct event_base *base;
static struct zone zone;
static int client;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const char *const LINES[] = {"192.0.2.1 www.test test",
        "2001:db8::1 www.test", "192.0.2.2 www.test", "127.0.0.1 localhost"};
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    evutil_socket_t fd = bind_datagram("127.0.0.1", "0");

    event_set_log_callback(log_cb);
    TAILQ_INIT(&zone);
    for (int i = 0; i < 4; i++) {
        char line[64];

        snprintf(line, sizeof(line), "%s", LINES[i]);
        zone_add_line(&zone, line, i);
    }
    base = event_base_new();
    client = socket(AF_INET, SOCK_DGRAM, 0);
    if (!base || client < 0 ||
        !evdns_add_server_port_with_base(base, fd, 0, request_cb, &zone) ||
        getsockname(fd, (struct sockaddr *)&address, &length) < 0 ||
        connect(client, (struct sockaddr *)&address, length) < 0)
        abort();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned char answer[65536];
    ssize_t got;

    if (size > 1500 || send(client, data, size, 0) < 0)
        return 0;
    if (event_base_loop(base, EVLOOP_NONBLOCK) < 0)
        abort();
    got = recv(client, answer, sizeof(answer), MSG_DONTWAIT);
    if (got >= 0 &&
        (got < HEADER || got > 512 || memcmp(answer, data, 2) != 0 ||
            (answer[2] & 0x80) == 0 ||
            recv(client, answer, sizeof(answer), MSG_DONTWAIT) >= 0))
        abort();
    return 0;
}
