#include "worker/admit.h"

#include <string.h>

#include "common/clock.h"
#include "common/ids.h"
#include "common/log.h"
#include "worker/ending.h"

#define POISON_DELAY_MS 1000  /* the message that failed last makes way for another probe */
#define DOUBT_MS        30000 /* a message that one clock forbids looks again after so long at most */

static void bury_untried(struct sender *sender, struct slot *slot, const char *reason, const char *field,
                         const char *detail, struct span raw)
{
    const struct letter letter = {.reason = reason, .field = field, .detail = detail, .at_ms = ending_now_ms(sender)};
    const struct audit_entry audit = {
        .what = "bury", .worker = sender->crew->worker_id, .outcome = "dead", .reason = reason, .at_ms = letter.at_ms};

    audit_write(&audit, &slot->envelope, &slot->audit);
    log_info("dead letter", LOG_TEXT("id", slot->envelope.id), LOG_TEXT("reason", reason), LOG_TEXT("field", field),
             LOG_TEXT("campaign", slot->envelope.campaign));
    ending_bury(sender, slot, &letter, raw, true);
}

/* --- the start of a request --- */

static void start(struct sender *sender, struct slot *slot)
{
    const struct route *route = slot->envelope.route;
    const struct trace *trace = &slot->envelope.trace;
    char url[SETTINGS_URL_MAX + ROUTE_PATH_MAX], path[ROUTE_PATH_MAX], traceparent[TRACE_PARENT_SIZE];
    struct http_request request = {
        .url = url,
        .authorization = sender->token.header,
        .request_id = slot->envelope.id,
        .content_type = "application/json",
        .context = slot,
    };

    route_body(route, envelope_payload(&slot->envelope), &slot->body);
    digest_sha256_hex(slot->body.data, slot->body.len, slot->sha256);
    route_path(route, slot->envelope.content.conversation_id, path);
    (void)span_join(url, sizeof(url), span_of(sender->crew->api_url), span_of(path)); /* there is room for both */
    request.body = (struct span){slot->body.data, slot->body.len};
    if (trace->id[0]) {
        trace_write(trace, random_u64(), traceparent); /* each attempt is a step of its own */
        request.traceparent = traceparent;
    }
    slot->token_generation = sender->token.generation;
    slot->token_was_fresh = sender->token.is_fresh;
    http_start(sender->http, &request);
}

/* Whether this message should make way for the one behind it: it failed last, and one probe is all there is. */
static bool makes_way(struct sender *sender, const struct slot *slot, bool has_another)
{
    bool is_poison;

    return has_another && crew_is_probing(sender->crew, slot->id_hash, &is_poison) && is_poison;
}

/* For how long a message waits because Redis' clock and this machine's do not agree whether its time has come or is
 * over; 0: they agree. Which of them is wrong nobody knows, and neither a message sent too early nor one buried comes
 * back. */
static int64_t doubt(const struct sender *sender, const struct envelope *envelope, const struct instant *now)
{
    int64_t early_ms = envelope->send_at_ms - now->own_ms;
    int64_t left_ms = ending_left_ms(sender, envelope, now->redis_ms);
    int64_t own_left_ms = ending_left_ms(sender, envelope, now->own_ms);
    int64_t wait_ms = early_ms > 0 ? early_ms : left_ms <= 0 && own_left_ms > 0 ? own_left_ms : 0;

    if (wait_ms > DOUBT_MS)
        log_warning("a message waits: the clocks of Redis and of this machine differ; set them right",
                    LOG_ONE("id", envelope->id), LOG_NUMBER("redis_ahead_ms", now->redis_ms - now->own_ms));
    return wait_ms > DOUBT_MS ? DOUBT_MS : wait_ms;
}

/* Redis has said that it may go. What has changed since is what this process knows itself. */
static void start_or_return(struct sender *sender, struct slot *slot, bool has_another)
{
    const struct instant now = ending_instant(sender);
    int64_t doubt_ms = doubt(sender, &slot->envelope, &now);
    bool may_start;

    slot->started_ms = now.mono_ms;
    slot->sent_at_ms = now.redis_ms;
    may_start = slot->started_ms - slot->granted_ms <= slot->life_ms && !atomic_load(&sender->crew->is_stopping) &&
                crew_has_lease(sender->crew);
    if (slot->started_ms - slot->granted_ms > slot->life_ms)
        grant_note_late(&sender->grant, slot->granted_ms);
    if (ending_surely_left_ms(sender, &slot->envelope, &now) <= 0)
        bury_untried(sender, slot, "expired", "", "it was too old before it could be sent", (struct span){NULL, 0});
    else if (doubt_ms > 0)
        ending_defer(sender, slot, doubt_ms, "clocks_differ", true);
    else if (may_start && makes_way(sender, slot, has_another))
        ending_defer(sender, slot, POISON_DELAY_MS, "postponed", true);
    else if (may_start && crew_note_start(sender->crew, slot->id_hash, slot->started_ms))
        start(sender, slot);
    else
        ending_release(sender, slot, true);
}

/* --- the last look --- */

