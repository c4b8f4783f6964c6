#include "producer/report_provider.h"

#include <string.h>

#include "producer/command.h"

struct adding {
    struct report *report;
    struct report_rows *rows;
    int rc;
    struct reason *why;
};

static void count(struct report_counts *counts, const struct provider_message *message)
{
    bool is_delivered = message->delivery == DELIVERY_DELIVERED || message->delivery == DELIVERY_READ;

    counts->sent++;
    counts->delivered += is_delivered;
    counts->read += message->delivery == DELIVERY_READ;
    counts->failed += message->delivery == DELIVERY_FAILED;
    if (message->sent_ms > 0)
        latency_add(&counts->waited, message->sent_ms - message->created_ms);
    if (message->sent_ms > 0 && message->delivered_ms > 0)
        latency_add(&counts->travelled, message->delivered_ms - message->sent_ms);
}

static int add_row(struct adding *adding, const struct provider_message *message)
{
    const struct report_row row = {
        .message_id = message->id,
        .provider_id = message->id,
        .conversation_id = message->conversation_id,
        .campaign = message->campaign,
        .template_name = "",
        .channel = channel_name(message->channel),
        .status = delivery_name(message->delivery),
        .reason = "",
        .created_ms = message->created_ms,
        .sent_ms = message->sent_ms,
        .delivered_ms = message->delivered_ms,
        .read_ms = message->read_ms,
        .failed_ms = message->failed_ms,
        .attempts = -1,
    };

    return report_rows_add(adding->rows, &row, adding->why);
}

static bool add(void *context, const struct provider_message *message)
{
    struct adding *adding = context;
    const struct store_report_row row = {message->created_ms / STORE_HOUR_MS * STORE_HOUR_MS, message->campaign,
                                         channel_name(message->channel), ""};
    struct report_counts *counts = report_pick(adding->report, &row);

    if (!counts)
        return true;
    count(counts, message);
    if (adding->rows)
        adding->rc = add_row(adding, message);
    return adding->rc == 0;
}

int report_provider(const struct settings *settings, enum provider_source source, const struct report_range *range,
                    struct report *report, struct report_rows *rows, struct reason *why)
{
    struct adding adding = {.report = report, .rows = rows, .why = why};
    struct provider_reading reading = {
        .settings = settings,
        .source = source,
        .from_ms = range->from_ms,
        .to_ms = range->to_ms,
        .is_shown = true,
        .visit = add,
        .context = &adding,
    };
    enum provider_api api;
    int rc;

    if (report->by == REPORT_BY_TEMPLATE) {
        reason_set(why, "--by template: Genesys does not know Herald's templates");
        return ERR_INVALID;
    }
    rc = command_open_store(settings, &reading.store, why);
    if (rc == 0)
        rc = provider_each(&reading, &api, why);
    store_close(reading.store);
    return rc != 0 ? rc : adding.rc;
}
