#include "producer/gateway/outcome.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "producer/gateway/exchange.h"

void outcome_set_id(struct outcome *outcome, const char *id)
{
    (void)snprintf(outcome->id, sizeof(outcome->id), "%s", id); /* ids fit */
}

void outcome_refuse(struct outcome *outcome, const struct refusal *refusal)
{
    outcome->kind = OUTCOME_REFUSED;
    outcome->refusal = mem_zalloc(1, sizeof(*refusal));
    *outcome->refusal = *refusal;
}

static void refuse_key(struct outcome *outcome)
{
    struct refusal refusal;

    (void)refuse(
        &refusal, "idempotency_key_reused", "/idempotency_key",
        "this key was used before, for a message with another payload; that one was accepted, this one is not");
    outcome->id[0] = '\0';
    outcome_refuse(outcome, &refusal);
}

static void refuse_person(struct outcome *outcome)
{
    struct refusal refusal;

    (void)refuse(&refusal, "suppressed", "", "the person has opted out and must not be written to");
    outcome->id[0] = '\0';
    outcome_refuse(outcome, &refusal);
}

void outcome_of(struct outcome *outcome, int rc, const struct store_acceptance *answer)
{
    if (rc != 0) {
        outcome->kind = OUTCOME_UNKNOWN;
        return;
    }
    switch (answer->answer) {
    case STORE_TAKEN:
        outcome->kind = OUTCOME_ACCEPTED;
        break;
    case STORE_TAKEN_ONCE:
        outcome->kind = OUTCOME_REPEATED;
        outcome_set_id(outcome, answer->id);
        break;
    case STORE_KEY_REUSED:
        refuse_key(outcome);
        break;
    case STORE_OFFER_OPTED_OUT:
        refuse_person(outcome);
        break;
    case STORE_FULL:
        outcome->kind = OUTCOME_FULL;
        outcome->id[0] = '\0';
        break;
    }
}

void outcome_clear(struct outcome *outcome)
{
    free(outcome->refusal);
    outcome->refusal = NULL;
}

void outcome_count(const struct outcome *outcome, struct gateway_counters *counters)
{
    switch (outcome->kind) {
    case OUTCOME_ACCEPTED:
        COUNT_UP(counters->messages_accepted);
        break;
    case OUTCOME_REPEATED:
        COUNT_UP(counters->messages_repeated);
        break;
    case OUTCOME_REFUSED:
        COUNT_UP(counters->messages_refused);
        break;
    case OUTCOME_FULL:
    case OUTCOME_UNKNOWN:
        COUNT_UP(counters->messages_put_off);
        break;
    }
}

static void write_refusal(struct buf *out, const char *code, const char *prefix, const char *field, const char *detail)
{
    buf_printf(out, "{\"status\":\"refused\",\"code\":\"%s\"", code);
    if (field[0] || prefix[0]) {
        char pointer[160];

        (void)snprintf(pointer, sizeof(pointer), "%s%s", prefix, field); /* both are short */
        buf_text(out, ",\"pointer\":");
        buf_json_text(out, pointer);
    }
    buf_text(out, ",\"detail\":");
    buf_json_text(out, detail);
    buf_char(out, '}');
}

void outcome_write(const struct outcome *outcome, const char *prefix, struct buf *out)
{
    switch (outcome->kind) {
    case OUTCOME_ACCEPTED:
    case OUTCOME_REPEATED:
        buf_text(out, "{\"status\":\"accepted\"");
        if (outcome->id[0]) {
            buf_text(out, ",\"id\":");
            buf_json_text(out, outcome->id);
        }
        buf_char(out, '}');
        break;
    case OUTCOME_REFUSED:
        write_refusal(out, outcome->refusal->code, prefix, outcome->refusal->field, outcome->refusal->text);
        break;
    case OUTCOME_FULL:
        write_refusal(out, "backlog_full", prefix, "",
                      "too many messages wait already (--max-backlog); send it again later");
        break;
    case OUTCOME_UNKNOWN:
        write_refusal(out, "redis_away", prefix, "",
                      "Redis did not answer, so it may be accepted: send it again with the same idempotency key");
        break;
    }
}

void outcome_write_alone(const struct outcome *outcome, struct answer *answer)
{
    bool is_json;

    switch (outcome->kind) {
    case OUTCOME_ACCEPTED:
    case OUTCOME_REPEATED:
        outcome_write(outcome, "", answer_json(answer, 202));
        buf_char(&answer->body, '\n');
        answer->is_replayed = outcome->kind == OUTCOME_REPEATED;
        break;
    case OUTCOME_REFUSED:
        is_json = strcmp(outcome->refusal->code, "json_invalid") != 0;
        answer_problem(answer, is_json ? 422 : 400, outcome->refusal->code, outcome->refusal->field, "%s",
                       outcome->refusal->text);
        break;
    case OUTCOME_FULL:
        answer_problem(answer, 503, "backlog_full", NULL, "too many messages wait already; ask again later");
        answer->retry_after_s = FULL_RETRY_AFTER_S;
        break;
    case OUTCOME_UNKNOWN:
        answer_problem(answer, 503, "redis_away", NULL,
                       "Redis did not answer, so the message may be accepted: ask again with the same idempotency key");
        answer->retry_after_s = RETRY_AFTER_S;
        break;
    }
}

static size_t count_kind(const struct outcome *outcomes, size_t count, enum outcome_kind kind)
{
    size_t found = 0;

    for (size_t i = 0; i < count; i++)
        found += outcomes[i].kind == kind;
    return found;
}

void outcomes_write(const struct outcome *outcomes, size_t count, struct answer *answer)
{
    size_t repeated = count_kind(outcomes, count, OUTCOME_REPEATED);
    size_t accepted = count_kind(outcomes, count, OUTCOME_ACCEPTED) + repeated;
    size_t refused = count_kind(outcomes, count, OUTCOME_REFUSED);
    size_t later = count - accepted - refused;
    int status = accepted == count ? 202 : later == count ? 503 : refused == count ? 422 : 207;
    struct buf *body = answer_json(answer, status);
    char prefix[24];

    buf_printf(body, "{\"accepted\":%zu,\"refused\":%zu,\"put_off\":%zu,\"items\":[", accepted, refused, later);
    for (size_t i = 0; i < count; i++) {
        buf_text(body, i ? "," : "");
        (void)snprintf(prefix, sizeof(prefix), "/%zu", i);
        outcome_write(&outcomes[i], prefix, body);
    }
    buf_text(body, "]}\n");
    answer->is_replayed = repeated == count;
    answer->retry_after_s = later == 0                                      ? 0
                            : count_kind(outcomes, count, OUTCOME_FULL) > 0 ? FULL_RETRY_AFTER_S
                                                                            : RETRY_AFTER_S;
}
