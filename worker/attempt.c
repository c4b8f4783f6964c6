#include "worker/attempt.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/ids.h"
#include "common/log.h"
#include "worker/backoff.h"
#include "worker/letter.h"
#include "worker/sender_parts.h"

#define POISON_DELAY_MS 1000 /* the message that failed last makes way for another probe */

/* Redis' clock, as of its last answer: what ages and due times are measured by, on all machines alike. */
static int64_t redis_now_ms(const struct sender *sender)
{
    return clock_mono_ms() + sender->clock_offset_ms;
}

/* Until the message is too old: its own expiry, or the greatest age of any. */
static int64_t left_ms(const struct sender *sender, const struct envelope *envelope)
{
    int64_t now_ms = redis_now_ms(sender);
    int64_t since_ms = envelope->progress.accepted_at_ms ? envelope->progress.accepted_at_ms : now_ms;
    int64_t until_ms;

    if (envelope->send_at_ms > since_ms)
        since_ms = envelope->send_at_ms;
    until_ms = since_ms + sender->crew->settings->max_age_ms;
    if (envelope->expires_at_ms > 0 && envelope->expires_at_ms < until_ms)
        until_ms = envelope->expires_at_ms;
    return until_ms - now_ms;
}

/* --- the ends of a message --- */

static struct store_settle item_of(const struct slot *slot)
{
    return (struct store_settle){
        .ticket = slot->ticket,
        .id = slot->envelope.id,
        .campaign = slot->envelope.campaign,
        .is_new = slot->is_new,
    };
}

static void release(struct sender *sender, struct slot *slot, bool give_back)
{
    struct store_settle item = item_of(slot);

    item.give_back = give_back;
    item.audit = (struct span){slot->audit.data, slot->audit.len};
    settler_add(&sender->settler, STORE_RELEASE, slot, &item);
}

static void defer(struct sender *sender, struct slot *slot, int64_t delay_ms, const char *counted_as, bool give_back)
{
    struct store_settle item = item_of(slot);
    int64_t due_ms = clock_mono_ms() + delay_ms + 1;

    if (due_ms < sender->own_due_ms)
        sender->own_due_ms = due_ms;
    if (slot->is_new)
        slot->envelope.progress.accepted_at_ms = redis_now_ms(sender);
    envelope_write(&slot->envelope, slot->ticket, &slot->document);
    item.delay_ms = delay_ms;
    item.counted_as = counted_as;
    item.document = (struct span){slot->document.data, slot->document.len};
    item.audit = (struct span){slot->audit.data, slot->audit.len};
    item.give_back = give_back;
    settler_add(&sender->settler, STORE_DEFER, slot, &item);
}

static void bury(struct sender *sender, struct slot *slot, const struct letter *letter, struct span raw, bool give_back)
{
    struct store_settle item = item_of(slot);

    if (slot->is_new)
        slot->envelope.progress.accepted_at_ms = redis_now_ms(sender);
    letter_write(letter, &slot->envelope, raw, &slot->document);
    item.reason = letter->reason;
    item.document = (struct span){slot->document.data, slot->document.len};
    item.audit = (struct span){slot->audit.data, slot->audit.len};
    item.give_back = give_back;
    settler_add(&sender->settler, STORE_BURY, slot, &item);
}

static void bury_untried(struct sender *sender, struct slot *slot, const char *reason, const char *field,
                         const char *detail, struct span raw)
{
    const struct letter letter = {.reason = reason, .field = field, .detail = detail, .at_ms = redis_now_ms(sender)};
    const struct audit_entry audit = {.what = "bury", .outcome = "dead", .reason = reason, .at_ms = letter.at_ms};

    audit_write(&audit, &slot->envelope, &slot->audit);
    log_info("dead letter", LOG_TEXT("id", slot->envelope.id), LOG_TEXT("reason", reason), LOG_TEXT("field", field),
             LOG_TEXT("campaign", slot->envelope.campaign));
    bury(sender, slot, &letter, raw, true);
}

/* --- before a request --- */

