/* Whether a thread's loop still turns: it says so each time round, and others look. Loops of Herald wait for a second
 * at most; what makes one stand still for longer is a name server that does not answer, or a fault. */
#ifndef HERALD_COMMON_PULSE_H
#define HERALD_COMMON_PULSE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define PULSE_STILL_MS 30000 /* more than a resolver waits for its servers */

struct pulse {
    atomic_llong at_ms; /* monotonic; 0: it does not run */
};

static inline void pulse_beat(struct pulse *pulse, int64_t now_ms)
{
    atomic_store_explicit(&pulse->at_ms, now_ms, memory_order_relaxed);
}

static inline void pulse_end(struct pulse *pulse)
{
    pulse_beat(pulse, 0);
}

static inline bool pulse_is_still(const struct pulse *pulse, int64_t now_ms)
{
    long long at_ms = atomic_load_explicit(&pulse->at_ms, memory_order_relaxed);

    return at_ms != 0 && now_ms - at_ms > PULSE_STILL_MS;
}

#endif
