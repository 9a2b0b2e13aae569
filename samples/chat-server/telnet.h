/* telnet.h -- takes telnet's commands out of what a client sends. */
#ifndef TELNET_H
#define TELNET_H

#include <stdbool.h>
#include <stddef.h>

/* What the last command asks for. */
enum telnet_wish {
    TELNET_NONE,
    TELNET_REPLY,  /* to send reply[] */
    TELNET_THERE,  /* to answer "are you there?" */
    TELNET_ENDLESS /* to be dropped: its command is too long */
};

/* One stream of bytes: all is 0 at its beginning. */
struct telnet {
    enum telnet_wish wish;
    unsigned char reply[3];
    enum { IN_TEXT, AFTER_IAC, AFTER_VERB, IN_SB, AFTER_IAC_IN_SB } state;
    unsigned char verb;                /* WILL, WONT, DO or DONT */
    bool cr;                           /* the last byte of text was a CR */
    size_t skipped;                    /* bytes of a subnegotiation so far */
    unsigned char refused[2][256 / 8]; /* options: ours, and the peer's */
};

/* Handle some of BYTES, LENGTH of them, and write bytes that are not commands
 * to TEXT, which has room for one byte more. Stops when a command asks for
 * something. Returns how many bytes were used; *COUNT is how many were
 * written. */
size_t telnet_take(struct telnet *telnet, const unsigned char *bytes,
    size_t length, unsigned char *text, size_t *count);

#endif
