/* herald report: what was sent and what became of it, over days. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/ids.h"
#include "common/mem.h"
#include "producer/command.h"
#include "producer/report_own.h"
#include "producer/report_print.h"
#include "producer/report_provider.h"
#include "producer/webhooks.h"

struct options {
    int64_t days;
    char *from, *to, *campaign, *by, *format, *export, *source;
    bool is_json;
};

static const struct option rows[] = {
    {"days", NULL, OPTION_NUMBER, .offset = offsetof(struct options, days), .fallback = "7", .min = 1,
     .max = REPORT_DAYS_MAX, .value = "N", .help = "the last N times 24 hours; of more than 40, whole days (UTC)"},
    {"from", NULL, OPTION_TEXT, .offset = offsetof(struct options, from), .value = "TIME",
     .help = "instead of --days: from 2026-01-15T10:00:00Z, 2026-01-15 or 12h ago on, to the hour"},
    {"to", NULL, OPTION_TEXT, .offset = offsetof(struct options, to), .value = "TIME",
     .help = "until then; now when it is not given"},
    {"campaign", NULL, OPTION_TEXT, .offset = offsetof(struct options, campaign), .value = "NAME",
     .help = "this campaign alone"},
    {"by", NULL, OPTION_TEXT, .offset = offsetof(struct options, by), .choices = "channel|campaign|template|hour|day",
     .value = "WHAT", .help = "a line for each channel, campaign, template, hour or day"},
    {"format", NULL, OPTION_TEXT, .offset = offsetof(struct options, format), .fallback = "table",
     .choices = "table|json|csv", .value = "FORMAT", .help = "table, json or csv"},
    {"export", NULL, OPTION_TEXT, .offset = offsetof(struct options, export), .value = "FILE",
     .help =
         "a row for each message besides: CSV when FILE ends so or with --format csv, else JSON lines; - for standard "
         "output, instead of the report"},
    {"source", NULL, OPTION_TEXT, .offset = offsetof(struct options, source), .fallback = "herald",
     .choices = "herald|genesys|messages|analytics", .value = "WHOSE",
     .help =
         "herald: what it has counted itself; genesys: what Genesys says, by the tutorial's messages or else the real "
         "analytics; messages, analytics: that one"},
    {"json", NULL, OPTION_SWITCH, .offset = offsetof(struct options, is_json), .help = "the same as --format json"},
};

static int check_campaign(const char *campaign, struct reason *why)
{
    if (!campaign || (id_is_valid(campaign, strlen(campaign)) && strlen(campaign) <= 64))
        return 0;
    reason_set(why, "--campaign: a campaign's name is 1 to 64 letters, digits and . _ : -");
    return ERR_INVALID;
}

static void print(const struct options *options, const struct report_heading *heading, const struct report *report)
{
    if (options->is_json || strcmp(options->format, "json") == 0)
        report_print_json(heading, report);
    else if (strcmp(options->format, "csv") == 0)
        report_print_csv(report);
    else
        report_print_table(heading, report);
}

static int gather(const struct command_call *call, struct report_heading *heading, struct report *report,
                  struct report_rows *export, struct reason *why)
{
    const struct options *options = call->options;
    enum provider_source source;

    if (!provider_source_find(options->source, &source))
        return report_own(call->settings, &heading->range, report, export, why);
    heading->source = "genesys";
    return report_provider(call->settings, source, &heading->range, report, export, why);
}

/* Closes the file, whatever came before; returns what came first. */
static int finish_export(struct report_rows *export, int rc, struct reason *why)
{
    int64_t count = export ? report_rows_count(export) : 0;
    struct reason closing = {""};
    int closed = report_rows_close(export, &closing);

    if (rc == 0 && closed != 0)
        *why = closing;
    else if (rc == 0 && export)
        (void)fprintf(stderr, "%" PRId64 " messages exported\n", count);
    return rc != 0 ? rc : closed;
}

static enum exit_status run_command(const struct command_call *call)
{
    const struct options *options = call->options;
    struct report_heading heading = {.source = "herald", .org = call->settings->org};
    struct report *report = mem_zalloc(1, sizeof(*report));
    struct report_rows *export = NULL;
    struct reason why = {""};
    int rc = report_range_parse(&heading.range, options->days, options->from, options->to, clock_wall_ms(), &why);

    report_init(report, report_by_find(options->by), options->campaign);
    if (rc == 0)
        rc = check_campaign(options->campaign, &why);
    if (rc == 0 && options->export)
        rc = report_rows_open(&export, options->export, strcmp(options->format, "csv") == 0, &why);
    if (rc == 0)
        rc = gather(call, &heading, report, export, &why);
    rc = finish_export(export, rc, &why);
    report_finish(report);
    if (rc == 0 && !(options->export && strcmp(options->export, "-") == 0))
        print(options, &heading, report);
    report_clear(report);
    free(report);
    if (rc == 0)
        return EXIT_DONE;
    return strcmp(heading.source, "genesys") == 0 ? webhooks_fail(rc, &why) : command_fail(rc, &why);
}

const struct command command_report = {
    .name = "report",
    .usage = "[OPTION]...",
    .summary = "what was sent and what became of it: counts, rates, latencies",
    .help = "Times are UTC, in whole hours. `sent` and `dead` count in the hour in which that happened; `delivered`, "
            "`read`\n"
            "and `failed` in the hour in which their message was sent. The success rate is how many of those whose\n"
            "delivery has ended were delivered, the delivery rate how many of all that were sent.\n",
    .programs = SETTINGS_GENESYS,
    .rows = rows,
    .row_count = sizeof(rows) / sizeof(rows[0]),
    .options_size = sizeof(struct options),
    .run = run_command,
};
