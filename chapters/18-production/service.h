/* service.h -- what a service asks of its system: a socket, a user,
 * descriptors, and to be heard by its manager.
 *
 * systemd's protocol is spoken by hand, see sd_listen_fds(3) and sd_notify(3):
 * two environment variables and a datagram. Without systemd nothing happens.
 */
#ifndef SERVICE_H
#define SERVICE_H

#include <stdbool.h>

#include <event2/util.h>

/* The listening socket that the process was started with, or -1. A socket that
 * does not serve, because it does not listen for TCP, ends the program. */
evutil_socket_t service_socket(void);

/* Tell the manager, as in service_notify("READY=1"). Never waits, and never
 * fails: the service goes on whether it is heard or not. */
void service_notify(const char *state);

/* The milliseconds after which the manager wants "WATCHDOG=1", or 0. */
unsigned service_watchdog(void);

/* Allow the process COUNT descriptors, if the system lets it. Returns how many
 * it has. */
unsigned service_raise_descriptors(unsigned count);

/* Keep one descriptor in reserve, for service_refuse. False if there is none.
 */
bool service_keep_reserve(void);

/* No descriptor is left. Take the reserve to accept a client of LISTENER and
 * close its connection, so that it learns at once that it is not served; and
 * count it. False if that failed. */
bool service_refuse(evutil_socket_t listener, unsigned long *count);

/* Be this user from now on, and for ever. A failure ends the program: the one
 * thing that it must not do is to run on as root. */
void service_become(const char *user);

#endif
