/* names.c -- what a name may be, and which names are the same one. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

#include "names.h"

enum {
    MARKS = 4,         /* on one letter; more would cover the lines above */
    DOTLESS_I = 0x131, /* with a dot above, it looks like an i */
    DOTLESS_J = 0x237,
    DOT_ABOVE = 0x307
};

/* A mark, as an accent or the vowels of many scripts, stands on a letter. */
static bool is_mark(ucs4_t code)
{
    return uc_is_general_category_withtable(
        code, UC_CATEGORY_MASK_Mn | UC_CATEGORY_MASK_Mc);
}

static bool is_letter_or_digit(ucs4_t code)
{
    return uc_is_general_category_withtable(
        code, UC_CATEGORY_MASK_L | UC_CATEGORY_MASK_Nd);
}

/* Whether a dot above LETTER shows nothing new: an i has one already. */
static bool hides_dot(ucs4_t letter)
{
    return letter == DOTLESS_I || letter == DOTLESS_J ||
           uc_is_property_soft_dotted(letter);
}

/* Whether TEXT, LENGTH bytes of UTF-8, has only characters that a name may
 * have. A mark needs a letter before it: alone it would stand on the bracket or
 * the space that we show before a name. Unicode calls invisible characters,
 * some of them letters, "default ignorable". */
static bool is_sound(const uint8_t *text, size_t length)
{
    int marks = MARKS; /* on LETTER so far; the maximum if there is no letter */
    ucs4_t code, letter = 0;

    for (size_t i = 0; i < length;) {
        i += (size_t)u8_mbtouc(&code, text + i, length - i);
        if (uc_is_property_default_ignorable_code_point(code))
            return false;
        if (is_letter_or_digit(code)) {
            letter = code;
            marks = 0;
        } else if (code == '-' || code == '_') {
            marks = MARKS;
        } else if (!is_mark(code) || marks++ >= MARKS ||
                   (code == DOT_ABOVE && hides_dot(letter))) {
            return false;
        }
    }
    return length > 0;
}

/* Check the result of a function of libunistring: RESULT is BUFFER, of SIZE
 * bytes, or memory of its own if that is too small. Returns 1 if the text is in
 * BUFFER, 0 if it is too long for it, -1 if there was no memory. */
static int take(uint8_t *result, size_t length, char *buffer, size_t size)
{
    if (!result)
        return -1;
    if (result != (uint8_t *)buffer) {
        free(result);
        return 0;
    }
    if (length == size)
        return 0;
    buffer[length] = '\0';
    return 1;
}

/* Put TEXT into BUFFER in a normal form, and check whether the result may be a
 * name: some letters become a space and a mark. */
static int normalize(
    uninorm_t form, const char *text, char *buffer, size_t size)
{
    size_t length = size;
    uint8_t *result = u8_normalize(
        form, (const uint8_t *)text, strlen(text), (uint8_t *)buffer, &length);
    int taken = take(result, length, buffer, size);

    return taken == 1 ? is_sound((uint8_t *)buffer, length) : taken;
}

/* Put TEXT into BUFFER without capitals. */
static int fold(const char *text, char *buffer, size_t size)
{
    size_t length = size;
    uint8_t *result = u8_casefold((const uint8_t *)text, strlen(text), NULL,
        UNINORM_NFKC, (uint8_t *)buffer, &length);

    return take(result, length, buffer, size);
}

/* NFC writes each accented letter in one way only. NFKC replaces letters that
 * differ in their form only, as those of full width. */
int name_make(struct name *name, const char *text)
{
    char plain[sizeof(name->key)];
    int result = *text != '\0';

    if (result == 1)
        result = normalize(UNINORM_NFC, text, name->text, sizeof(name->text));
    if (result == 1)
        result = normalize(UNINORM_NFKC, name->text, plain, sizeof(plain));
    if (result == 1)
        result = fold(plain, name->key, sizeof(name->key));
    return result;
}
