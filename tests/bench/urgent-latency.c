/* urgent-latency.c -- how long an urgent client of priority-queue waits.
 *
 * Build: cc -O2 -o urgent-latency urgent-latency.c
 * Run:   ./urgent-latency PORT BULK-PORT CLIENTS SAMPLES
 *
 * CLIENTS bulk clients always have one line of work under way. An urgent client
 * asks SAMPLES times, at random moments. Prints each of its waits in ms,
 * sorted, and then how many lines of work were answered in a second.
 */
#include <err.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static double now(void) /* ms */
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static int connect_to(const char *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
        .sin_port = htons((unsigned short)atoi(port)),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        err(1, "cannot connect to port %s", port);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
}

static void say(int fd, const char *line, size_t length)
{
    if (write(fd, line, length) != (ssize_t)length)
        err(1, "cannot write");
}

/* Take the answer that has arrived on FD. */
static void take(int fd)
{
    char answer[256];

    if (read(fd, answer, sizeof(answer)) <= 0)
        err(1, "cannot read");
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* A moment between 5 and 15 ms from now. */
static double later(void)
{
    return now() + 5 + 10.0 * rand() / RAND_MAX;
}

int main(int argc, char **argv)
{
    int clients = argc == 5 ? atoi(argv[3]) : 0, jobs = 0, taken = 0;
    int samples = argc == 5 ? atoi(argv[4]) : 0;
    struct pollfd *fds = calloc((size_t)clients + 1, sizeof(*fds));
    double *waits = calloc((size_t)samples + 1, sizeof(*waits));

    if (clients < 1 || samples < 1 || !fds || !waits)
        errx(2, "usage: urgent-latency PORT BULK-PORT CLIENTS SAMPLES");
    for (int i = 0; i <= clients; i++)
        fds[i] = (struct pollfd){
            .fd = connect_to(argv[i < clients ? 2 : 1]), .events = POLLIN};
    for (int i = 0; i < clients; i++)
        say(fds[i].fd, "work\n", 5);
    double begin = now(), next = later(), asked = 0;
    while (taken < samples) {
        double rest = asked > 0 ? 1000 : next - now();
        poll(fds, (nfds_t)clients + 1, rest > 0 ? (int)rest : 0);
        for (int i = 0; i < clients; i++)
            if (fds[i].revents) {
                take(fds[i].fd);
                say(fds[i].fd, "work\n", 5);
                jobs++;
            }
        if (fds[clients].revents) {
            take(fds[clients].fd);
            waits[taken++] = now() - asked;
            asked = 0;
            next = later();
        } else if (asked <= 0 && now() >= next) {
            asked = now();
            say(fds[clients].fd, "\n", 1);
        }
    }
    double seconds = (now() - begin) / 1000;
    qsort(waits, (size_t)samples, sizeof(*waits), compare);
    for (int i = 0; i < samples; i++)
        printf("%.3f\n", waits[i]);
    printf("%.0f jobs a second\n", jobs / seconds);
    return 0;
}
