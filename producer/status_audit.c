/* What `herald status` says of the audit: what waits for the exporter, whether there is one, and what it costs if not.
 */
#include <inttypes.h>
#include <stdio.h>

#include "producer/status_report.h"
#include "producer/terminal.h"

#define BEHIND_MS      60000 /* an exporter that follows is behind when its oldest entry is older */
#define BEHIND_PERCENT 80    /* of what the stream keeps */

static void row_age(const char *label, int64_t age_ms, const char *otherwise)
{
    char text[64];

    (void)snprintf(text, sizeof(text), "%.1f s ago", (double)age_ms / 1000);
    terminal_row(stdout, label, age_ms >= 0 ? text : otherwise);
}

static void warn(enum paint paint, const char *text)
{
    (void)printf("  %s%s%s\n", terminal_paint(stdout, paint), text, terminal_paint(stdout, PAINT_PLAIN));
}

bool status_audit_is_behind(const struct store_status *status, int64_t audit_max)
{
    bool was_exported = status->audit_export_age_ms >= 0 || status->audit_lease_ms > 0;

    return status->audit_kept >= audit_max / 100 * BEHIND_PERCENT ||
           (was_exported && status->audit_oldest_ms > BEHIND_MS);
}

static void print_warnings(const struct store_status *status, const struct settings *settings)
{
    char text[200];

    if (settings_audit_stops(settings) && status->audit_kept >= settings->audit_max)
        warn(PAINT_RED, "SENDING IS STOPPED: the audit is full (--audit-full stop); run herald audit export");
    else if (status_audit_is_behind(status, settings->audit_max))
        warn(PAINT_YELLOW, status->audit_lease_ms > 0 ? "the exporter is behind"
                                                      : "nobody exports it; run herald audit export --follow");
    if (status->audit_cut == 0)
        return;
    (void)snprintf(text, sizeof(text), "%" PRId64 " older audit entries were cut off by --audit-max, unexported",
                   status->audit_cut);
    warn(PAINT_YELLOW, text);
}

void status_print_audit(const struct store_status *status, const struct settings *settings)
{
    char clean[STORE_AUDIT_PLACE_SIZE];

    terminal_heading(stdout, "Audit");
    terminal_row_number(stdout, "entries not exported", status->audit_kept);
    if (status->audit_oldest_ms >= 0)
        row_age("  the oldest", status->audit_oldest_ms, "");
    if (status->audit_export_age_ms >= 0)
        terminal_row_number(stdout, "exported", status->audit_exported);
    row_age("last export", status->audit_export_age_ms, "never");
    if (status->audit_place[0])
        (void)printf("  %s %s\n", status->audit_lease_ms > 0 ? "an exporter writes to" : "the last exporter wrote to",
                     terminal_clean(status->audit_place, clean, sizeof(clean)));
    print_warnings(status, settings);
}

void status_add_audit(const struct store_status *status, struct buf *json)
{
    buf_printf(json,
               ",\"audit\":{\"kept\":%" PRId64 ",\"cut\":%" PRId64 ",\"oldest_ms\":%" PRId64 ",\"exported\":%" PRId64
               ",\"export_age_ms\":%" PRId64 ",\"exporter\":{\"lease_left_ms\":%" PRId64 ",\"place\":",
               status->audit_kept, status->audit_cut, status->audit_oldest_ms, status->audit_exported,
               status->audit_export_age_ms, status->audit_lease_ms);
    buf_json_text(json, status->audit_place);
    buf_text(json, "}}");
}
