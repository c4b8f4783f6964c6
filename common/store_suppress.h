/* The suppression set: who must not be written to, whatever anybody enqueues (store_suppress.c). People are named as by
 * channel_person; the worker looks right before each request, producers when they enqueue. */
#ifndef HERALD_COMMON_STORE_SUPPRESS_H
#define HERALD_COMMON_STORE_SUPPRESS_H

#include "common/store.h"

struct store_suppression {
    struct span person;
    struct span audit; /* the entry for the audit, JSON; written only when something changes */
};

/* Adds to the set, or takes out of it, in one step. rc is 0 and `changed` has a flag for each (false: it was so
 * before), or ERR_STATE when Redis refused: nothing has changed then. */
typedef void (*store_suppressed_fn)(void *context, int rc, const bool *changed, size_t count);
void store_suppress(struct store *store, bool is_added, const struct store_suppression *items, size_t count,
                    store_suppressed_fn done, void *context);

/* Shows everybody on the set, some at a time, until `visit` returns false; may wait. Who is put on or taken off
 * meanwhile may be shown or not, and somebody may be shown twice. ERR_STATE: it is no set. */
int store_list_suppressed(struct store *store, bool (*visit)(void *context, struct span person), void *context,
                          int64_t patience_ms, struct reason *why);

#endif
