/* Gathers what the requests of a lane have for Redis: what comes in while one batch is on its way goes together in the
 * next, so that a script's price is shared by as many as are asking. */
#ifndef HERALD_PRODUCER_GATEWAY_GATHER_H
#define HERALD_PRODUCER_GATEWAY_GATHER_H

#include "common/store_accept.h"
#include "common/store_receipt.h"

struct gather;

struct gather *gather_create(struct store *store);
/* Takes NULL. Those who wait are called with ERR_UNREACHABLE. */
void gather_destroy(struct gather *gather);
void gather_flush(struct gather *gather); /* sends what may go */

/* False: more is waiting for Redis than memory is set aside for. */
bool gather_has_room(const struct gather *gather);

/* Asked before something is sent: is anybody still waiting to hear of it? Who has been told no is not served later. */
typedef bool (*gather_wanted_fn)(void *context);

/* rc as for store_accept; the answer is borrowed and only there when rc is 0. */
typedef void (*gather_accepted_fn)(void *context, size_t index, int rc, const struct store_acceptance *answer);
/* The offer is copied; `index` is handed back. */
void gather_accept(struct gather *gather, int64_t max_backlog, const struct store_offer *offer, size_t index,
                   gather_wanted_fn is_wanted, gather_accepted_fn done, void *context);

typedef void (*gather_received_fn)(void *context, int rc, enum store_received answer);
void gather_receipt(struct gather *gather, int64_t dedup_ms, const struct store_receipt *receipt,
                    gather_wanted_fn is_wanted, gather_received_fn done, void *context);

#endif
