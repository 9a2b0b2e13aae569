/* script.h -- all requests and their answers, made before the load. */
#ifndef SCRIPT_H
#define SCRIPT_H

#include <stddef.h>

#include "options.h"

/* All requests and all expected answers, made before the start. First come the
 * requests of the set-up, then a ring that each connection goes round. Request
 * I lies from request_at[I] up to request_at[I + 1]. */
struct script {
    char *requests, *answers;
    size_t *request_at, *answer_at;
    size_t set_up, count;
};

/* Make it, to be freed with free_script. Without memory it ends the program. */
void make_script(struct script *script, const struct options *options);
void free_script(struct script *script);

/* The bytes of request I, and of the answer to it. */
size_t request_size(const struct script *script, size_t i);
size_t answer_size(const struct script *script, size_t i);

#endif
