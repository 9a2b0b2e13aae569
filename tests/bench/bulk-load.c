/* bulk-load.c -- takes files from a server, or sends it lines without waiting
 * for the answers, and prints how many a second; for the rows of scripts/bench
 * that are not about a request and its answer.
 *
 * Build: cc -o bulk-load bulk-load.c
 * Run:   ./bulk-load file|line CONNECTIONS SECONDS SERVER-PID ADDRESS PORT
 *
 * A line of JSON, as load-gen's: requests (files, or lines), requests a second,
 * and microseconds of the server's processor for each.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 100, LINE = 64, LINES = 256 };

static struct sockaddr_in server;
static bool lines;
static char text[LINES * LINE]; /* what is sent, again and again */

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Seconds of the processor that a process has used, see clock_getcpuclockid(3).
 */
static double used_by(const char *pid)
{
    clockid_t clock;
    struct timespec time;

    if (clock_getcpuclockid(atoi(pid), &clock) != 0 ||
        clock_gettime(clock, &time) != 0)
        errx(1, "cannot read the clock of process %s", pid);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int open_connection(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || connect(fd, (struct sockaddr *)&server, sizeof(server)) != 0)
        err(1, "cannot connect");
    return fd;
}

/* Receive what there is. Returns how many answers have ended with it. */
static long take(struct pollfd *client)
{
    static char bytes[1 << 18];
    ssize_t got = recv(client->fd, bytes, sizeof(bytes),
        MSG_DONTWAIT | (lines ? 0 : MSG_TRUNC));
    long ended = 0;

    if (got < 0 && errno != EAGAIN)
        err(1, "recv");
    if (lines) {
        if (got == 0)
            errx(1, "the server has closed a connection");
        for (ssize_t i = 0; i < got; i++)
            ended += bytes[i] == '\n';
    } else if (got == 0) {
        close(client->fd);
        client->fd = open_connection();
        return 1;
    }
    return ended;
}

/* Send whole texts as long as the socket takes some of them. */
static void give(struct pollfd *client, size_t *sent)
{
    ssize_t length = send(client->fd, text + *sent, sizeof(text) - *sent,
        MSG_DONTWAIT | MSG_NOSIGNAL);

    if (length < 0 && errno != EAGAIN)
        err(1, "send");
    if (length > 0)
        *sent = (*sent + (size_t)length) % sizeof(text);
}

static long run(struct pollfd *clients, nfds_t count, double until)
{
    static size_t sent[MOST];
    long ended = 0;

    while (now() < until) {
        if (poll(clients, count, 100) < 0)
            err(1, "poll");
        for (nfds_t i = 0; i < count; i++) {
            if (clients[i].revents & (POLLIN | POLLHUP | POLLERR))
                ended += take(&clients[i]);
            if (clients[i].revents & POLLOUT)
                give(&clients[i], &sent[i]);
        }
    }
    return ended;
}

int main(int argc, char **argv)
{
    static struct pollfd clients[MOST];
    nfds_t count = argc == 7 ? (nfds_t)atoi(argv[2]) : 0;
    double span, began, used, took;
    long ended;

    if (count < 1 || count > MOST) {
        fprintf(stderr, "usage: bulk-load file|line CONNECTIONS SECONDS "
                        "SERVER-PID ADDRESS PORT\n");
        exit(2);
    }
    lines = strcmp(argv[1], "line") == 0;
    span = atof(argv[3]);
    memset(text, 'x', sizeof(text));
    for (size_t end = LINE; end <= sizeof(text); end += LINE)
        text[end - 1] = '\n';
    server.sin_family = AF_INET;
    server.sin_port = htons((unsigned short)atoi(argv[6]));
    if (inet_pton(AF_INET, argv[5], &server.sin_addr) != 1)
        errx(1, "no address: %s", argv[5]);
    for (nfds_t i = 0; i < count; i++) {
        clients[i].fd = open_connection();
        clients[i].events = lines ? POLLIN | POLLOUT : POLLIN;
    }
    run(clients, count, now() + span / 2);
    used = used_by(argv[4]);
    began = now();
    ended = run(clients, count, began + span);
    took = now() - began;
    used = used_by(argv[4]) - used;
    printf("{\"requests\": %ld, \"requests_per_second\": %.1f, "
           "\"server_us_per_request\": %.3f}\n",
        ended, (double)ended / took,
        ended > 0 ? used * 1e6 / (double)ended : 0);
    return ended > 0 ? 0 : 1;
}
