/* dns-server.c -- a name server for the names and addresses of a hosts file.
 *
 * Build: cc -o dns-server dns-server.c -levent_core -levent_extra
 * Run:   ./dns-server [ADDRESS PORT [HOSTS-FILE]]  (127.0.0.1 8053 /etc/hosts)
 * Try:   dig @127.0.0.1 -p 8053 localhost
 */
#include <ctype.h>
#include <err.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/filter.h>
#endif

#include <event2/dns.h>
#include <event2/dns_struct.h>
#include <event2/event.h>
#include <event2/util.h>

enum {
    HEADER = 12,        /* bytes before the question */
    RECORD = 13,        /* bytes of a record beside its data, at the most */
    TTL = 60,           /* seconds for which a client may keep an answer */
    MAX_ANSWER = 512,   /* bytes, over UDP; see RFC 1035, 4.2.1 */
    TRUNCATED = 0x0200, /* a flag of an answer that libevent has no name for */
};

/* "192.0.2.1 www.test web" is three records: an address for each of the two
 * names, and the first name for 1.2.0.192.in-addr.arpa. */
struct record {
    TAILQ_ENTRY(record) next;
    char *name;
    int type;    /* EVDNS_TYPE_A, _AAAA or _PTR */
    int length;  /* of the data: 4 or 16 bytes, or a name with its NUL */
    char data[]; /* an address, or the name of a PTR */
};

TAILQ_HEAD(zone, record);

static void usage(int status)
{
    fprintf(status ? stderr : stdout,
        "usage: dns-server [ADDRESS PORT [HOSTS-FILE]]\n");
    exit(status);
}

/* Print a line on standard output, or on standard error as warnx(3) does. A
 * line that would block is dropped: a callback that waits for the reader of a
 * log stops the whole loop. If poll(2) says writable, a line has room. */
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

/* Open what is missing of standard input, output and error: the numbers would
 * otherwise go to libevent's own descriptors, and what we print with them.
 * Opened for reading alone, so that printing fails as it did. */
