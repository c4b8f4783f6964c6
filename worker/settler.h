/* Outcomes on their way to Redis, written as one step for each kind. They are gathered for the length of one turn of
 * the sender's loop, and while Redis has not answered the step before: so steps grow with load, and one that is alone
 * goes at once. A slot is free again only when Redis has said that its message is settled. */
#ifndef HERALD_WORKER_SETTLER_H
#define HERALD_WORKER_SETTLER_H

#include "common/store.h"
#include "worker/slot.h"

struct pile {
    struct store_settle items[STORE_BATCH_MAX];
    struct slot *slots[STORE_BATCH_MAX];
    size_t count;
    size_t steps; /* that Redis has not answered */
};

struct settler {
    struct store *store;
    const char *worker;
    struct pile piles[STORE_MOVE_COUNT];
};

void settler_init(struct settler *settler, struct store *store, const char *worker);

/* Adds one outcome; `item` borrows from the slot until the next flush. */
void settler_add(struct settler *settler, enum store_move move, struct slot *slot, const struct store_settle *item);
/* Gives back tickets that may or may not have been handed to us: the answer to their reserve was lost. */
void settler_release_range(struct settler *settler, const char *prefix, int64_t first, int64_t count);
void settler_flush(struct settler *settler, bool is_hurried); /* hurried: whether Redis has answered or not */
bool settler_has_ready(const struct settler *settler);        /* outcomes that the next flush will send */

#endif
