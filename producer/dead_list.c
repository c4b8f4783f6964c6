/* herald dead list: how many dead letters there are, by what. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/mem.h"
#include "producer/command.h"
#include "producer/dead_counts.h"
#include "producer/terminal.h"

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

static void print_rows(const char *title, const struct store_counter *counters, size_t count, const char *nameless)
{
    if (count > 0)
        terminal_heading(stdout, title);
    for (size_t i = 0; i < count; i++)
        terminal_row_number(stdout, counters[i].name[0] ? counters[i].name : nameless, counters[i].value);
}

static void print_table(const struct store_dead_counts *counts)
{
    int64_t others = dead_counts_others(counts);

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

static void print_json(const struct store_dead_counts *counts)
{
    struct buf json;

    buf_init(&json, DEAD_COUNTS_JSON_MAX);
    dead_counts_write_json(counts, &json);
    buf_char(&json, '\n');
    (void)fputs(buf_str(&json), stdout);
    buf_clear(&json);
}

static void show_progress(void *progress, int64_t seen, int64_t total)
{
    progress_update(progress, (uint64_t)seen, (uint64_t)total, (uint64_t)seen);
}

static enum exit_status run_command(const struct command_call *call)
{
    const struct options *options = call->options;
    struct store_dead_counts *counts = mem_zalloc(1, sizeof(*counts));
    struct dead_filter filter;
    struct store *store = NULL;
    struct progress progress;
    struct reason why = {""};
    int rc = dead_filter_parse(&filter, options->filter, clock_wall_ms(), &why);

    if (rc == 0)
        rc = command_open_store(call->settings, &store, &why);
    if (rc == 0) {
        progress_begin(&progress, "looking", !dead_filter_is_empty(&filter));
        rc = dead_counts_read(store, &filter, counts, show_progress, &progress, COMMAND_PATIENCE_MS, &why);
        progress_end(&progress);
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
