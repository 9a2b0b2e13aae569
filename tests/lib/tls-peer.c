/* tls-peer.c -- a client that sends first and reads late or slowly.
 *
 * usage: tls-peer PORT BYTES [PAUSE [late]]
 * Sends BYTES and reads nothing meanwhile. Without PAUSE it stops when the
 * server has taken none for half a second. Prints "sent N bytes"; if these are
 * not all, it waits until it is ended. Otherwise it sends close_notify and
 * reads all that comes, with PAUSE milliseconds before each 4096 bytes. With
 * "late" it sends close_notify when as many bytes have come. Prints how many
 * bytes came, and how the connection ended.
 */
#include <arpa/inet.h>
#include <err.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/ssl.h>

static SSL *connect_to(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
        .sin_port = htons((unsigned short)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), few = 4096;
    SSL *ssl = SSL_new(SSL_CTX_new(TLS_client_method()));

    if (fd < 0 || !ssl ||
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &few, sizeof(few)) != 0 ||
        connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
        err(2, "cannot connect");
    if (!SSL_set_fd(ssl, fd) || SSL_connect(ssl) != 1)
        errx(2, "no handshake");
    return ssl;
}

/* Send what the server takes, and give up when it takes nothing for PATIENCE
 * milliseconds (-1: never). Returns how many bytes were sent. A write that
 * blocks would not return when a server stops reading. */
static long long send_all(SSL *ssl, long long bytes, int patience)
{
    static char chunk[16384];
    struct pollfd room = {.fd = SSL_get_fd(ssl), .events = POLLOUT};
    long long sent = 0;

    BIO_socket_nbio(room.fd, 1);
    while (sent < bytes) {
        long long left = bytes - sent;
        int wanted = left < 16384 ? (int)left : 16384;
        int written = SSL_write(ssl, chunk, wanted);

        if (written > 0)
            sent += written;
        else if (SSL_get_error(ssl, written) != SSL_ERROR_WANT_WRITE ||
                 poll(&room, 1, patience) == 0)
            break;
    }
    BIO_socket_nbio(room.fd, 0);
    return sent;
}

int main(int argc, char **argv)
{
    char chunk[4096];
    long long bytes = atoll(argv[2]), came = 0;
    int length;

    signal(SIGPIPE, SIG_IGN);
    SSL *ssl = connect_to(atoi(argv[1]));
    long long sent = send_all(ssl, bytes, argc > 3 ? -1 : 500);
    printf("sent %lld bytes\n", sent);
    fflush(stdout);
    if (sent < bytes)
        pause();
    if (argc < 5)
        SSL_shutdown(ssl);
    do {
        if (argc > 3)
            usleep((unsigned)atoi(argv[3]) * 1000);
        length = SSL_read(ssl, chunk, sizeof(chunk));
        came += length > 0 ? length : 0;
        if (argc == 5 && came == bytes)
            SSL_shutdown(ssl);
    } while (length > 0);
    const char *end = SSL_get_error(ssl, length) == SSL_ERROR_ZERO_RETURN
                          ? "close_notify"
                          : "cut off";
    printf("received %lld bytes, %s\n", came, end);
    return 0;
}
