#include "worker/grant.h"

#define MARGIN_SHARE   200
#define MARGIN_MIN_MS  1
#define MARGIN_MAX_MS  250
#define MARGIN_WIDE_MS 10000
#define ANSWERS_RUN    100
#define IN_TIME_RUN    50 /* reserves in a row without a late one before the margin narrows */

static void set_margin(struct grant *grant, int64_t margin_ms)
{
    grant->margin_ms = margin_ms;
    grant->life_ms = grant->half_ms == INT64_MAX ? INT64_MAX : margin_ms + grant->half_ms;
    grant->in_time = 0;
}

void grant_init(struct grant *grant, const struct rate *org, const struct rate *sender)
{
    int64_t window_ms = org->limit > 0 ? org->window_ms : INT64_MAX, margin_ms = MARGIN_MIN_MS;

    if (sender->limit > 0 && sender->window_ms < window_ms)
        window_ms = sender->window_ms;
    *grant = (struct grant){.half_ms = INT64_MAX, .late_ms = INT64_MIN, .quick_ms = INT64_MAX};
    if (window_ms != INT64_MAX) {
        grant->half_ms = window_ms / 2;
        margin_ms = window_ms / MARGIN_SHARE;
        if (margin_ms > MARGIN_MAX_MS)
            margin_ms = MARGIN_MAX_MS;
        if (margin_ms < MARGIN_MIN_MS)
            margin_ms = MARGIN_MIN_MS;
    }
    grant->least_ms = margin_ms;
    set_margin(grant, margin_ms);
}

void grant_note_late(struct grant *grant, int64_t asked_ms)
{
    if (asked_ms <= grant->late_ms || grant->half_ms == INT64_MAX)
        return;
    grant->late_ms = asked_ms;
    set_margin(grant, grant->margin_ms * 2 < MARGIN_WIDE_MS ? grant->margin_ms * 2 : MARGIN_WIDE_MS);
}

void grant_note_reserve(struct grant *grant)
{
    if (++grant->in_time >= IN_TIME_RUN && grant->margin_ms / 2 >= grant->least_ms)
        set_margin(grant, grant->margin_ms / 2);
}

int64_t grant_note_answer(struct grant *grant, int64_t took_ms)
{
    if (grant->answers++ == ANSWERS_RUN) {
        grant->quick_before_ms = grant->quick_ms;
        grant->quick_ms = INT64_MAX;
        grant->answers = 1;
    }
    if (took_ms < grant->quick_ms)
        grant->quick_ms = took_ms;
    return grant->quick_ms < grant->quick_before_ms ? grant->quick_ms : grant->quick_before_ms;
}
