/* memcache-wait.c -- how long a client of a cache waits while another one asks
 * for much, or does not end what it has begun.
 *
 * Usage: memcache-wait PID PORT [bytes]
 * Prints the round trips of a client: alone, while another one gets 500,000
 * keys in one line, and while it sends small commands without end; then the
 * processor time that the server takes for each further byte of a get of 1 MB
 * whose line has no end, and for one of a small line. With "bytes", only the
 * last.
 */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    KEYS = 500000,
    LINE = 1000000, /* bytes of the line without an end */
    TRIPS = 2000,   /* at most, and at most so many microseconds: */
    SPAN = 5000000,
    BYTES = 500,
    LIMIT = 60, /* seconds that an answer may take */
};

static const char *port;
static char line[2 * KEYS + 16];

static int open_connection(void)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)atoi(port)),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    struct timeval limit = {LIMIT, 0};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 ||
        connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
        err(1, "cannot connect to port %s", port);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    return fd;
}

static void send_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t sent = write(fd, bytes, size);

        if (sent <= 0)
            err(1, "cannot send");
        bytes += sent;
        size -= (size_t)sent;
    }
}

/* Ask for a key that is not there, and wait for END. */
static void trip(int fd)
{
    char answer[5];
    size_t size = 0;

    send_all(fd, "get none\r\n", strlen("get none\r\n"));
    while (size < sizeof(answer)) {
        ssize_t more = read(fd, answer + size, sizeof(answer) - size);

        if (more <= 0)
            err(1, "no answer");
        size += (size_t)more;
    }
    if (memcmp(answer, "END\r\n", sizeof(answer)) != 0)
        errx(1, "another answer than END");
}

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

/* The processor time that a process has taken, in microseconds. */
static double work_of(const char *pid)
{
    struct timespec time;
    clockid_t clock;

    if (clock_getcpuclockid((pid_t)atoi(pid), &clock) != 0 ||
        clock_gettime(clock, &time) != 0)
        errx(1, "no process %s", pid);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b)
{
    const double *first = a, *second = b;

    return (*first > *second) - (*first < *second);
}

static void measure_trips(const char *what, int fd)
{
    static double times[TRIPS];
    double end = now() + SPAN;
    int trips = 0;

    while (trips < TRIPS && now() < end) {
        double start = now();

        trip(fd);
        times[trips++] = now() - start;
    }
    qsort(times, (size_t)trips, sizeof(*times), compare);
    printf("%s: half of %d round trips take %.0f us, nine of ten %.0f\n", what,
        trips, times[trips / 2], times[trips * 9 / 10]);
}

/* Send SIZE bytes again and again, and read what is answered. */
static void keep_busy(const char *bytes, size_t size)
{
    int fd = open_connection();
    char answers[65536];

    for (size_t at = 0;; at %= size) {
        struct pollfd pollfd = {.fd = fd, .events = POLLIN | POLLOUT};
        ssize_t done = 1;

        poll(&pollfd, 1, -1);
        if (pollfd.revents & POLLIN)
            done = recv(fd, answers, sizeof(answers), MSG_DONTWAIT);
        if (done > 0 && (pollfd.revents & POLLOUT) &&
            (done = send(fd, bytes + at, size - at, MSG_DONTWAIT)) > 0)
            at += (size_t)done;
        if (done == 0)
            errx(1, "it has hung up");
    }
}

static void measure_beside(const char *what, const char *bytes, size_t size)
{
    int fd = open_connection();
    pid_t pid = fork();

    if (pid < 0)
        err(1, "fork");
    if (pid == 0)
        keep_busy(bytes, size);
    for (int i = 0; i < 3; i++) { /* till it is at work */
        usleep(50000);
        trip(fd);
    }
    measure_trips(what, fd);
    if (waitpid(pid, NULL, WNOHANG) != 0)
        errx(1, "the other client has ended");
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(fd);
}

/* What a byte of an unfinished line costs; a round trip behind it sees to it
 * that it was read, and is taken off again. */
static void measure_bytes(const char *pid, size_t size)
{
    int fd = open_connection(), other = open_connection();
    double start, trips, both;

    send_all(fd, line, size);
    for (int i = 0; i < BYTES; i++)
        trip(other);
    start = work_of(pid);
    for (int i = 0; i < BYTES; i++)
        trip(other);
    trips = work_of(pid) - start;
    start = work_of(pid);
    for (int i = 0; i < BYTES; i++) {
        send_all(fd, "k", 1);
        trip(other);
    }
    both = work_of(pid) - start;
    /* On a busy machine a cost that is next to nothing may come out below it.
     */
    printf("a further byte of a line of %zu bytes: %.1f us\n", size,
        both > trips ? (both - trips) / BYTES : 0);
    close(fd);
    close(other);
}

static void measure_all_trips(void)
{
    static char commands[100000];
    int fd = open_connection();

    for (size_t i = 0; i < sizeof(commands); i += 10)
        memcpy(commands + i, "get  none\n", 10);
    measure_trips("alone", fd);
    measure_beside(
        "beside a get of 500,000 keys that are not there", line, strlen(line));
    send_all(fd, "set k 0 0 1 noreply\r\n1\r\n", 24);
    trip(fd);
    close(fd);
    measure_beside("beside a get of 500,000 that are", line, strlen(line));
    measure_beside("beside small commands", commands, sizeof(commands));
}

int main(int argc, char **argv)
{
    int bytes = argc == 4 && strcmp(argv[3], "bytes") == 0;

    if (argc != 3 + bytes)
        errx(2, "usage: memcache-wait PID PORT [bytes]");
    port = argv[2];
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    strcpy(line, "get");
    for (size_t i = 0; i < KEYS; i++)
        memcpy(line + 3 + 2 * i, " k", 2);
    memcpy(line + 3 + 2 * KEYS, "\r\n", 3);
    if (!bytes)
        measure_all_trips();
    measure_bytes(argv[1], 10);
    measure_bytes(argv[1], LINE);
    return 0;
}
