/* What all lanes of the gateway share: read by all threads, changed by none but what is atomic. */
#ifndef HERALD_PRODUCER_GATEWAY_GATEWAY_H
#define HERALD_PRODUCER_GATEWAY_GATEWAY_H

#include <stdatomic.h>

#include "common/callback_url.h"
#include "common/settings.h"
#include "producer/gateway/keyring.h"

struct gateway_counters {
    atomic_ullong requests, unauthorized, forbidden;
    atomic_ullong messages_accepted, messages_refused, messages_repeated, messages_put_off;
    atomic_ullong receipts_applied, receipts_repeated, receipts_early, receipts_ignored, receipts_unsigned;
    atomic_ullong unavailable;
};

struct clerks;
struct metrics;
struct templates;

struct gateway {
    const struct settings *settings;
    struct keyring *keyring;
    bool takes_unsigned; /* webhooks without a signature */
    struct callback_rules callbacks;
    struct gateway_counters counters;
    struct metrics *metrics;
    struct templates *templates;
    struct clerks *clerks; /* of the server */
    atomic_uint spools;    /* open (spool.h) */
    atomic_bool is_stopping;
    atomic_bool is_hurried; /* a second signal: what is under way is not waited for */
};

#define COUNT_ADD(counter, count) ((void)atomic_fetch_add_explicit(&(counter), (count), memory_order_relaxed))
#define COUNT_UP(counter)         COUNT_ADD(counter, 1)

#endif
