/* text.c -- which lines can be shown to others: UTF-8 without control
 * characters.
 */
#include "house.h"

/* The bytes of the first character of TEXT, whose number goes to CODE, or 0 if
 * there is none: RFC 3629 knows one way alone to write a number, none for the
 * surrogates of UTF-16, and no number above 10FFFF. */
static size_t character(
    const unsigned char *text, size_t left, unsigned long *code)
{
    static const struct {
        unsigned char mask, lead;
        unsigned long least;
    } forms[] = {{0x80, 0, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800},
        {0xf8, 0xf0, 0x10000}};
    size_t size = 0;

    while (size < 4 && (text[0] & forms[size].mask) != forms[size].lead)
        size++;
    if (size == 4 || size >= left)
        return 0;
    *code = text[0] & (unsigned char)~forms[size].mask;
    for (size_t i = 1; i <= size; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
        *code = *code << 6 | (text[i] & 0x3f);
    }
    if (*code < forms[size].least || *code > 0x10ffff ||
        (*code >= 0xd800 && *code <= 0xdfff))
        return 0;
    return size + 1;
}

/* Why a line cannot be shown to others, or NULL. A control character would move
 * the cursor of a reader's terminal, or worse; U+0080 to U+009F do as well. */
const char *bad_text(const char *text, size_t length)
{
    unsigned long code;

    if (length > LINE)
        return "it is too long";
    for (size_t i = 0, size; i < length; i += size) {
        size = character((const unsigned char *)text + i, length - i, &code);
        if (size == 0)
            return "it is not UTF-8";
        if (code < 0x20 || (code >= 0x7f && code <= 0x9f))
            return "it has a control character";
    }
    return NULL;
}
