/* POST /v1/messages: one message, or an array of them. Lines of JSON are taken by message_lines.c. */
#include "producer/gateway/messages.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/mem.h"
#include "producer/gateway/endpoints.h"
#include "producer/gateway/exchange.h"
#include "producer/gateway/gather.h"
#include "producer/gateway/gateway.h"
#include "producer/gateway/lane.h"
#include "producer/gateway/message_lines.h"
#include "producer/gateway/outcome.h"

#define ARRAY_MAX 1000

/* A request while Redis is asked. */
struct messages {
    struct exchange *exchange;
    struct intake_rules rules;
    bool is_array;
    size_t count, unanswered;
    struct outcome outcomes[];
};

static void send_answer(struct messages *messages)
{
    struct answer *answer = exchange_answer(messages->exchange);

    if (!answer)
        return;
    if (messages->is_array)
        outcomes_write(messages->outcomes, messages->count, answer);
    else
        outcome_write_alone(&messages->outcomes[0], answer);
    exchange_send(messages->exchange);
}

static void finish(struct messages *messages)
{
    send_answer(messages);
    for (size_t i = 0; i < messages->count; i++)
        outcome_clear(&messages->outcomes[i]);
    exchange_release(messages->exchange);
    free(messages);
}

static void on_accepted(void *context, size_t index, int rc, const struct store_acceptance *answer)
{
    struct messages *messages = context;

    outcome_of(&messages->outcomes[index], rc, answer);
    outcome_count(&messages->outcomes[index], &exchange_gateway(messages->exchange)->counters);
    if (--messages->unanswered == 0)
        finish(messages);
}

static bool is_wanted(void *context)
{
    const struct messages *messages = context;

    return exchange_answer(messages->exchange) != NULL;
}

static void take(struct messages *messages, size_t index, struct span text, int64_t now_ms)
{
    struct lane *lane = exchange_lane(messages->exchange);
    struct outcome *outcome = &messages->outcomes[index];
    struct refusal refusal;
    struct intake intake;

    if (intake_read(&intake, &messages->rules, index, text, now_ms, &refusal) != 0) {
        outcome_refuse(outcome, &refusal);
        outcome_count(outcome, &exchange_gateway(messages->exchange)->counters);
    } else {
        outcome_set_id(outcome, intake.offer.id);
        messages->unanswered++;
        gather_accept(lane_gather(lane), lane_gateway(lane)->settings->max_backlog, &intake.offer, index, is_wanted,
                      on_accepted, messages);
    }
    intake_clear(&intake);
}

struct intake_rules messages_rules(const struct exchange *exchange)
{
    return (struct intake_rules){
        .origins = exchange_gateway(exchange)->settings->origins,
        .callbacks = &exchange_gateway(exchange)->callbacks,
        .composer = lane_composer(exchange_lane(exchange)),
        .request_key = exchange_header(exchange, "Idempotency-Key"),
        .traceparent = exchange_header(exchange, "traceparent"),
        .client = exchange_client(exchange)->name,
    };
}

static struct messages *messages_new(struct exchange *exchange, size_t count)
{
    struct messages *messages = mem_zalloc(1, sizeof(*messages) + count * sizeof(messages->outcomes[0]));

    messages->exchange = exchange;
    messages->count = count;
    messages->rules = messages_rules(exchange);
    exchange_keep(exchange);
    return messages;
}

static void take_array(struct exchange *exchange, const struct json *array)
{
    size_t count = json_count(array);
    int64_t now_ms = clock_wall_ms();
    struct messages *messages;
    struct buf text;

    if (count == 0 || count > ARRAY_MAX) {
        exchange_problem(exchange, 422, "array_length", "",
                         "an array has 1 to 1000 messages; more go as lines of JSON (application/x-ndjson)");
        return;
    }
    messages = messages_new(exchange, count);
    messages->is_array = true;
    messages->unanswered = 1; /* until all have been read */
    buf_init(&text, JSON_MAX_BYTES);
    for (size_t i = 0; i < count; i++) {
        buf_reset(&text);
        json_print(json_at(array, i), &text);
        take(messages, i, (struct span){buf_str(&text), text.len}, now_ms);
    }
    buf_clear(&text);
    if (--messages->unanswered == 0)
        finish(messages);
}

static void take_one(struct exchange *exchange)
{
    struct messages *messages = messages_new(exchange, 1);

    take(messages, 0, exchange_body(exchange), clock_wall_ms());
    if (messages->unanswered == 0)
        finish(messages);
}

static bool is_array(struct span body)
{
    size_t blanks = strspn(body.data, " \t\r\n"); /* the body has a NUL behind it */

    return blanks < body.len && body.data[blanks] == '[';
}

void messages_begin(struct exchange *exchange)
{
    const char *key = exchange_header(exchange, "Idempotency-Key");
    bool is_lines = message_lines_are_sent(exchange);

    if (key && (!*key || strlen(key) > REQUEST_KEY_MAX))
        exchange_problem(exchange, 400, "idempotency_key_invalid", NULL,
                         "Idempotency-Key must have 1 to 256 characters");
    else if (!is_lines && !exchange_is_type(exchange, "application/json"))
        exchange_problem(exchange, 415, "type_unsupported", NULL,
                         "Content-Type must be application/json or application/x-ndjson");
    else if (!gather_has_room(lane_gather(exchange_lane(exchange))))
        exchange_unavailable(exchange, "busy", "more requests are waiting for Redis than there is room for; ask again");
    else if (is_lines)
        message_lines_begin(exchange);
}

void messages_answer(struct exchange *exchange)
{
    struct span body = exchange_body(exchange);
    struct json *json = NULL;
    struct reason why;

    if (!is_array(body)) {
        take_one(exchange);
    } else if (json_parse(&json, body.data, body.len, &why) != 0) {
        exchange_problem(exchange, 400, "json_invalid", NULL, why.text);
    } else {
        take_array(exchange, json);
    }
    json_free(json);
}
