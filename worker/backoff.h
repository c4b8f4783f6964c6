/* How long to wait before trying again: doubling, capped, with full jitter, so that messages which failed together do
 * not come back together. "Full jitter" is the name and the finding of the AWS Architecture Blog, "Exponential Backoff
 * And Jitter" (2015): spread over the whole interval, competing clients finish with the fewest calls. */
#ifndef HERALD_WORKER_BACKOFF_H
#define HERALD_WORKER_BACKOFF_H

#include <stdint.h>

#define BACKOFF_MIN_MS 1 /* never 0: a wait of nothing is a busy loop */

/* The top of the interval, min(cap_ms, base_ms * 2^(attempt - 1)), without overflow for any attempt. `attempt` is 1
 * after the first failure (0 counts as 1). A base or a cap below BACKOFF_MIN_MS counts as that. */
int64_t backoff_ceiling_ms(unsigned attempt, int64_t base_ms, int64_t cap_ms);

/* A wait out of [BACKOFF_MIN_MS, backoff_ceiling_ms()], chosen by `random` (64 uniform bits; the same bits give the
 * same wait). */
int64_t backoff_ms(unsigned attempt, int64_t base_ms, int64_t cap_ms, uint64_t random);

#endif
