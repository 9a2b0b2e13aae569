/* client-gate.h -- how many clients there are, in all and of each address.
 *
 * Addresses of IPv6 count by their first 64 bits: one machine has all those
 * that differ only behind them.
 */
#ifndef CLIENT_GATE_H
#define CLIENT_GATE_H

#include <stdbool.h>
#include <sys/queue.h>

struct sockaddr;

enum { GATE_BUCKETS = 1024 };

/* An address that has clients. */
struct place;

struct gate {
    unsigned most, most_of_one; /* set before gate_open */
    unsigned open;              /* clients now */
    LIST_HEAD(places, place) buckets[GATE_BUCKETS];
};

enum gate_answer { GATE_IN, GATE_FULL, GATE_ADDRESS_FULL, GATE_NO_MEMORY };

void gate_open(struct gate *gate);

/* One more client, of this address. Only after GATE_IN has it entered; then
 * PLACE is to be given to gate_leave. */
enum gate_answer gate_enter(
    struct gate *gate, const struct sockaddr *address, struct place **place);

void gate_leave(struct gate *gate, struct place *place);

#endif
