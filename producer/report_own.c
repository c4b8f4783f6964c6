#include "producer/report_own.h"

#include <string.h>

#include "common/clock.h"
#include "producer/command.h"
#include "producer/terminal.h"

struct exporting {
    const char *campaign; /* NULL: all */
    struct report_rows *rows;
    struct progress progress;
    int64_t done, total; /* hours */
    int rc;
    struct reason *why;
};

static const char *status_of(const struct store_message_info *info)
{
    if (strcmp(info->state, "sent") != 0)
        return info->state;
    return info->delivery == DELIVERY_PENDING || info->delivery == DELIVERY_QUEUED ? "sent"
                                                                                   : delivery_name(info->delivery);
}

static bool export_message(void *context, const char *id, const struct store_message_info *info)
{
    struct exporting *exporting = context;
    bool is_dead = strcmp(info->state, "dead") == 0, is_sent = strcmp(info->state, "sent") == 0;
    const struct report_row row = {
        .message_id = id,
        .provider_id = info->provider_id,
        .conversation_id = info->conversation_id,
        .campaign = info->campaign,
        .template_name = info->template_name,
        .channel = info->channel,
        .status = status_of(info),
        .reason = is_dead ? info->reason : info->failure_code,
        .created_ms = info->since_ms,
        .sent_ms = is_sent ? info->at_ms : 0,
        .delivered_ms = info->reached_at_ms[DELIVERY_DELIVERED],
        .read_ms = info->reached_at_ms[DELIVERY_READ],
        .failed_ms = info->reached_at_ms[DELIVERY_FAILED],
        .dead_ms = is_dead ? info->at_ms : 0,
        .attempts = info->attempts,
    };

    if ((!is_dead && !is_sent) || (exporting->campaign && strcmp(exporting->campaign, info->campaign) != 0))
        return true;
    exporting->rc = report_rows_add(exporting->rows, &row, exporting->why);
    progress_update(&exporting->progress, (uint64_t)exporting->done, (uint64_t)exporting->total,
                    (uint64_t)report_rows_count(exporting->rows));
    return exporting->rc == 0;
}

static int export_rows(struct store *store, const struct report_range *range, const char *campaign,
                       struct report_rows *rows, int64_t keep_ms, struct reason *why)
{
    struct exporting exporting = {.campaign = campaign, .rows = rows, .why = why};
    const int64_t kept_ms = clock_wall_ms() - keep_ms - STORE_HOUR_MS;
    int64_t first = (range->from_ms > kept_ms ? range->from_ms : kept_ms) / STORE_HOUR_MS,
            last = range->to_ms / STORE_HOUR_MS;
    int rc = 0;

    if (range->from_ms < kept_ms)
        (void)fprintf(stderr, "herald: single messages are known for --keep only; rows before that are not there\n");
    exporting.total = last - first;
    progress_begin(&exporting.progress, "exporting", true);
    for (int64_t hour = first; rc == 0 && exporting.rc == 0 && hour < last; hour++, exporting.done++)
        rc = store_report_ended(store, hour, export_message, &exporting, COMMAND_PATIENCE_MS, why);
    progress_end(&exporting.progress);
    return rc != 0 ? rc : exporting.rc;
}

int report_own(const struct settings *settings, const struct report_range *range, struct report *report,
               struct report_rows *rows, struct reason *why)
{
    struct report_piece pieces[REPORT_PIECES_MAX];
    struct store *store = NULL;
    size_t count = 0;
    int rc = report_range_pieces(range, report->by == REPORT_BY_HOUR, clock_wall_ms(), pieces, &count, why);

    if (rc == 0)
        rc = command_open_store(settings, &store, why);
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = store_report_read(store, pieces[i].span, pieces[i].first, pieces[i].last, report_pick, report,
                               COMMAND_PATIENCE_MS, why);
    if (rc == 0 && rows)
        rc = export_rows(store, range, report->campaign, rows, settings->keep_ms, why);
    store_close(store);
    return rc;
}
