#include "worker/attempt.h"

#include "common/clock.h"
#include "common/ids.h"
#include "common/log.h"
#include "worker/backoff.h"
#include "worker/ending.h"
#include "worker/meters.h"
#include "worker/pause.h"

static void note_pause(struct sender *sender, const struct verdict *verdict, const struct answer *answer,
                       int64_t pause_ms)
{
    if (pause_ms <= 0)
        return;
    meters_note_pause(sender->metrics, verdict);
    pause_org(sender->store, verdict, answer, pause_ms);
    sender->next_take_ms = clock_mono_ms() + pause_ms;
}

static void log_attempt(const struct slot *slot, const struct verdict *verdict, const struct attempt_record *record)
{
    const struct envelope *envelope = &slot->envelope;

    log_info("attempt", LOG_TEXT("id", envelope->id), LOG_IF_ANY("campaign", envelope->campaign),
             LOG_TEXT("route", envelope->route->name), LOG_TEXT("outcome", record->outcome),
             LOG_TEXT("verdict", verdict->name), LOG_NUMBER("status", record->status), LOG_IF_ANY("code", record->code),
             LOG_IF_ANY("correlation_id", record->correlation_id), LOG_NUMBER("latency_ms", record->latency_ms),
             LOG_NUMBER("attempts", envelope->progress.attempts), LOG_IF_ANY("trace_id", envelope->trace.id));
}

static void note_progress(struct envelope *envelope, const struct verdict *verdict, long status)
{
    envelope->progress.attempts += verdict->burns_attempt;
    envelope->progress.unknowns += verdict->is_unknown;
    envelope->progress.forbidden += status == 403;
    envelope->progress.deferrals += verdict->outcome == OUTCOME_DEFERRED;
}

static int64_t retry_delay_ms(const struct sender *sender, const struct slot *slot)
{
    const struct settings *settings = sender->crew->settings;
    int64_t delay_ms = backoff_ms((unsigned)slot->envelope.progress.deferrals, settings->retry_base_ms,
                                  settings->retry_cap_ms, random_u64());

    return slot->answer.retry_after_ms > delay_ms ? slot->answer.retry_after_ms : delay_ms;
}

/* Agentless messages: they have no webhook, and both ids that the question takes. An id that is no part of a path names
 * no conversation. */
static bool is_polled(const struct slot *slot)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    const char *conversation = slot->answer.conversation_id;

    return slot->envelope.route == &route_agentless && slot->answer.message_id[0] && conversation[0] &&
           strspn(conversation, plain) == strlen(conversation);
}

static void settle(struct sender *sender, struct slot *slot, const struct verdict *verdict,
                   const struct attempt_record *record, enum transport transport)
{
    struct store_settle item;
    struct letter letter;

    switch (verdict->outcome) {
    case OUTCOME_SENT:
        item = ending_item(slot);
        item.about = ending_about(sender, slot);
        item.provider_id = slot->answer.message_id;
        item.conversation_id = slot->answer.conversation_id;
        item.correlation_id = slot->answer.correlation_id;
        item.is_polled = is_polled(slot);
        item.person = span_of(slot->person);
        item.audit = (struct span){slot->audit.data, slot->audit.len};
        settler_add(&sender->settler, STORE_SENT, slot, &item);
        break;
    case OUTCOME_DEFERRED:
        envelope_add_attempt(&slot->envelope, record);
        ending_defer(sender, slot, retry_delay_ms(sender, slot), "retries", false);
        break;
    case OUTCOME_DEAD:
        envelope_add_attempt(&slot->envelope, record);
        letter = (struct letter){.reason = verdict->reason,
                                 .field = "",
                                 .detail = record->message,
                                 .at_ms = ending_now_ms(sender),
                                 .last = record};
        ending_bury(sender, slot, &letter, (struct span){NULL, 0}, false);
        break;
    case OUTCOME_RETURNED:
        ending_release(sender, slot, transport == TRANSPORT_WITHHELD); /* its grant was not used */
        break;
    }
}

/* What was said about it, Genesys' words or libcurl's. */
static struct attempt_record record_of(const struct slot *slot, const struct http_result *result,
                                       const struct verdict *verdict)
{
    bool has_answer = result->transport == TRANSPORT_ANSWERED;

    return (struct attempt_record){
        .at_ms = slot->sent_at_ms,
        .latency_ms = result->latency_ms,
        .status = result->status,
        .outcome = outcome_name(verdict->outcome),
        .code = has_answer ? slot->answer.error_code : verdict->name,
        .message = has_answer ? slot->answer.error_message : result->error,
        .correlation_id = slot->answer.correlation_id,
        .is_unknown = verdict->is_unknown,
    };
}