static void open_standard_fds(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            open("/dev/null", O_RDONLY); /* gets the lowest number, FD */
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

/* The addresses of HOST and PORT for a stream socket, to be freed with
 * evutil_freeaddrinfo. A name that has none ends the program. */
static struct evutil_addrinfo *resolve(const char *host, const char *port)
{
    struct evutil_addrinfo *list;
    struct evutil_addrinfo hints = {
        .ai_socktype = SOCK_STREAM, .ai_flags = EVUTIL_AI_NUMERICSERV};
    int error = evutil_getaddrinfo(host, port, &hints, &list);

    if (error)
        errx(1, "cannot resolve %s: %s", host, evutil_gai_strerror(error));
    return list;
}

/* Say where FD listens: given port 0, only the kernel knows. */
static void print_ready(evutil_socket_t fd)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    char host[NI_MAXHOST], port[NI_MAXSERV];

    if (getsockname(fd, (struct sockaddr *)&address, &length) != 0 ||
        getnameinfo((struct sockaddr *)&address, length, host, sizeof(host),
            port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        errx(1, "cannot read the listening address");
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

/* A socket for datagrams on HOST and PORT. It must not block: evdns reads it
 * until nothing is left. */
static evutil_socket_t bind_datagram(const char *host, const char *port)
{
    struct evutil_addrinfo *address = resolve(host, port);
    evutil_socket_t fd = socket(address->ai_family, SOCK_DGRAM, 0);

    if (fd < 0 || evutil_make_socket_nonblocking(fd) < 0 ||
        evutil_make_socket_closeonexec(fd) < 0 || drop_short_packets(fd) < 0)
        err(1, "cannot make a socket");
    if (bind(fd, address->ai_addr, (socklen_t)address->ai_addrlen) != 0)
        err(1, "cannot listen on %s port %s", host, port);
    evutil_freeaddrinfo(address);
    return fd;
}

/* Whether the labels of NAME are neither empty nor too long. evdns cannot write
 * another name: it would send 512 bytes of its stack instead. */
static bool is_name(const char *name)
{
    size_t length = strcspn(name, ".");

    return length > 0 && length <= 63 && strlen(name) <= 253 &&
           (!name[length] || is_name(name + length + 1));
}

static void record_add(struct zone *zone, const char *name, int type,
    const void *data, size_t length)
{
    struct record *record = malloc(sizeof(*record) + length);

    if (!record || !(record->name = strdup(name)))
        err(1, "cannot keep a record");
    record->type = type;
    record->length = (int)length;
    memcpy(record->data, data, length);
    TAILQ_INSERT_TAIL(zone, record, next);
}

static void zone_free(struct zone *zone)
{
    struct record *record;

    while ((record = TAILQ_FIRST(zone))) {
        TAILQ_REMOVE(zone, record, next);
        free(record->name);
        free(record);
    }
}

/* The name under which an address is looked up: its bytes, or the halves of its
 * bytes, from the last to the first. NAME has room for 73 bytes. */
static void reverse_name(char *name, const unsigned char *address, int type)
{
    if (type == EVDNS_TYPE_A) {
        sprintf(name, "%d.%d.%d.%d.in-addr.arpa", address[3], address[2],
            address[1], address[0]);
        return;
    }
    for (int i = 15; i >= 0; i--)
        name += sprintf(name, "%x.%x.", address[i] & 15, address[i] >> 4);
    strcpy(name, "ip6.arpa");
}

/* Add the records of a line: an address, a name, and more names. A part that is
 * not valid is reported and left out. */
static void zone_add_line(struct zone *zone, char *line, int number)
{
    unsigned char address[16];
    char reverse[73], *rest = NULL;
    int type = EVDNS_TYPE_A;

    line[strcspn(line, "#")] = '\0';
    char *word = strtok_r(line, " \t\r\n", &rest);
    if (!word)
        return;
    if (evutil_inet_pton(AF_INET6, word, address) == 1)
        type = EVDNS_TYPE_AAAA;
    else if (evutil_inet_pton(AF_INET, word, address) != 1) {
        warnx("line %d: not an address: %s", number, word);
        return;
    }
    reverse_name(reverse, address, type);
    while ((word = strtok_r(NULL, " \t\r\n", &rest))) {
        if (!is_name(word)) {
            warnx("line %d: not a name: %s", number, word);
            continue;
        }
        record_add(zone, word, type, address, type == EVDNS_TYPE_A ? 4 : 16);
        if (reverse[0]) /* for the first name alone */
            record_add(zone, reverse, EVDNS_TYPE_PTR, word, strlen(word) + 1);
        reverse[0] = '\0';
    }
}

static void zone_load(struct zone *zone, const char *file)
{
    FILE *stream = fopen(file, "r");
    char *line = NULL;
    size_t size = 0;

    if (!stream)
        err(1, "cannot open %s", file);
    for (int number = 1; getline(&line, &size, stream) >= 0; number++)
        zone_add_line(zone, line, number);
    if (!feof(stream))
        err(1, "cannot read %s", file);
    free(line);
    fclose(stream);
}

/* Whether NAME is the end of LONGER: "test" and "www.test", but not "est". The
 * case of letters does not count in DNS. Each name ends with the root, "". */
static bool ends_with(const char *longer, const char *name)
{
    long more = (long)strlen(longer) - (long)strlen(name);

    return more >= 0 && evutil_ascii_strcasecmp(longer + more, name) == 0 &&
           (more == 0 || *name == '\0' || longer[more - 1] == '.');
}

/* Put the records that QUESTION asks for into the answer, and return its code,
 * or -1 for none. A name with other records, or with names below it, exists. */
static int find_answers(const struct zone *zone,
    struct evdns_server_request *request,
    const struct evdns_server_question *question)
{
    const char *name = question->name;
    int code = DNS_ERR_NOTEXIST, flags = EVDNS_FLAGS_AA;
    size_t size = HEADER + strlen(name) + 2 + 4; /* with the question */
    struct record *record;

    if (*name != '\0' && !is_name(name))
        return -1; /* a label with a dot in it: evdns could not repeat it */
    if (question->dns_question_class != EVDNS_CLASS_INET)
        return DNS_ERR_REFUSED;
    TAILQ_FOREACH (record, zone, next) {
        if (!ends_with(record->name, name))
            continue;
        code = DNS_ERR_NONE;
        if (strlen(record->name) > strlen(name) ||
            question->type != record->type)
            continue;
        size += RECORD + (size_t)record->length;
        if (size > MAX_ANSWER)
            flags |= TRUNCATED; /* left out, and reported */
        else if (evdns_server_request_add_reply(request, EVDNS_ANSWER_SECTION,
                     name, record->type, EVDNS_CLASS_INET, TTL, record->length,
                     record->type == EVDNS_TYPE_PTR, record->data) < 0)
            return DNS_ERR_SERVERFAILED;
    }
    evdns_server_request_set_flags(request, flags);
    return code;
}

/* REQUEST is ours until it is dropped, or answered without an error. */
static void request_cb(struct evdns_server_request *request, void *arg)
{
    int code = DNS_ERR_FORMAT;

    if (request->nquestions == 1)
        code = find_answers(arg, request, request->questions[0]);
    if (code < 0 || evdns_server_request_respond(request, code) < 0)
        evdns_server_request_drop(request);
}

static void log_cb(int severity, const char *message)
{
    if (severity != EVENT_LOG_DEBUG)
        print_line(stderr, "%s", message);
}

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
    open_standard_fds();
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        usage(0);
    if (argc == 2 || argc > 4 || (argc > 2 && parse_port(argv[2]) < 0))
        usage(2);
    event_set_log_callback(log_cb);

    //> zone
    struct zone zone;
    TAILQ_INIT(&zone);
    zone_load(&zone, argc == 4 ? argv[3] : "/etc/hosts");

    //> listen
    struct event_base *base = event_base_new();
    if (!base)
        errx(1, "cannot make an event base");
    evutil_socket_t fd = argc > 2 ? bind_datagram(argv[1], argv[2])
                                  : bind_datagram("127.0.0.1", "8053");
    struct evdns_server_port *port =
        evdns_add_server_port_with_base(base, fd, 0, request_cb, &zone);
    if (!port)
        errx(1, "cannot watch the socket");

    //> events
    struct event *interrupt = evsignal_new(base, SIGINT, signal_cb, base);
    struct event *terminate = evsignal_new(base, SIGTERM, signal_cb, base);
    add_event(interrupt);
    add_event(terminate);

    //> run
    print_ready(fd);
    int result = event_base_dispatch(base);

    //> clean-up
    event_free(terminate);
    event_free(interrupt);
    evdns_close_server_port(port); /* closes the socket too */
    event_base_free(base);
    zone_free(&zone);
    return result < 0 ? 1 : 0;
}
