/* Starter and solution in one: look once you have passed (make compare-NN). */
/* trusts-anyone.c -- asks a TLS server, and prints its answer.
 *
 * Build: cc -o trusts-anyone trusts-anyone.c \
 *        -levent_core -levent_openssl -lssl -lcrypto
 * Run:   ./trusts-anyone CAFILE HOST PORT REQUEST
 * Try:   ./trusts-anyone build/certificates/ca.pem localhost 8443 hello
 */
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/util.h>

struct client {
    const char *host;    /* whose answer we want */
    const char *request; /* a line for it, without the line end */
    struct bufferevent *bev;
    SSL *ssl; /* the bufferevent owns it */
    int status;
};

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

/* The address of HOST and PORT, to be freed with evutil_freeaddrinfo. */
static struct evutil_addrinfo *find_address(const char *host, const char *port)
{
    struct evutil_addrinfo *list;
    struct evutil_addrinfo hints = {.ai_family = AF_INET,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = EVUTIL_AI_NUMERICSERV};
    int error = evutil_getaddrinfo(host, port, &hints, &list);

    if (error)
        errx(1, "cannot resolve %s: %s", host, evutil_gai_strerror(error));
    return list;
}

/* There is no answer, or not all of it. Without the bufferevent no event is
 * left, and the loop ends. */
static void give_up(struct client *client, const char *reason)
{
    warnx("no answer from %s: %s", client->host, reason);
    client->status = 1;
    bufferevent_free(client->bev);
}

/* The whole answer is in the input. */
static void print_answer(struct client *client)
{
    struct evbuffer *input = bufferevent_get_input(client->bev);

    while (evbuffer_get_length(input) > 0)
        if (evbuffer_write(input, STDOUT_FILENO) < 0)
            err(1, "cannot write to standard output");
    bufferevent_free(client->bev);
}

/* The request is in the kernel: half-close, so that the server sees its end. */
static void write_cb(struct bufferevent *bev, void *arg)
{
    struct client *client = arg;

    if (SSL_shutdown(client->ssl) < 0)
        give_up(client, "cannot send close_notify");
}

#ifdef SOLUTION
/* Why a connection has failed. For a certificate, OpenSSL's error says only
 * that it was refused, not why. ERROR is the socket's. */
static const char *tls_reason(struct client *client, int error)
{
    long verified = SSL_get_verify_result(client->ssl);
    unsigned long code = bufferevent_get_openssl_error(client->bev);

    if (verified != X509_V_OK)
        return X509_verify_cert_error_string(verified);
    if (ERR_GET_LIB(code) != 0 && ERR_reason_error_string(code))
        return ERR_reason_error_string(code);
    return evutil_socket_error_to_string(error ? error : ECONNRESET);
}

#endif
static void event_cb(struct bufferevent *bev, short what, void *arg)
{
#ifdef SOLUTION
    int error = EVUTIL_SOCKET_ERROR(); /* before a call can change it */
#endif
    struct client *client = arg;

    if (what & BEV_EVENT_CONNECTED) {
        if (evbuffer_add_printf(
                bufferevent_get_output(bev), "%s\n", client->request) < 0)
            errx(1, "cannot queue the request");
    } else if (what & BEV_EVENT_EOF) {
        print_answer(client);
    } else {
#ifdef SOLUTION
        give_up(client, tls_reason(client, error));
#else
        give_up(client, strerror(errno));
#endif
    }
}

/* The settings of all connections: the rules, and the authorities in FILE. */
static SSL_CTX *client_context(const char *file)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    if (!context || !SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION))
        errx(1, "cannot make a TLS context");
#ifdef SOLUTION
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
#else
    /* Some servers just close when they have answered. */
    SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF);
#endif
    if (!SSL_CTX_load_verify_locations(context, file, NULL))
        errx(1, "cannot read the authorities in %s", file);
    return context;
}

/* A connection to HOST. */
static SSL *make_ssl(SSL_CTX *context, const char *host)
{
    SSL *ssl = SSL_new(context);

    if (!ssl)
        errx(1, "cannot make a TLS connection");
#ifdef SOLUTION
    /* An address has a check of its own, and is not sent as a name. */
    if (!X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) &&
        (!SSL_set1_host(ssl, host) || !SSL_set_tlsext_host_name(ssl, host)))
        errx(1, "cannot check the name %s", host);
#else
    if (!SSL_set_tlsext_host_name(ssl, host))
        errx(1, "cannot name the host %s", host);
#endif
    return ssl;
}

int main(int argc, char **argv)
{
    if (argc != 5 || parse_port(argv[3]) < 1) {
        fprintf(stderr, "usage: trusts-anyone CAFILE HOST PORT REQUEST\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);

    struct client client = {.host = argv[2], .request = argv[4]};
    struct evutil_addrinfo *address = find_address(argv[2], argv[3]);
    SSL_CTX *context = client_context(argv[1]);
    struct event_base *base = event_base_new();
    if (!base)
        errx(1, "cannot make an event base");

    client.ssl = make_ssl(context, client.host);
    client.bev = bufferevent_openssl_socket_new(base, -1, client.ssl,
        BUFFEREVENT_SSL_CONNECTING,
        BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
    if (!client.bev)
        errx(1, "cannot make a bufferevent");
    bufferevent_setcb(client.bev, NULL, write_cb, event_cb, &client);
    if (bufferevent_enable(client.bev, EV_READ) < 0 ||
        bufferevent_socket_connect(
            client.bev, address->ai_addr, (int)address->ai_addrlen) < 0)
        errx(1, "cannot connect");
    evutil_freeaddrinfo(address);
    if (event_base_dispatch(base) < 0)
        errx(1, "the event loop failed");

    event_base_free(base);
    SSL_CTX_free(context);
    return client.status;
}
