/* POST /webhooks/genesys-messaging and /webhooks/open-messaging: receipts. Genesys delivers again what is not answered
 * with 2xx (time-out, 429, 5xx), so yes is said only to what is in Redis, and to what will never be of use. */
#include "common/clock.h"
#include "producer/gateway/endpoints.h"
#include "producer/gateway/exchange.h"
#include "producer/gateway/gather.h"
#include "producer/gateway/gateway.h"
#include "producer/gateway/lane.h"
#include "producer/gateway/receipt.h"
#include "producer/gateway/signature.h"

static void answer_result(struct exchange *exchange, const char *result)
{
    struct answer *answer = exchange_answer(exchange);
    struct buf *body;

    if (!answer)
        return;
    body = answer_json(answer, 200);
    buf_text(body, "{\"result\":\"");
    buf_text(body, result);
    buf_text(body, "\"}\n");
    exchange_send(exchange);
}

static void on_received(void *context, int rc, enum store_received received)
{
    struct exchange *exchange = context;
    struct gateway_counters *counters = &exchange_gateway(exchange)->counters;

    if (rc != 0) {
        exchange_redis_away(exchange, rc);
        exchange_release(exchange);
        return;
    }
    switch (received) {
    case STORE_APPLIED:
        COUNT_UP(counters->receipts_applied);
        answer_result(exchange, "recorded");
        break;
    case STORE_REPEATED:
        COUNT_UP(counters->receipts_repeated);
        answer_result(exchange, "repeated");
        break;
    case STORE_EARLY:
        COUNT_UP(counters->receipts_early);
        answer_result(exchange, "early");
        break;
    }
    exchange_release(exchange);
}

static bool is_wanted(void *context)
{
    return exchange_answer(context) != NULL;
}

static bool is_signed(struct exchange *exchange)
{
    struct gateway *gateway = exchange_gateway(exchange);

    if (gateway->takes_unsigned ||
        signature_is_good(&keyring_now(gateway->keyring)->secrets, exchange_header(exchange, SIGNATURE_HEADER),
                          exchange_body(exchange)))
        return true;
    COUNT_UP(gateway->counters.receipts_unsigned);
    exchange_problem(exchange, 401, "signature_wrong", NULL,
                     "the header " SIGNATURE_HEADER
                     " must hold the HMAC-SHA256 of the body under the webhook's secret");
    return false;
}

typedef int (*receipt_read_fn)(struct receipt *ret, struct span body, int64_t now_ms, struct refusal *why);

static void take(struct exchange *exchange, receipt_read_fn read)
{
    struct gateway *gateway = exchange_gateway(exchange);
    struct gather *gather = lane_gather(exchange_lane(exchange));
    struct receipt receipt;
    struct refusal why;
    int rc;

    if (!is_signed(exchange))
        return;
    rc = read(&receipt, exchange_body(exchange), clock_wall_ms(), &why);
    if (rc == RECEIPT_NOTHING) {
        COUNT_UP(gateway->counters.receipts_ignored);
        answer_result(exchange, "ignored");
    } else if (rc != 0) {
        exchange_problem(exchange, 400, why.code, why.field, why.text);
    } else if (!gather_has_room(gather)) {
        exchange_unavailable(exchange, "busy", "more requests are waiting for Redis than there is room for");
    } else {
        exchange_keep(exchange);
        gather_receipt(gather, gateway->settings->webhook_dedup_ms, &receipt.record, is_wanted, on_received, exchange);
    }
    receipt_clear(&receipt);
}

void webhook_messaging(struct exchange *exchange)
{
    take(exchange, receipt_read_messaging);
}

void webhook_open(struct exchange *exchange)
{
    take(exchange, receipt_read_open);
}
