/* What a worker counts, in the terms of its own work. */
#ifndef HERALD_WORKER_METERS_H
#define HERALD_WORKER_METERS_H

#include "common/envelope.h"
#include "common/metrics.h"
#include "worker/breaker.h"
#include "worker/verdict.h"

struct metrics *meters_create(void);

/* An attempt has ended. `waited_ms`: since the message might have gone; of one that was sent. */
struct meters_attempt {
    const struct envelope *envelope;
    const struct verdict *verdict;
    bool was_answered;
    int64_t latency_ms, waited_ms;
};
void meters_note_attempt(struct metrics_block *block, const struct meters_attempt *attempt);
void meters_note_death(struct metrics_block *block, const char *reason);
void meters_note_fetch(struct metrics_block *block, int rc); /* of a token, as token_fetch_end says */
void meters_note_pause(struct metrics_block *block, const struct verdict *verdict);

#endif
