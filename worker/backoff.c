#include "worker/backoff.h"

int64_t backoff_ceiling_ms(unsigned attempt, int64_t base_ms, int64_t cap_ms)
{
    int64_t ceiling_ms = base_ms < BACKOFF_MIN_MS ? BACKOFF_MIN_MS : base_ms;

    if (cap_ms < BACKOFF_MIN_MS)
        cap_ms = BACKOFF_MIN_MS;
    for (unsigned i = 1; i < attempt && ceiling_ms < cap_ms; i++) /* at most 63 rounds, whatever `attempt` is */
        ceiling_ms = ceiling_ms > cap_ms / 2 ? cap_ms : ceiling_ms * 2;
    return ceiling_ms < cap_ms ? ceiling_ms : cap_ms;
}

int64_t backoff_ms(unsigned attempt, int64_t base_ms, int64_t cap_ms, uint64_t random)
{
    uint64_t ceiling_ms = (uint64_t)backoff_ceiling_ms(attempt, base_ms, cap_ms);
    int64_t wait_ms = (int64_t)(random % (ceiling_ms + 1)); /* the bias is below ceiling / 2^64: nothing for waits */

    return wait_ms < BACKOFF_MIN_MS ? BACKOFF_MIN_MS : wait_ms;
}
