/* What all lanes of the gateway share: read by all threads, changed by none but the counters. */
#ifndef HERALD_PRODUCER_GATEWAY_GATEWAY_H
#define HERALD_PRODUCER_GATEWAY_GATEWAY_H

#include <stdatomic.h>

#include "common/settings.h"
#include "producer/gateway/clients.h"
#include "producer/gateway/signature.h"

struct gateway_counters {
    atomic_ullong requests, unauthorized, forbidden;
    atomic_ullong messages_accepted, messages_refused, messages_repeated, messages_put_off;
    atomic_ullong receipts_applied, receipts_repeated, receipts_early, receipts_ignored, receipts_unsigned;
    atomic_ullong unavailable;
};

struct clerks;

struct gateway {
    const struct settings *settings;
    struct clients clients;
    struct signature_secrets secrets; /* of webhooks */
    bool takes_unsigned;              /* webhooks without a signature */
    struct gateway_counters counters;
    struct clerks *clerks; /* of the server */
    atomic_bool is_stopping;
    atomic_bool is_hurried; /* a second signal: what is under way is not waited for */
};

#define COUNT_UP(counter) ((void)atomic_fetch_add_explicit(&(counter), 1, memory_order_relaxed))

#endif
