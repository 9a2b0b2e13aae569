/* Starter and solution in one: look once you have passed (make compare-NN). */
/* signals.c -- a loop around epoll_wait that counts signals.
 *
 * Build: cc -o signals signals.c
 * Run:   ./signals FILE COMMAND
 * Try:   the lines stat and work; kill -USR1, -USR2, -HUP, -TERM to it
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { COUNTED = 3, SIGNALS = 6, BATCH = 8, MOST_WORK = 60 /* seconds */ };

/* The first three are counted. */
static const int signals[SIGNALS] = {
    SIGUSR1, SIGUSR2, SIGHUP, SIGCHLD, SIGINT, SIGTERM};

struct program {
    int epoll;
    const char *file, *command;
    long counts[COUNTED];
    pid_t child;     /* it runs the command; 0: none */
    bool is_ending;  /* SIGTERM or SIGINT came */
    char input[256]; /* the beginning of a line */
    size_t length;
    int readable; /* becomes readable when a signal came; -1: none yet */
#ifdef SOLUTION
    int seen[SIGNALS]; /* how many of each were dealt with */
#endif
};

#ifdef SOLUTION
/* What the handler uses. It never takes anything away: the loop compares. */
static volatile sig_atomic_t came[SIGNALS];
static int writable;

#endif
static void print_counts(const struct program *program, const char *before)
{
    printf("%sUSR1 %ld USR2 %ld HUP %ld\n", before, program->counts[0],
        program->counts[1], program->counts[2]);
}

static void watch(struct program *program, int fd)
{
    struct epoll_event how = {.events = EPOLLIN, .data.fd = fd};

    if (epoll_ctl(program->epoll, EPOLL_CTL_ADD, fd, &how) < 0)
        err(1, "cannot watch descriptor %d", fd);
}

/* --- the command --- */

/* In the child: replace it by the command, which reads FILE. */
static _Noreturn void become_command(const struct program *program)
{
    int fd = open(program->file, O_RDONLY);

    if (fd >= 0 && dup2(fd, STDIN_FILENO) >= 0) {
        if (fd != STDIN_FILENO)
            close(fd);
        execl("/bin/sh", "sh", "-c", program->command, (char *)NULL);
    }
    warn("cannot run the command");
    _exit(127);
}

static void print_status(int status)
{
    if (WIFSIGNALED(status))
        printf("command: signal %d\n", WTERMSIG(status));
    else
        printf("command: exit status %d\n", WEXITSTATUS(status));
}

