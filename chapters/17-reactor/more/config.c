/* config.c -- what a program asks of a base before it is made
 *
 * What the reactor cannot give makes event_base_new_with_config fail. A flag
 * that only makes libevent faster, as EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST,
 * changes nothing.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "../reactor/reactor.h"

struct event_config *event_config_new(void)
{
    struct event_config *config = alloc_(sizeof(*config));

    if (config)
        event_config_set_max_dispatch_interval(config, NULL, INT_MAX, 1);
    return config;
}

void event_config_free(struct event_config *config)
{
    free_(config);
}

int event_config_avoid_method(struct event_config *config, const char *method)
{
    config->without_epoll |= strcmp(method, "epoll") == 0;
    return 0;
}

int event_config_require_features(struct event_config *config, int features)
{
    if (!config)
        return -1;
    config->features = features;
    return 0;
}

int event_config_set_flag(struct event_config *config, int flag)
{
    if (!config)
        return -1;
    config->flags |= flag;
    return 0;
}

/* The hint is for Windows only, also in libevent. */
int event_config_set_num_cpus_hint(struct event_config *config, int cpus)
{
    return config ? 0 : -1;
}

int event_config_set_max_dispatch_interval(struct event_config *config,
    const struct timeval *interval, int callbacks, int priority)
{
    config->limits.time = interval ? usec_of_(interval) : -1;
    config->limits.callbacks = callbacks >= 0 ? callbacks : INT_MAX;
    config->limits.from_priority = priority < 0 ? 0 : priority;
    return 0;
}

static int is_set(const struct event_config *config, const char *variable)
{
    return !(config->flags & EVENT_BASE_FLAG_IGNORE_ENV) &&
           secure_getenv(variable);
}

int is_possible_(const struct event_config *config)
{
    if (!config->without_epoll &&
        !(is_set(config, "EVENT_NOEPOLL") && is_set(config, "EVENT_NOPOLL") &&
            is_set(config, "EVENT_NOSELECT")))
        return 1;
    warn_(0, "no base: epoll is the only method");
    return 0;
}

int features_of_(const struct event_config *config)
{
    return config->features |
           (is_set(config, "EVENT_NOEPOLL") ? EV_FEATURE_FDS : 0);
}
