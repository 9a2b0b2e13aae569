/* local-socket.h -- how the fuzz targets of HTTP servers are reached: a socket
 * with a name of the kernel's choice, neither a port nor a file in a folder.
 */
#include <sys/un.h>

static struct sockaddr_un address = {.sun_family = AF_UNIX};
static socklen_t address_length = sizeof(address);

/* A listening socket, for the program's server, whose HTTP part is made. */
static void listen_locally(struct server *server)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

    if (bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t)) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &address_length) < 0)
        abort();
    server->listener = evconnlistener_new(
        server->base, NULL, NULL, LEV_OPT_CLOSE_ON_FREE, 128, fd);
    if (!server->listener ||
        !evhttp_bind_listener(server->http, server->listener))
        abort();
}

static int connect_locally(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    if (fd < 0 || connect(fd, (struct sockaddr *)&address, address_length) < 0)
        abort();
    return fd;
}
