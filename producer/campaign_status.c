/* herald campaign status: how far a campaign is. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/mem.h"
#include "common/timestamp.h"
#include "producer/command.h"
#include "producer/follow.h"
#include "producer/terminal.h"

struct options {
    bool is_json, is_waiting;
};

static const struct option rows[] = {
    {"wait", NULL, OPTION_SWITCH, .offset = offsetof(struct options, is_waiting),
     .help = "stay until every message of the campaign has an end"},
    {"json", NULL, OPTION_SWITCH, .offset = offsetof(struct options, is_json), .help = "as JSON"},
};

/* The counters whose names begin so, without that beginning. */
static void print_parts(const struct campaign_counts *counts, const char *prefix)
{
    char text[96];

    for (size_t i = 0; i < counts->counter_count; i++) {
        if (strncmp(counts->counters[i].name, prefix, strlen(prefix)) != 0 || counts->counters[i].value == 0)
            continue;
        (void)snprintf(text, sizeof(text), "  %s", counts->counters[i].name + strlen(prefix));
        terminal_row_number(stdout, text, counts->counters[i].value);
    }
}

static void print_table(const char *campaign, const struct campaign_counts *counts)
{
    char text[96], time[TIMESTAMP_SIZE];

    (void)snprintf(text, sizeof(text), "Campaign %.64s", campaign);
    terminal_heading(stdout, text);
    (void)printf("  %-28s %s\n", "first enqueued", timestamp_format(counts->first_at_ms, time));
    terminal_row(stdout, "state", counts->state);
    terminal_row_number(stdout, "accepted", counts->accepted);
    terminal_row_number(stdout, "sent", counts->sent);
    print_parts(counts, "receipt:");
    terminal_row_number(stdout, "dead", counts->dead);
    print_parts(counts, "dead:");
    if (counts->cancelled > 0)
        terminal_row_number(stdout, "cancelled", counts->cancelled);
    if (counts->purged > 0)
        terminal_row_number(stdout, "purged", counts->purged);
    terminal_row_number(stdout, "still to come", counts->accepted - counts->ended);
    terminal_row_number(stdout, "retries so far", counts->retries);
    if (counts->accepted > 0) {
        (void)snprintf(text, sizeof(text), "%.1f%%", (double)counts->ended * 100 / (double)counts->accepted);
        terminal_row(stdout, "done", text);
    }
}

static void print_json(const char *campaign, const struct campaign_counts *counts)
{
    struct buf json;

    buf_init(&json, 65536);
    buf_text(&json, "{\"campaign\":");
    buf_json_text(&json, campaign);
    buf_printf(&json, ",\"state\":\"%s\",\"left\":%" PRId64 ",", counts->state, counts->accepted - counts->ended);
    campaign_write_counters(counts, &json);
    buf_text(&json, "}\n");
    (void)fputs(buf_str(&json), stdout);
    buf_clear(&json);
}

static int look(const struct command_call *call, const char *campaign, struct campaign_counts *counts,
                struct reason *why)
{
    const struct options *options = call->options;
    struct store *store = NULL;
    int rc = command_open_store(call->settings, &store, why);

    if (rc == 0 && options->is_waiting)
        rc = follow_campaign(store, campaign, !options->is_json, why);
    if (rc == 0)
        rc = campaign_read(store, campaign, counts, why);
    store_close(store);
    return rc;
}

static enum exit_status run_command(const struct command_call *call)
{
    const struct options *options = call->options;
    struct campaign_counts *counts;
    struct reason why = {""};
    int rc;

    if (call->words->count != 1) {
        reason_set(&why, "which campaign? herald campaign status NAME");
        return command_fail(ERR_INVALID, &why);
    }
    counts = mem_zalloc(1, sizeof(*counts));
    rc = look(call, call->words->words[0], counts, &why);
    if (rc == 0 && options->is_json)
        print_json(call->words->words[0], counts);
    else if (rc == 0)
        print_table(call->words->words[0], counts);
    free(counts);
    return rc == 0 ? EXIT_DONE : command_fail(rc, &why);
}

const struct command command_campaign_status = {
    .name = "campaign status",
    .usage = "NAME [OPTION]...",
    .summary = "how many messages of a campaign were accepted, sent, buried; what is left",
    .help = "",
    .words_max = 1,
    .rows = rows,
    .row_count = sizeof(rows) / sizeof(rows[0]),
    .options_size = sizeof(struct options),
    .run = run_command,
};
