/* Starter and solution in one: look once you have passed (make compare-NN). */
/* address-in-the-name.c -- a name server whose names hold their addresses.
 *
 * Build: cc -o address-in-the-name address-in-the-name.c \
 *          -levent_core -levent_extra
 * Run:   ./address-in-the-name [PORT]            (8053, on 127.0.0.1)
 * Try:   dig @127.0.0.1 -p 8053 10-0-0-1.ip.test
 */
#include <ctype.h>
#include <err.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#ifdef __linux__
#include <linux/filter.h>
#endif

#include <event2/dns.h>
#include <event2/dns_struct.h>
#include <event2/event.h>
#include <event2/util.h>

enum {
    HEADER = 12, /* bytes before the question */
    TTL = 300,   /* seconds for which a client may keep an answer */
};

/* Print a line on standard output, or on standard error as warnx(3) does. A
 * line that would block is dropped: a callback that waits for the reader of a
 * log stops the whole loop. A pipe that poll(2) calls writable has room for
 * PIPE_BUF bytes, see pipe(7); a terminal has room for a short line. */
__attribute__((format(printf, 2, 3))) static void print_line(
    FILE *stream, const char *format, ...)
{
    struct pollfd pollfd = {.fd = fileno(stream), .events = POLLOUT};
    va_list arguments;

    if (poll(&pollfd, 1, 0) == 0)
        return;
    va_start(arguments, format);
    if (stream == stderr) {
        vwarnx(format, arguments);
    } else {
        vprintf(format, arguments);
        putchar('\n');
    }
    va_end(arguments);
}

/* The port that TEXT names, 0 to 65535, or -1 if it names none. The resolver
 * would not report it: getaddrinfo(3) reads 70000 as 4464. */
static int parse_port(const char *text)
{
    char *end;
    long port = strtol(text, &end, 10);

    if (!isdigit((unsigned char)text[0]) || *end != '\0' || port > 65535)
        return -1;
    return (int)port;
}

/* Say where FD listens: given port 0, only the kernel knows. */
static void print_ready(evutil_socket_t fd)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    char host[NI_MAXHOST], port[NI_MAXSERV];

    if (getsockname(fd, (struct sockaddr *)&address, &length) != 0)
        err(1, "getsockname");
    int error = getnameinfo((struct sockaddr *)&address, length, host,
        sizeof(host), port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
    if (error)
        errx(1, "getnameinfo: %s", gai_strerror(error));
    print_line(stdout, "listening on %s port %s", host, port);
}

/* libevent 2.1 crashes if a packet is shorter than the header of a question
 * (libevent #1231; 2.2 does not). So the kernel drops such packets: it runs
 * this filter on each, and 0 means that no byte is kept. Only Linux has
 * filters. */
static int drop_short_packets(evutil_socket_t fd)
{
#ifdef __linux__
    static struct sock_filter steps[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0), /* with UDP's own 8 bytes */
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 8 + HEADER, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 65535),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_fprog filter = {4, steps};

    return setsockopt(
        fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter));
#else
    return 0;
#endif
}

/* A socket for datagrams on 127.0.0.1 and PORT. */
static evutil_socket_t bind_loopback(int port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = htons((in_port_t)port),
    };
    evutil_socket_t fd = socket(AF_INET, SOCK_DGRAM, 0);

    if (fd < 0 || evutil_make_socket_nonblocking(fd) < 0 ||
        evutil_make_socket_closeonexec(fd) < 0 || drop_short_packets(fd) < 0)
        err(1, "cannot make a socket");
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
        err(1, "cannot bind 127.0.0.1 port %d", port);
    return fd;
}

/* Read "10-0-0-1" at the beginning of TEXT into ADDRESS. Returns what follows
 * there, or NULL if there are no such four numbers. */
static const char *read_address(const char *text, unsigned char address[4])
{
    for (int i = 0; i < 4; i++) {
        char *end;
        long number = strtol(text, &end, 10);

        if (!isdigit((unsigned char)*text) || number > 255 ||
            (i < 3 && *end != '-'))
            return NULL;
        address[i] = (unsigned char)number;
        text = i < 3 ? end + 1 : end;
    }
    return text;
}

#ifdef SOLUTION
/* The address that belongs to NAME; 0 if the name does not exist, 1 if it has
 * no address, 2 if there is one. */
static int look_up(struct evdns_server_request *request, const char *name,
    unsigned char address[4])
{
    struct sockaddr_in asker;
    const char *rest = read_address(name, address);

    if (rest)
        return evutil_ascii_strcasecmp(rest, ".ip.test") == 0 ? 2 : 0;
    if (evutil_ascii_strcasecmp(name, "me.ip.test") == 0 &&
        evdns_server_request_get_requesting_addr(
            request, (struct sockaddr *)&asker, sizeof(asker)) > 0) {
        memcpy(address, &asker.sin_addr, 4);
        return 2;
    }
    return evutil_ascii_strcasecmp(name, "ip.test") == 0 ? 1 : 0;
}

/* Put the answer to QUESTION into the request; returns its code. */
static int answer(struct evdns_server_request *request,
    const struct evdns_server_question *question)
{
    unsigned char address[4];

    if (question->dns_question_class != EVDNS_CLASS_INET)
        return DNS_ERR_REFUSED;
    evdns_server_request_set_flags(request, EVDNS_FLAGS_AA);
    int found = look_up(request, question->name, address);
    if (found == 0)
        return DNS_ERR_NOTEXIST;
    if (found == 2 && question->type == EVDNS_TYPE_A &&
        evdns_server_request_add_a_reply(
            request, question->name, 1, address, TTL) < 0)
        return DNS_ERR_SERVERFAILED;
    return DNS_ERR_NONE;
}

static void request_cb(struct evdns_server_request *request, void *arg)
{
    int code = request->nquestions == 1 ? answer(request, request->questions[0])
                                        : DNS_ERR_FORMAT;

    if (evdns_server_request_respond(request, code) < 0)
        evdns_server_request_drop(request);
}
#else
/* Answer a question: see the table of the task. It is yours to write;
 * read_address above helps. */
static void request_cb(struct evdns_server_request *request, void *arg)
{
    if (evdns_server_request_respond(request, DNS_ERR_NOTIMPL) < 0)
        evdns_server_request_drop(request);
}
#endif

static void signal_cb(evutil_socket_t signum, short what, void *arg)
{
    event_base_loopbreak(arg);
}

/* Make EVENT pending, at start-up: an event that cannot be added ends the
 * program. */
static void add_event(struct event *event)
{
    if (!event || event_add(event, NULL) < 0)
        errx(1, "cannot add an event");
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc > 2 || (argc == 2 && parse_port(argv[1]) < 0))
        errx(2, "usage: address-in-the-name [PORT]");

    struct event_base *base = event_base_new();
    if (!base)
        errx(1, "cannot make an event base");
    evutil_socket_t fd = bind_loopback(argc == 2 ? parse_port(argv[1]) : 8053);
    struct evdns_server_port *port =
        evdns_add_server_port_with_base(base, fd, 0, request_cb, NULL);
    if (!port)
        errx(1, "cannot watch the socket");
    struct event *interrupt = evsignal_new(base, SIGINT, signal_cb, base);
    struct event *terminate = evsignal_new(base, SIGTERM, signal_cb, base);
    add_event(interrupt);
    add_event(terminate);

    print_ready(fd);
    int result = event_base_dispatch(base);

    event_free(terminate);
    event_free(interrupt);
    evdns_close_server_port(port);
    event_base_free(base);
    return result < 0 ? 1 : 0;
}
