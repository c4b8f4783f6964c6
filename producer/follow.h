/* Watching a campaign until each of its messages has an end, with a bar for people. */
#ifndef HERALD_PRODUCER_FOLLOW_H
#define HERALD_PRODUCER_FOLLOW_H

#include "common/buf.h"
#include "common/store.h"

#define CAMPAIGN_COUNTERS_MAX STORE_COUNTERS_MAX

struct campaign_counts {
    int64_t accepted, sent, dead, cancelled, purged, retries, first_at_ms;
    int64_t ended;     /* sent + dead + cancelled + purged */
    const char *state; /* running, paused or cancelled */
    size_t counter_count;
    struct store_counter counters[STORE_COUNTERS_MAX]; /* all of them, the deaths by reason among them */
};

/* `state` of enum store_campaign_state. */
const char *campaign_state_name(int64_t state);

/* ERR_INVALID when there is no such campaign. */
int campaign_read(struct store *store, const char *campaign, struct campaign_counts *ret, struct reason *why);

/* `"counters":{...}` with all of them. */
void campaign_write_counters(const struct campaign_counts *counts, struct buf *json);

/* Returns 0 once every accepted message has ended, or the err that ended it. */
int follow_campaign(struct store *store, const char *campaign, bool is_shown, struct reason *why);

#endif