static void start(struct sender *sender, struct slot *slot)
{
    const struct route *route = slot->envelope.route;
    char url[SETTINGS_URL_MAX + ROUTE_PATH_MAX], path[ROUTE_PATH_MAX];
    struct http_request request = {
        .url = url,
        .authorization = sender->token.header,
        .request_id = slot->envelope.id,
        .content_type = "application/json",
        .leave_by_ms = sender->leave_by_ms,
        .context = slot,
    };

    route_body(route, envelope_payload(&slot->envelope), &slot->body);
    digest_sha256_hex(slot->body.data, slot->body.len, slot->sha256);
    route_path(route, slot->envelope.content.conversation_id, path);
    (void)snprintf(url, sizeof(url), "%s%s", sender->crew->api_url, path); /* both are shorter than their buffers */
    request.body = (struct span){slot->body.data, slot->body.len};
    slot->token_generation = sender->token.generation;
    slot->token_was_fresh = sender->token.is_fresh;
    slot->sent_at_ms = redis_now_ms(sender);
    http_start(sender->http, &request);
}

/* Whether this message should make way for the one behind it: it failed last, and one probe is all there is. */
static bool makes_way(struct sender *sender, const struct slot *slot, bool has_another)
{
    bool is_poison;

    return has_another && crew_is_probing(sender->crew, slot->id_hash, &is_poison) && is_poison;
}

static void consider(struct sender *sender, struct slot *slot, struct span bytes, bool is_late, bool has_another)
{
    const struct envelope_rules rules = {.origins = sender->crew->settings->origins};
    int64_t now_ms = redis_now_ms(sender);
    struct refusal refusal;
    int rc = envelope_read(&slot->envelope, bytes.data, bytes.len, &rules, now_ms, &refusal);

    slot->is_new = slot->envelope.progress.accepted_at_ms == 0;
    slot->id_hash = digest_hash64(slot->envelope.id, strlen(slot->envelope.id));
    if (rc != 0) {
        bury_untried(sender, slot, refusal.code, refusal.field, refusal.text, bytes);
        return;
    }
    if (slot->envelope.send_at_ms > now_ms) {
        defer(sender, slot, slot->envelope.send_at_ms - now_ms, "scheduled", true);
        return;
    }
    if (left_ms(sender, &slot->envelope) <= 0) {
        bury_untried(sender, slot, "expired", "", "it was too old before it could be sent", bytes);
        return;
    }
    if (is_late || atomic_load(&sender->crew->is_stopping)) {
        release(sender, slot, true);
        return;
    }
    if (makes_way(sender, slot, has_another)) {
        defer(sender, slot, POISON_DELAY_MS, "postponed", true);
        return;
    }
    slot->started_ms = clock_mono_ms();
    if (crew_note_start(sender->crew, slot->id_hash, slot->started_ms))
        start(sender, slot);
    else
        release(sender, slot, true);
}

void attempt_admit(struct sender *sender, int64_t ticket, struct span bytes, bool is_late, bool has_another)
{
    struct slot *slot = slots_take(&sender->slots); /* there is one: no more was asked for than is free */

    (void)snprintf(slot->ticket, sizeof(slot->ticket), "%s%" PRId64, sender->prefix, ticket);
    consider(sender, slot, bytes, is_late, has_another);
}

/* --- after a request --- */

static void note_pause(struct sender *sender, const struct verdict *verdict, const struct answer *answer,
                       int64_t pause_ms)
{
    char reason[200];

    if (pause_ms <= 0)
        return;
    if (verdict->org_action == ORG_PAUSE_RATE) {
        (void)snprintf(reason, sizeof(reason), "Genesys says too many requests (429)");
        log_info("org paused: too many requests", LOG_NUMBER("pause_ms", pause_ms));
    } else {
        (void)snprintf(reason, sizeof(reason),
                       "Genesys refuses us (%ld %s): check the OAuth client's credentials, roles and %s",
                       answer->status, answer->error_code, "permission conversation:message:create");
        log_error("org paused: Genesys refuses us; check the OAuth client's credentials, roles and permissions",
                  LOG_NUMBER("status", answer->status), LOG_TEXT("code", answer->error_code),
                  LOG_TEXT("correlation_id", answer->correlation_id), LOG_NUMBER("pause_ms", pause_ms));
    }
    store_hold(sender->store, pause_ms, reason);
    sender->next_take_ms = clock_mono_ms() + pause_ms;
}

