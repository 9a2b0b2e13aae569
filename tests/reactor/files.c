/* files.c -- regular files and /dev/null on a base that was asked for
 * EV_FEATURE_FDS. */
#include "trace.h"

static struct event_base *base;

static void name_cb(evutil_socket_t fd, short what, void *arg)
{
    printf("  %s%s\n", (char *)arg, names_of(what));
}

static void with(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC), other[2];
    struct event *reader, *writer, *pipe_reader;

    printf("%s:\n", path[0] == '/' ? path : "a regular file");
    reader = event_new(base, fd, EV_READ | EV_PERSIST, name_cb, "reader");
    writer = event_new(base, fd, EV_WRITE, name_cb, "writer");
    make_pair(other);
    pipe_reader = event_new(base, other[0], EV_READ, name_cb, "pipe");
    event_add(pipe_reader, NULL);
    printf("  added %d", event_add(reader, NULL));
    printf(" %d\n", event_add(writer, NULL));
    printf("  loop %d\n", event_base_loop(base, EVLOOP_ONCE));
    puts("  once more");
    printf("  loop %d\n", event_base_loop(base, EVLOOP_ONCE));
    printf("  deleted %d\n", event_del(reader));
    send_byte(other[1]);
    printf("  loop %d\n", event_base_loop(base, EVLOOP_ONCE));
    printf("  added %d\n", event_add(reader, NULL));
    close(fd); /* too early, but the event must not keep the loop busy */
    printf("  deleted %d\n", event_del(reader));
    printf("  loop %d\n", event_base_loop(base, EVLOOP_NONBLOCK));
    event_free(reader);
    event_free(writer);
    event_free(pipe_reader);
    close(other[0]);
    close(other[1]);
}

int main(void)
{
    struct event_config *config = event_config_new();
    char name[] = "/tmp/reactor-XXXXXX";
    int fd = mkstemp(name);

    print_log();
    if (!config || fd < 0)
        err(1, NULL);
    close(fd);
    printf(
        "features %d\n", event_config_require_features(config, EV_FEATURE_FDS));
    base = event_base_new_with_config(config);
    event_config_free(config);
    if (!base)
        errx(1, "no base");
    printf("has them %d\n", !!(event_base_get_features(base) & EV_FEATURE_FDS));
    with("/dev/null");
    if (chdir("/tmp") < 0)
        err(1, "/tmp");
    with(name + strlen("/tmp/"));
    unlink(name);
    event_base_free(base);
    return 0;
}
