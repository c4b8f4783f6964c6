#include "worker/grant.h"

#define SHARE        200 /* half a percent of the window */
#define FIRST_MIN_MS 1
#define FIRST_MAX_MS 250
#define WIDEST_MS    10000
#define PROMPT_RUN   50 /* so many in time before it narrows */

void grant_init(struct grant *grant, int64_t window_ms)
{
    int64_t margin = window_ms / SHARE;

    if (margin > FIRST_MAX_MS)
        margin = FIRST_MAX_MS;
    grant->prompt = 0;
    grant->least_ms = grant->margin_ms = margin < FIRST_MIN_MS ? FIRST_MIN_MS : margin;
}

void grant_note_late(struct grant *grant)
{
    grant->prompt = 0;
    if (grant->margin_ms < WIDEST_MS)
        grant->margin_ms *= 2;
}

void grant_note_prompt(struct grant *grant)
{
    if (++grant->prompt < PROMPT_RUN || grant->margin_ms / 2 < grant->least_ms)
        return;
    grant->prompt = 0;
    grant->margin_ms /= 2;
}
