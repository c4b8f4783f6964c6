#include "producer/dead_counts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void count_row(struct store_counter *counters, size_t *count, size_t max, const char *name)
{
    size_t i = 0;

    while (i < *count && strcmp(counters[i].name, name) != 0)
        i++;
    if (i == max)
        return; /* shown as others */
    if (i == *count)
        (void)snprintf(counters[(*count)++].name, sizeof(counters[0].name), "%.63s", name);
    counters[i].value++;
}

static void count_letter(struct store_dead_counts *counts, const struct store_letter *letter)
{
    counts->total++;
    counts->ages[store_dead_age_of(letter->at_ms, counts->now_ms)]++;
    count_row(counts->reasons, &counts->reason_count, STORE_DEAD_ROWS, letter->reason);
    count_row(counts->channels, &counts->channel_count, STORE_DEAD_ROWS, letter->channel);
    count_row(counts->campaigns, &counts->campaign_count, STORE_DEAD_CAMPAIGNS, letter->campaign);
}

static int count_filtered(struct store *store, const struct dead_filter *filter, struct store_dead_counts *counts,
                          void (*progress)(void *context, int64_t seen, int64_t total), void *context,
                          int64_t patience_ms, struct reason *why)
{
    struct dead_walk *walk = NULL;
    struct dead_batch batch = {.count = 1};
    int rc = dead_walk_open(&walk, store, filter, NULL, false, patience_ms, why);

    if (rc != 0)
        return rc;
    counts->now_ms = dead_walk_now_ms(walk);
    while (rc == 0 && batch.count > 0) {
        rc = dead_walk_next(walk, &batch, why);
        for (size_t i = 0; rc == 0 && i < batch.count; i++)
            count_letter(counts, &batch.letters[i]);
        if (progress)
            progress(context, dead_walk_seen(walk), dead_walk_total(walk));
    }
    if (rc != 0)
        store_drop(store);
    dead_walk_close(walk);
    store_dead_sort(counts);
    return rc;
}

int dead_counts_read(struct store *store, const struct dead_filter *filter, struct store_dead_counts *ret,
                     void (*progress)(void *context, int64_t seen, int64_t total), void *context, int64_t patience_ms,
                     struct reason *why)
{
    int rc;

    if (!dead_filter_is_empty(filter))
        return count_filtered(store, filter, ret, progress, context, patience_ms, why);
    rc = store_dead_adopt(store, patience_ms, why);
    return rc == 0 ? store_dead_read_counts(store, ret, patience_ms, why) : rc;
}

int64_t dead_counts_others(const struct store_dead_counts *counts)
{
    int64_t others = counts->total;

    for (size_t i = 0; i < counts->campaign_count; i++)
        others -= counts->campaigns[i].value;
    return others > 0 ? others : 0;
}

static void add_rows(struct buf *json, const char *name, const struct store_counter *counters, size_t count)
{
    buf_printf(json, ",\"%s\":{", name);
    for (size_t i = 0; i < count; i++) {
        buf_text(json, i ? "," : "");
        buf_json_text(json, counters[i].name);
        buf_printf(json, ":%" PRId64, counters[i].value);
    }
    buf_char(json, '}');
}

void dead_counts_write_json(const struct store_dead_counts *counts, struct buf *json)
{
    buf_printf(json, "{\"total\":%" PRId64, counts->total);
    add_rows(json, "reasons", counts->reasons, counts->reason_count);
    add_rows(json, "campaigns", counts->campaigns, counts->campaign_count);
    buf_printf(json, ",\"other_campaigns\":%" PRId64, dead_counts_others(counts));
    add_rows(json, "channels", counts->channels, counts->channel_count);
    buf_text(json, ",\"ages\":{");
    for (int i = 0; i < STORE_AGE_COUNT; i++)
        buf_printf(json, "%s\"%s\":%" PRId64, i ? "," : "", store_dead_age_names[i], counts->ages[i]);
    buf_text(json, "}}");
}
