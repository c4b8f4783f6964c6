/* herald dead list: how many dead letters there are, by what. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/mem.h"
#include "producer/command.h"
#include "producer/dead_walk.h"
#include "producer/terminal.h"

#define JSON_MAX ((size_t)1 << 20)

struct options {
    char *filter;
    bool is_json;
};

static const struct option rows[] = {
    {"filter", NULL, OPTION_TEXT, .offset = offsetof(struct options, filter), .value = "FILTER",
     .help = "count these only (they are read for it, which takes a while with very many)"},
    {"json", NULL, OPTION_SWITCH, .offset = offsetof(struct options, is_json), .help = "as JSON"},
};

static const char *const age_labels[] = {
    [STORE_AGE_HOURS] = "under 2 hours", [STORE_AGE_DAY] = "under 1 day",       [STORE_AGE_WEEK] = "under 7 days",
    [STORE_AGE_MONTH] = "under 30 days", [STORE_AGE_OLDER] = "30 days or more",
};

/* --- counting what a filter takes --- */

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
                          struct reason *why)
{
    struct dead_walk *walk = NULL;
    struct dead_batch batch = {.count = 1};
    struct progress progress;
    int rc = dead_walk_open(&walk, store, filter, NULL, false, COMMAND_PATIENCE_MS, why);

    if (rc != 0)
        return rc;
    counts->now_ms = dead_walk_now_ms(walk);
    progress_begin(&progress, "looking", true);
    while (rc == 0 && batch.count > 0) {
        rc = dead_walk_next(walk, &batch, why);
        for (size_t i = 0; rc == 0 && i < batch.count; i++)
            count_letter(counts, &batch.letters[i]);
        progress_update(&progress, (uint64_t)dead_walk_seen(walk), (uint64_t)dead_walk_total(walk),
                        (uint64_t)dead_walk_seen(walk));
    }
    progress_end(&progress);
    if (rc != 0)
        store_drop(store);
    dead_walk_close(walk);
    store_dead_sort(counts);
    return rc;
}

/* --- showing --- */

static int64_t others_of(const struct store_dead_counts *counts)
{
    int64_t others = counts->total;

    for (size_t i = 0; i < counts->campaign_count; i++)
        others -= counts->campaigns[i].value;
    return others > 0 ? others : 0;
}

static void print_rows(const char *title, const struct store_counter *counters, size_t count, const char *nameless)
{
    if (count > 0)
        terminal_heading(stdout, title);
    for (size_t i = 0; i < count; i++)
        terminal_row_number(stdout, counters[i].name[0] ? counters[i].name : nameless, counters[i].value);
}

static void print_table(const struct store_dead_counts *counts)
{
    int64_t others = others_of(counts);

    terminal_heading(stdout, "Dead letters");
    terminal_row_number(stdout, "in all", counts->total);
    print_rows("By reason", counts->reasons, counts->reason_count, "(none)");
    print_rows("By campaign", counts->campaigns, counts->campaign_count, "(no campaign)");
    if (others > 0)
        terminal_row_number(stdout, "(other campaigns)", others);
    print_rows("By channel", counts->channels, counts->channel_count, "none");
    if (counts->total > 0)
        terminal_heading(stdout, "By age, in whole hours of the clock");
    for (int i = 0; i < STORE_AGE_COUNT; i++) {
        if (counts->ages[i] > 0)
            terminal_row_number(stdout, age_labels[i], counts->ages[i]);
    }
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

static void print_json(const struct store_dead_counts *counts)
{
    struct buf json;

    buf_init(&json, JSON_MAX);
    buf_printf(&json, "{\"total\":%" PRId64, counts->total);
    add_rows(&json, "reasons", counts->reasons, counts->reason_count);
    add_rows(&json, "campaigns", counts->campaigns, counts->campaign_count);
    buf_printf(&json, ",\"other_campaigns\":%" PRId64, others_of(counts));
    add_rows(&json, "channels", counts->channels, counts->channel_count);
    buf_text(&json, ",\"ages\":{");
    for (int i = 0; i < STORE_AGE_COUNT; i++)
        buf_printf(&json, "%s\"%s\":%" PRId64, i ? "," : "", store_dead_age_names[i], counts->ages[i]);
    buf_text(&json, "}}\n");
    (void)fputs(buf_str(&json), stdout);
    buf_clear(&json);
}

static enum exit_status run_command(const struct command_call *call)
{
    const struct options *options = call->options;
    struct store_dead_counts *counts = mem_zalloc(1, sizeof(*counts));
    struct dead_filter filter;
    struct store *store = NULL;
    struct reason why = {""};
    int rc = dead_filter_parse(&filter, options->filter, clock_wall_ms(), &why);

    if (rc == 0)
        rc = command_open_store(call->settings, &store, &why);
    if (rc == 0 && dead_filter_is_empty(&filter)) {
        rc = store_dead_adopt(store, COMMAND_PATIENCE_MS, &why);
        if (rc == 0)
            rc = store_dead_read_counts(store, counts, COMMAND_PATIENCE_MS, &why);
    } else if (rc == 0) {
        rc = count_filtered(store, &filter, counts, &why);
    }
    if (rc == 0 && options->is_json)
        print_json(counts);
    else if (rc == 0)
        print_table(counts);
    store_close(store);
    dead_filter_clear(&filter);
    free(counts);
    return rc == 0 ? EXIT_DONE : command_fail(rc, &why);
}

const struct command command_dead_list = {
    .name = "dead list",
    .usage = "[OPTION]...",
    .summary = "how many dead letters there are, by reason, campaign, channel and age",
    .help = COMMAND_FILTER_HELP,
    .rows = rows,
    .row_count = sizeof(rows) / sizeof(rows[0]),
    .options_size = sizeof(struct options),
    .run = run_command,
};