static void log_attempt(const struct slot *slot, const struct verdict *verdict, const struct attempt_record *record)
{
    enum log_level level = verdict->outcome == OUTCOME_SENT ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO;

    log_event(level, "attempt", LOG_TEXT("id", slot->envelope.id), LOG_TEXT("campaign", slot->envelope.campaign),
              LOG_TEXT("route", slot->envelope.route->name), LOG_TEXT("outcome", record->outcome),
              LOG_TEXT("verdict", verdict->name), LOG_NUMBER("status", record->status), LOG_TEXT("code", record->code),
              LOG_TEXT("correlation_id", record->correlation_id), LOG_NUMBER("latency_ms", record->latency_ms),
              LOG_NUMBER("attempts", slot->envelope.progress.attempts));
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

static void settle(struct sender *sender, struct slot *slot, const struct verdict *verdict,
                   const struct attempt_record *record)
{
    struct letter letter = {.reason = verdict->reason, .field = "", .at_ms = redis_now_ms(sender), .last = record};
    struct store_settle item;

    switch (verdict->outcome) {
    case OUTCOME_SENT:
        item = item_of(slot);
        item.provider_id = slot->answer.message_id;
        item.conversation_id = slot->answer.conversation_id;
        item.audit = (struct span){slot->audit.data, slot->audit.len};
        settler_add(&sender->settler, STORE_SENT, slot, &item);
        break;
    case OUTCOME_DEFERRED:
        envelope_add_attempt(&slot->envelope, record);
        defer(sender, slot, retry_delay_ms(sender, slot), "retries", false);
        break;
    case OUTCOME_DEAD:
        envelope_add_attempt(&slot->envelope, record);
        letter.detail = record->message;
        bury(sender, slot, &letter, (struct span){NULL, 0}, false);
        break;
    case OUTCOME_RETURNED:
        release(sender, slot, false);
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

static void read_answer(struct slot *slot, const struct http_result *result)
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

    answer_read(&slot->answer, &raw, clock_wall_ms());
}

/* It did not leave in time: nothing has happened to it, and its grant goes back. */
static void withdraw(struct sender *sender, struct slot *slot)
{
    const struct crew_end end = {.id_hash = slot->id_hash, .started_ms = slot->started_ms, .now_ms = clock_mono_ms()};
    struct verdict verdict = {.name = "late", .outcome = OUTCOME_RETURNED, .breaker_mark = BREAKER_IGNORE};

    (void)crew_note_end(sender->crew, &end, &verdict, -1); /* nothing that pauses anybody */
    sender_note_late(sender, slot->started_ms);
    release(sender, slot, true);
}

void attempt_finish(struct sender *sender, const struct http_result *result)
{
    struct slot *slot = result->context;
    struct envelope *envelope = &slot->envelope;
    const struct attempt_result attempt = {result->transport, result->status, slot->token_was_fresh};
    const struct verdict_facts facts = {
        .hold_unknown = envelope->on_unknown == ON_UNKNOWN_HOLD,
        .attempts_before = (unsigned)envelope->progress.attempts,
        .max_attempts = (unsigned)sender->crew->settings->max_attempts,
        .left_ms = left_ms(sender, envelope),
    };
    const struct crew_end end = {
        .id_hash = slot->id_hash,
        .started_ms = slot->started_ms,
        .now_ms = clock_mono_ms(),
        .own_forbidden = (unsigned)envelope->progress.forbidden,
        .token_generation = slot->token_generation,
        .was_answered = result->transport == TRANSPORT_ANSWERED,
    };
    struct verdict verdict = verdict_of(&attempt, &facts);
    struct attempt_record record;
    struct audit_entry audit;

    if (result->is_late) {
        withdraw(sender, slot);
        return;
    }
    read_answer(slot, result);
    note_pause(sender, &verdict, &slot->answer,
               crew_note_end(sender->crew, &end, &verdict, slot->answer.retry_after_ms));
    note_progress(envelope, &verdict, result->status);
    record = record_of(slot, result, &verdict);
    audit = (struct audit_entry){
        .what = "attempt",
        .outcome = record.outcome,
        .reason = verdict.reason,
        .at_ms = redis_now_ms(sender),
        .attempt = &record,
        .sha256 = slot->sha256,
        .provider_id = slot->answer.message_id,
        .conversation_id = slot->answer.conversation_id,
    };
    audit_write(&audit, envelope, &slot->audit);
    log_attempt(slot, &verdict, &record);
    settle(sender, slot, &verdict, &record);
}
