#include "producer/follow.h"

#include <inttypes.h>
#include <poll.h>
#include <string.h>

#include "producer/command.h"
#include "producer/terminal.h"

#define LOOK_EACH_MS 200

const char *campaign_state_name(int64_t state)
{
    static const char *const names[] = {
        [STORE_RUNNING] = "running",
        [STORE_PAUSED] = "paused",
        [STORE_CANCELLED_FOR_GOOD] = "cancelled",
    };

    return state == STORE_PAUSED || state == STORE_CANCELLED_FOR_GOOD ? names[state] : names[STORE_RUNNING];
}

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
    ret->state = campaign_state_name(store_counter(ret->counters, ret->counter_count, "state"));
    ret->first_at_ms = store_counter(ret->counters, ret->counter_count, "first_at");
    return 0;
}

void campaign_write_counters(const struct campaign_counts *counts, struct buf *json)
{
    const char *comma = "";

    buf_text(json, "\"counters\":{");
    for (size_t i = 0; i < counts->counter_count; i++) {
        if (strcmp(counts->counters[i].name, "state") == 0)
            continue; /* a word, beside them */
        buf_text(json, comma);
        buf_json_text(json, counts->counters[i].name);
        buf_printf(json, ":%" PRId64, counts->counters[i].value);
        comma = ",";
    }
    buf_char(json, '}');
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