/* Run the command in a child, unless it still runs. */
static void start_command(struct program *program)
{
#ifdef SOLUTION
    sigset_t all, before;

    if (program->child > 0)
        return;
    /* Until the child has its own handlers again, no signal may come. */
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    program->child = fork();
    if (program->child == 0) {
        for (int i = 0; i < SIGNALS; i++)
            signal(signals[i], SIG_DFL);
        sigemptyset(&all);
        sigprocmask(SIG_SETMASK, &all, NULL);
        become_command(program);
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (program->child < 0) {
        warn("cannot start the command");
        program->child = 0;
    }
#else
    /* yours: what the child must not inherit */
    if (program->child > 0)
        return;
    program->child = fork();
    if (program->child == 0)
        become_command(program);
    if (program->child < 0) {
        warn("cannot start the command");
        program->child = 0;
    }
#endif
}

/* The child may have ended. */
static void command_ended(struct program *program)
{
    int status;

    if (program->child == 0 ||
        waitpid(program->child, &status, WNOHANG) != program->child)
        return;
    program->child = 0;
    print_status(status);
}

/* --- signals --- */

/* The signal signals[INDEX] came TIMES times. */
static void signal_cb(struct program *program, int index, int times)
{
    if (index < COUNTED)
        program->counts[index] += times;
    if (signals[index] == SIGHUP)
        start_command(program);
    if (signals[index] == SIGCHLD)
        command_ended(program);
    if (signals[index] == SIGINT || signals[index] == SIGTERM)
        program->is_ending = true;
}

#ifdef SOLUTION
/* If the socket is full, the loop has enough to wake up for. */
static void note_signal(int number)
{
    int error = errno;
    ssize_t told;

    for (int i = 0; i < SIGNALS; i++)
        if (signals[i] == number)
            came[i]++;
    told = write(writable, "", 1);
    (void)told;
    errno = error;
}

/* The socket first: a signal that comes after this makes it readable again. */
static void take_signals(struct program *program)
{
    char wake_ups[256];

    while (read(program->readable, wake_ups, sizeof(wake_ups)) > 0)
        continue;
    for (int i = 0; i < SIGNALS; i++) {
        int times = came[i] - program->seen[i];

        program->seen[i] += times;
        if (times > 0)
            signal_cb(program, i, times);
    }
}
#else
/* Have signal_cb called for each signal that came. */
static void take_signals(struct program *program)
{
    for (int i = 0; i < SIGNALS; i++) {
        int times = 0; /* yours */

        if (times > 0)
            signal_cb(program, i, times);
    }
}
#endif

static void watch_signals(struct program *program)
{
#ifdef SOLUTION
    struct sigaction how = {.sa_handler = note_signal, .sa_flags = SA_RESTART};
    int pair[2];

    if (socketpair(
            AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
        err(1, "cannot make a socket pair");
    program->readable = pair[0];
    writable = pair[1];
    watch(program, program->readable);
    sigfillset(&how.sa_mask);
    for (int i = 0; i < SIGNALS; i++)
        if (sigaction(signals[i], &how, NULL) < 0)
            err(1, "cannot catch signal %d", signals[i]);
#else
    /* yours: a handler for each of them, and a way to wake the loop */
#endif
}

/* --- standard input --- */

/* A callback that takes long: until more input arrives. It does not touch
 * errno, and no signal may. */
static void work(void)
{
    time_t end = time(NULL) + MOST_WORK;
    int waiting = 0;

    printf("working\n");
    errno = 0;
    while (ioctl(STDIN_FILENO, FIONREAD, &waiting) == 0 && waiting == 0 &&
           time(NULL) < end)
        continue;
    if (errno != 0)
        printf("worked; errno has become %d, %s\n", errno, strerror(errno));
    else
        printf("worked\n");
}

static void obey(struct program *program, const char *line)
{
    if (strcmp(line, "stat") == 0)
        print_counts(program, "");
    else if (strcmp(line, "work") == 0)
        work();
    else
        warnx("cannot understand: %s", line);
}

static void input_cb(struct program *program)
{
    char *line = program->input, *last, *end;
    ssize_t got = read(STDIN_FILENO, line + program->length,
        sizeof(program->input) - program->length);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) { /* no more lines: go on without them */
        epoll_ctl(program->epoll, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
        return;
    }
    last = line + program->length + got;
    for (; (end = memchr(line, '\n', (size_t)(last - line))); line = end + 1) {
        *end = '\0';
        obey(program, line);
    }
    program->length = (size_t)(last - line);
    if (program->length == sizeof(program->input))
        errx(1, "a line is too long");
    memmove(program->input, line, program->length);
}

/* --- the loop --- */

static void loop(struct program *program)
{
    struct epoll_event ready[BATCH];

#ifdef SOLUTION
    while (!program->is_ending || program->child > 0) {
        int count = epoll_wait(program->epoll, ready, BATCH, -1);

        if (count < 0 && errno != EINTR)
            err(1, "cannot wait");
#else
    while (!program->is_ending) {
        int count = epoll_wait(program->epoll, ready, BATCH, -1);

        if (count < 0)
            err(1, "cannot wait");
#endif
        for (int i = 0; i < count; i++) {
            if (ready[i].data.fd == program->readable)
                take_signals(program);
            else
                input_cb(program);
        }
    }
}

int main(int argc, char **argv)
{
    struct program program = {
        .epoll = epoll_create1(EPOLL_CLOEXEC), .readable = -1};

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc != 3) {
        fprintf(stderr, "usage: signals FILE COMMAND\n");
        return 2;
    }
    if (program.epoll < 0)
        err(1, "cannot make an epoll");
    program.file = argv[1];
    program.command = argv[2];
    watch(&program, STDIN_FILENO);
    watch_signals(&program);
    printf("ready\n");

    loop(&program);
    print_counts(&program, "ended: ");
    return 0;
}
