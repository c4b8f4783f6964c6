#include "worker/grant.h"

#define MARGIN_SHARE  200
#define MARGIN_MIN_MS 1
#define MARGIN_MAX_MS 250

struct grant grant_of(const struct rate *org, const struct rate *sender)
{
    int64_t window_ms = org->limit > 0 ? org->window_ms : INT64_MAX;
    struct grant grant = {MARGIN_MIN_MS, INT64_MAX};

    if (sender->limit > 0 && sender->window_ms < window_ms)
        window_ms = sender->window_ms;
    if (window_ms == INT64_MAX)
        return grant;
    grant.life_ms = window_ms / 2;
    grant.margin_ms = window_ms / MARGIN_SHARE;
    if (grant.margin_ms > MARGIN_MAX_MS)
        grant.margin_ms = MARGIN_MAX_MS;
    if (grant.margin_ms < MARGIN_MIN_MS)
        grant.margin_ms = MARGIN_MIN_MS;
    return grant;
}
