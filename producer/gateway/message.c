/* GET /v1/messages/{id}: how far a message has come. */
#include <inttypes.h>

#include "common/store_receipt.h"
#include "common/timestamp.h"
#include "producer/gateway/endpoints.h"
#include "producer/gateway/exchange.h"
#include "producer/gateway/lane.h"

static void write_text(struct buf *body, const char *name, const char *text)
{
    if (!text[0])
        return;
    buf_printf(body, ",\"%s\":", name);
    buf_json_text(body, text);
}

static void write_time(struct buf *body, const char *name, int64_t at_ms)
{
    char text[TIMESTAMP_SIZE];

    if (at_ms > 0)
        write_text(body, name, timestamp_format(at_ms, text));
}

static void write_receipts(struct buf *body, const struct store_message_info *info)
{
    const char *comma = "";

    buf_text(body, ",\"receipts\":{");
    for (int i = DELIVERY_QUEUED; i < DELIVERY_COUNT; i++) {
        char time[TIMESTAMP_SIZE];

        if (info->reached_at_ms[i] == 0)
            continue;
        buf_printf(body, "%s\"%s\":\"%s\"", comma, delivery_name((enum delivery)i),
                   timestamp_format(info->reached_at_ms[i], time));
        comma = ",";
    }
    buf_char(body, '}');
}

static void write_message(struct buf *body, const char *id, const struct store_message_info *info)
{
    buf_text(body, "{\"id\":");
    buf_json_text(body, id);
    write_text(body, "state", info->state);
    write_text(body, "reason", info->reason);
    write_text(body, "campaign", info->campaign);
    write_time(body, "accepted_at", info->accepted_at_ms);
    write_time(body, "changed_at", info->at_ms);
    buf_printf(body, ",\"attempts\":%" PRId64, info->attempts);
    write_text(body, "provider_id", info->provider_id);
    write_text(body, "conversation_id", info->conversation_id);
    write_text(body, "correlation_id", info->correlation_id);
    write_text(body, "delivery", delivery_name(info->delivery));
    write_text(body, "failure_code", info->failure_code);
    write_receipts(body, info);
    buf_text(body, "}\n");
}

static void on_read(void *context, int rc, const struct store_message_info *info)
{
    struct exchange *exchange = context;
    struct answer *answer = exchange_answer(exchange);

    if (rc != 0) {
        exchange_redis_away(exchange, rc);
    } else if (!info->is_known) {
        exchange_problem(exchange, 404, "message_unknown", NULL,
                         "no message of this id came through the gateway or was ended within --keep");
    } else if (answer) {
        write_message(answer_json(answer, 200), exchange_segment(exchange), info);
        exchange_send(exchange);
    }
    exchange_release(exchange);
}

void message_answer(struct exchange *exchange)
{
    exchange_keep(exchange);
    store_read_message(lane_store(exchange_lane(exchange)), exchange_segment(exchange), on_read, exchange);
}