static void act_on(struct sender *sender, struct slot *slot, const struct store_checked *checked, bool has_another)
{
    switch (checked->answer) {
    case STORE_GO:
        slot->is_new = false; /* it was counted as accepted in that step */
        start_or_return(sender, slot, has_another);
        break;
    case STORE_NO_LEASE:
        crew_lose_lease(sender->crew);
        ending_release(sender, slot, true);
        break;
    case STORE_SUPPRESSED:
        slot->is_new = false;
        bury_untried(sender, slot, "suppressed", "", "the person has opted out", (struct span){NULL, 0});
        break;
    case STORE_SENDER_FULL:
        slot->is_new = false;
        ending_defer(sender, slot, checked->wait_ms, "sender_waits", true);
        break;
    case STORE_GONE:
    case STORE_WITHDRAWN:
    case STORE_CANCELLED:
    case STORE_PARKED:
        log_debug("not sent", LOG_TEXT("id", slot->envelope.id), LOG_NUMBER("answer", checked->answer));
        slots_give(&sender->slots, slot);
        break;
    }
}

/* The context is the first slot of a chain, in the order of the answers. */
static void on_looked(void *context, int rc, const struct store_checked *answers, size_t count)
{
    struct slot *slot = context, *next;
    struct sender *sender = slot->sender;

    sender->looks -= count;
    if (rc == ERR_STATE)
        sender->next_take_ms = clock_mono_ms() + SENDER_ERROR_MS;
    for (size_t i = 0; slot; slot = next, i++) {
        next = slot->next;
        if (rc == 0)
            act_on(sender, slot, &answers[i], next != NULL);
        else
            ending_release(sender, slot, true); /* those that are gone are passed over */
    }
}

static struct store_check check_of(const struct slot *slot)
{
    return (struct store_check){
        .ticket = slot->ticket,
        .id = slot->envelope.id,
        .campaign = slot->envelope.campaign,
        .person = span_of(slot->person),
        .was_redelivered = slot->envelope.progress.redelivered > 0,
        .sender = slot->envelope.content.from,
        .adopted = {slot->document.len ? slot->document.data : NULL, slot->document.len},
    };
}

void admit_look(struct sender *sender)
{
    size_t count = sender->looking_count;
    struct store_check items[STORE_BATCH_MAX];
    const struct settings *settings = sender->crew->settings;
    const struct store_look about = {sender->crew->worker_id, settings->sender_rate, sender->asked.margin_ms};

    if (count == 0)
        return;
    for (size_t i = 0; i < count; i++) {
        sender->looking[i]->next = i + 1 < count ? sender->looking[i + 1] : NULL;
        items[i] = check_of(sender->looking[i]);
    }
    store_check(sender->store, &about, items, count, on_looked, sender->looking[0]); /* copies the items */
    for (size_t i = 0; i < count; i++)
        buf_clear(&sender->looking[i]->document); /* most will never need it again */
    sender->looks += count;
    sender->looking_count = 0;
}

/* A message that a plain LPUSH brought is ours from here on: with an id that stays, and counted. */
static void adopt(struct sender *sender, struct slot *slot)
{
    if (!slot->is_new)
        return;
    slot->envelope.progress.accepted_at_ms = ending_accepted_ms(sender);
    envelope_write(&slot->envelope, NULL, &slot->document);
}

static void consider(struct sender *sender, struct slot *slot, struct span bytes)
{
    const struct envelope_rules rules = {.origins = sender->crew->settings->origins};
    int64_t now_ms = ending_now_ms(sender);
    struct refusal refusal;
    int rc = envelope_read(&slot->envelope, bytes.data, bytes.len, &rules, now_ms, &refusal);

    slot->is_new = slot->envelope.progress.accepted_at_ms == 0;
    slot->id_hash = digest_hash64(slot->envelope.id, strlen(slot->envelope.id));
    if (rc != 0) {
        bury_untried(sender, slot, refusal.code, refusal.field, refusal.text, bytes);
    } else if (slot->envelope.send_at_ms > now_ms) {
        ending_defer(sender, slot, slot->envelope.send_at_ms - now_ms, "scheduled", true);
    } else if (atomic_load(&sender->crew->is_stopping) || !crew_has_lease(sender->crew)) {
        ending_release(sender, slot, true);
    } else {
        (void)content_person(&slot->envelope.content, slot->person); /* returns it */
        adopt(sender, slot);
        sender->looking[sender->looking_count++] = slot; /* a batch is STORE_BATCH_MAX at most */
    }
}

void admit_message(struct sender *sender, int64_t ticket, struct span bytes)
{
    struct slot *slot = slots_take(&sender->slots); /* there is one: no more was asked for than is free */
    char number[BUF_DIGITS];

    (void)buf_digits(ticket, number);
    (void)span_join(slot->ticket, sizeof(slot->ticket), span_of(sender->prefix), span_of(number)); /* room for both */
    slot->granted_ms = sender->asked_at_ms;
    slot->margin_ms = sender->asked.margin_ms;
    slot->life_ms = sender->asked.life_ms;
    consider(sender, slot, bytes);
}