static void read_answer(struct slot *slot, const struct http_result *result, int64_t own_ms)
{
    const struct answer_raw raw = {
        .status = result->status,
        .retry_after = result->retry_after,
        .correlation_id = result->correlation_id,
        .request_id = result->request_id,
        .id_from_request_id = slot->envelope.route->id_from_header,
        .body = result->body.data,
        .body_len = result->body.len,
    };

    answer_read(&slot->answer, &raw, own_ms);
}

static void count_attempt(const struct sender *sender, const struct slot *slot, const struct http_result *result,
                          const struct verdict *verdict, int64_t now_ms)
{
    int64_t since_ms = ending_since_ms(&slot->envelope);

    meters_note_attempt(sender->metrics, &(struct meters_attempt){
                                             .envelope = &slot->envelope,
                                             .verdict = verdict,
                                             .was_answered = result->transport == TRANSPORT_ANSWERED,
                                             .latency_ms = result->latency_ms,
                                             .waited_ms = since_ms > 0 ? now_ms - since_ms : 0,
                                         });
}

/* Genesys counts a request when it arrives, and some are on their way for longer than others: there is a queue at the
 * other end, or a switch forgets about us for a moment. So the grant counts from the latest instant at which the
 * request may have arrived, less the time that every request needs. */
static void move_grant(struct sender *sender, const struct slot *slot, const struct http_result *result, int64_t now_ms)
{
    int64_t quick_ms = 0; /* without an answer nobody knows but that it may have been now */

    if (slot->life_ms == INT64_MAX ||
        (result->transport != TRANSPORT_ANSWERED && result->transport != TRANSPORT_UNKNOWN))
        return;
    if (result->transport == TRANSPORT_ANSWERED)
        quick_ms = grant_note_answer(&sender->grant, now_ms - slot->left_ms);
    if (now_ms - quick_ms - slot->granted_ms > slot->margin_ms)
        sender_touch(sender, slot, quick_ms);
}

void attempt_finish(struct sender *sender, const struct http_result *result)
{
    struct slot *slot = result->context;
    struct envelope *envelope = &slot->envelope;
    const struct instant now = ending_instant(sender);
    const struct attempt_result attempt = {result->transport, result->status, slot->token_was_fresh};
    const struct verdict_facts facts = {
        .hold_unknown = envelope->on_unknown == ON_UNKNOWN_HOLD,
        .attempts_before = (unsigned)envelope->progress.attempts,
        .max_attempts = (unsigned)sender->crew->settings->max_attempts,
        .left_ms = ending_surely_left_ms(sender, envelope, &now),
    };
    const struct crew_end end = {
        .id_hash = slot->id_hash,
        .started_ms = slot->started_ms,
        .now_ms = now.mono_ms,
        .own_forbidden = (unsigned)envelope->progress.forbidden,
        .token_generation = slot->token_generation,
        .was_answered = result->transport == TRANSPORT_ANSWERED,
    };
    struct verdict verdict = verdict_of(&attempt, &facts);
    struct attempt_record record;
    struct audit_entry audit;

    if (result->transport == TRANSPORT_WITHHELD && crew_has_lease(sender->crew))
        grant_note_late(&sender->grant, slot->granted_ms);
    move_grant(sender, slot, result, now.mono_ms);
    read_answer(slot, result, now.own_ms);
    note_pause(sender, &verdict, &slot->answer,
               crew_note_end(sender->crew, &end, &verdict, slot->answer.retry_after_ms));
    note_progress(envelope, &verdict, result->status);
    record = record_of(slot, result, &verdict);
    audit = (struct audit_entry){
        .what = "attempt",
        .worker = sender->crew->worker_id,
        .outcome = record.outcome,
        .reason = verdict.reason,
        .at_ms = now.redis_ms,
        .attempt = &record,
        .sha256 = slot->sha256,
        .provider_id = slot->answer.message_id,
        .conversation_id = slot->answer.conversation_id,
    };
    audit_write(&audit, envelope, &slot->audit);
    count_attempt(sender, slot, result, &verdict, now.redis_ms);
    log_attempt(slot, &verdict, &record);
    settle(sender, slot, &verdict, &record, result->transport);
}
