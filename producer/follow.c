#include "producer/follow.h"

#include <poll.h>

#include "producer/command.h"
#include "producer/terminal.h"

#define LOOK_EACH_MS 200

int campaign_read(struct store *store, const char *campaign, struct campaign_counts *ret, struct reason *why)
{
    int rc = store_read_campaign(store, campaign, ret->counters, &ret->counter_count, COMMAND_PATIENCE_MS, why);

    if (rc != 0)
        return rc;
    if (ret->counter_count == 0) {
        reason_set(why, "there is no campaign `%.64s` in this organisation (or it ended longer ago than --keep)",
                   campaign);
        return ERR_INVALID;
    }
    ret->accepted = store_counter(ret->counters, ret->counter_count, "accepted");
    ret->sent = store_counter(ret->counters, ret->counter_count, "sent");
    ret->dead = store_counter(ret->counters, ret->counter_count, "dead");
    ret->cancelled = store_counter(ret->counters, ret->counter_count, "cancelled");
    ret->purged = store_counter(ret->counters, ret->counter_count, "purged");
    ret->ended = ret->sent + ret->dead + ret->cancelled + ret->purged;
    ret->retries = store_counter(ret->counters, ret->counter_count, "retries");
    ret->first_at_ms = store_counter(ret->counters, ret->counter_count, "first_at");
    return 0;
}

int follow_campaign(struct store *store, const char *campaign, bool is_shown, struct reason *why)
{
    struct campaign_counts counts;
    struct progress progress;
    int rc;

    progress_begin(&progress, "sending", is_shown);
    while ((rc = campaign_read(store, campaign, &counts, why)) == 0 && counts.ended < counts.accepted) {
        progress_update(&progress, (uint64_t)counts.ended, (uint64_t)counts.accepted, (uint64_t)counts.ended);
        (void)poll(NULL, 0, LOOK_EACH_MS); /* a look now and then, for a person's eyes */
    }
    progress_end(&progress);
    return rc;
}
