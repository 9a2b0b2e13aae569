/* names.h -- what a name may be, and which names are the same one. */
#ifndef NAMES_H
#define NAMES_H

enum {
    NAME = 32,      /* bytes of a name, of a person or a room */
    KEY = 3 * NAME, /* bytes of its key: a folded letter may be longer */
};

struct name {
    char text[NAME + 1]; /* as it is shown; "" is no name */
    char key[KEY + 1];   /* what is compared: the same for Ann, ANN and ann */
};

/* Make NAME from TEXT, which is UTF-8. Returns 1 if it is one: letters and
 * digits of any script, '-' and '_'; 0 if it is none; -1 without memory. */
int name_make(struct name *name, const char *text);

#endif
