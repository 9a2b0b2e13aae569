/* telnet.c -- takes telnet's commands out of what a client sends. */
#include "telnet.h"

/* RFC 854, and the one option of RFC 860. */
enum {
    LEAST = 236, /* of the commands */
    SE = 240,    /* the end of a subnegotiation */
    AYT = 246,   /* "are you there?" */
    SB = 250,    /* the beginning of a subnegotiation */
    WILL,
    WONT,
    DO,
    DONT,
    IAC, /* "interpret as command": the next byte is one */
    TIMING_MARK = 6
};

enum { LONGEST = 4096 }; /* bytes of a subnegotiation */

/* The peer wants OPTION on our side (DO) or on its own (WILL). We refuse all of
 * them, once: two sides that answer each other's answers never end. (WONT and
 * DONT need no answer: nothing is on.) A timing mark is not an option but a
 * question, which needs its answer each time. */
static void negotiate(struct telnet *telnet, unsigned char option)
{
    unsigned char *refused = &telnet->refused[telnet->verb == WILL][option / 8];
    unsigned char bit = (unsigned char)(1 << option % 8);
    unsigned char answer = telnet->verb == DO ? WONT : DONT;

    if (telnet->verb == WONT || telnet->verb == DONT)
        return;
    if (telnet->verb == DO && option == TIMING_MARK)
        answer = WILL;
    else if (*refused & bit)
        return;
    else
        *refused |= bit;
    telnet->reply[0] = IAC;
    telnet->reply[1] = answer;
    telnet->reply[2] = option;
    telnet->wish = TELNET_REPLY;
}

/* BYTE follows an IAC. Returns whether the two are text: IAC IAC is a byte 255,
 * and a code that is not a command was meant as text. */
static bool is_text(struct telnet *telnet, unsigned char byte)
{
    telnet->state = IN_TEXT;
    if (byte == SB) {
        telnet->state = IN_SB;
        telnet->skipped = 0;
    } else if (byte >= WILL && byte <= DONT) {
        telnet->state = AFTER_VERB;
        telnet->verb = byte;
    } else if (byte == AYT) {
        telnet->wish = TELNET_THERE;
    }
    return byte < LEAST || byte == IAC;
}

/* BYTE is a part of a command that has begun. */
static void go_on(struct telnet *telnet, unsigned char byte)
{
    if (telnet->state == AFTER_VERB) {
        telnet->state = IN_TEXT;
        negotiate(telnet, byte);
        return;
    }
    if (telnet->state == AFTER_IAC_IN_SB)
        telnet->state = byte == SE ? IN_TEXT : IN_SB;
    else if (byte == IAC)
        telnet->state = AFTER_IAC_IN_SB;
    if (++telnet->skipped > LONGEST)
        telnet->wish = TELNET_ENDLESS;
}

size_t telnet_take(struct telnet *telnet, const unsigned char *bytes,
    size_t length, unsigned char *text, size_t *count)
{
    size_t i = 0, n = 0;

    while (i < length && telnet->wish == TELNET_NONE) {
        unsigned char byte = bytes[i++];

        if (telnet->state > AFTER_IAC) {
            go_on(telnet, byte);
            continue;
        }
        if (telnet->state == AFTER_IAC) {
            if (!is_text(telnet, byte))
                continue;
            if (byte != IAC)
                text[n++] = IAC;
        } else if (byte == IAC) {
            telnet->state = AFTER_IAC;
            continue;
        }
        /* CR NUL is the Enter key of a telnet in character mode. */
        text[n++] = telnet->cr && byte == '\0' ? '\n' : byte;
        telnet->cr = byte == '\r';
    }
    *count = n;
    return i;
}
