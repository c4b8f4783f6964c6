#ifndef SANDBOX_RECEIPTS_H
#define SANDBOX_RECEIPTS_H

#include "tests/sandbox/events.h"
#include "tests/sandbox/tuning.h"

/* From an accepted message to its deliveries: which events there are, when each leaves, and when it is tried again.
 * Thread-safe. */
struct receipts;

/* receipts_create: borrows all four; `name_dice` gives the ids of events. NULL without memory or threads. */
struct receipts *receipts_create(struct hooks *hooks, struct events *events, struct tuner *tuner,
                                 struct dice *name_dice);
void receipts_destroy(struct receipts *receipts);

/* receipts_seed: begins the chances of duplicates and orders anew. */
void receipts_seed(struct receipts *receipts, uint64_t seed);

/* receipts_accept: makes the events of a message that was just accepted, for everybody who wants them. */
void receipts_accept(struct receipts *receipts, const struct tuning *tuning, const struct ledger_entry *entry);

/* receipts_render: the counters as a JSON object. receipts_clear: sets them to 0 and forgets all events. */
void receipts_render(struct receipts *receipts, struct text *out);
void receipts_clear(struct receipts *receipts);

#endif
