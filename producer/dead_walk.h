/* Going through the dead letters that a filter takes, oldest first, in batches whose memory is bounded. The next batch
 * is on its way from Redis while the caller works on this one. Letters that die meanwhile are not met, so whoever
 * replays does not meet his own again. */
#ifndef HERALD_PRODUCER_DEAD_WALK_H
#define HERALD_PRODUCER_DEAD_WALK_H

#include "common/dead_filter.h"
#include "common/json.h"
#include "common/store_dead.h"

#define DEAD_BATCH_MAX 128 /* letters */

struct dead_walk;

struct dead_batch {
    size_t count; /* 0: there are no more */
    const struct store_letter *letters;
    const struct span *documents; /* NULL when they were not asked for */
};

/* Takes over the letters of an older Herald first. Borrows store and filter. `only`: this letter and no other, or NULL.
 */
int dead_walk_open(struct dead_walk **ret, struct store *store, const struct dead_filter *filter,
                   const struct store_letter *only, bool wants_documents, int64_t patience_ms, struct reason *why);
/* Takes NULL. After an err, or before the walk's end, follow it with store_drop: a batch may still be on its way. */
void dead_walk_close(struct dead_walk *walk);

/* Borrowed until the next call. Waits only when the batch is not there yet, so other requests of the caller may still
 * be without an answer afterwards. */
int dead_walk_next(struct dead_walk *walk, struct dead_batch *ret, struct reason *why);

int64_t dead_walk_now_ms(const struct dead_walk *walk); /* Redis' clock */
int64_t dead_walk_total(const struct dead_walk *walk);  /* letters there were at the start, for progress */
int64_t dead_walk_seen(const struct dead_walk *walk);   /* letters looked at so far */

/* The recipient's address as it stands in an envelope; absent when there is none. Borrowed. */
struct span dead_letter_address(const struct json *envelope);

#endif
