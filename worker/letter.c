#include "worker/letter.h"

#include <stdio.h>
#include <string.h>

#include "common/audit.h"
#include "common/base64.h"
#include "common/mask.h"
#include "common/utf8.h"

#define RAW_MAX ((size_t)4 << 20) /* bytes of an item that is no JSON object; in base64 they fit the buffer */

static void add_attempt(struct buf *out, const struct attempt_record *attempt)
{
    buf_member_int(out, "status", attempt->status);
    buf_member_text(out, "code", attempt->code);
    buf_member_text(out, "correlation_id", attempt->correlation_id);
    buf_member_int(out, "latency_ms", attempt->latency_ms);
    if (attempt->is_unknown)
        buf_text(out, ",\"unknown\":true");
}

/* What is larger than a message can be is kept in part, with its true size: a dead letter must stay one that can be
 * read. */
static void add_raw(struct buf *out, struct span raw)
{
    if (raw.len > RAW_MAX) {
        buf_member_int(out, "raw_size", (int64_t)raw.len);
        raw.len = RAW_MAX;
    }
    if (raw.len <= JSON_MAX_BYTES && utf8_is_valid(raw.data, raw.len)) {
        buf_text(out, ",\"raw\":");
        buf_json(out, raw.data, raw.len);
    } else {
        buf_text(out, ",\"raw_base64\":\"");
        base64_add(out, raw.data, raw.len);
        buf_char(out, '"');
    }
}

void letter_write(const struct letter *letter, struct envelope *envelope, struct span raw, struct buf *out)
{
    buf_text(out, "{\"id\":");
    buf_json_text(out, envelope->id);
    buf_member_text(out, "campaign", envelope->campaign);
    buf_member_int(out, "dead_at", letter->at_ms);
    buf_member_text(out, "reason", letter->reason);
    buf_member_text(out, "field", letter->field);
    buf_member_text(out, "detail", letter->detail);
    buf_member_int(out, "attempts", envelope->progress.attempts);
    buf_member_int(out, "deaths", envelope->progress.deaths);
    if (letter->last) {
        buf_text(out, ",\"last\":{\"at\":");
        buf_int(out, letter->last->at_ms);
        add_attempt(out, letter->last);
        buf_member_text(out, "message", letter->last->message);
        buf_char(out, '}');
    }
    if (envelope_is_writable(envelope)) {
        buf_text(out, ",\"envelope\":");
        envelope_write(envelope, NULL, out);
    } else {
        add_raw(out, raw);
    }
    buf_char(out, '}');
}

void audit_write(const struct audit_entry *entry, const struct envelope *envelope, struct buf *out)
{
    char masked[MASK_SIZE], actor[AUDIT_ACTOR_MAX + 1];

    buf_text(out, "{\"at\":");
    buf_int(out, entry->at_ms);
    buf_member_text(out, "what", entry->what);
    (void)snprintf(actor, sizeof(actor), "worker:%s", entry->worker);
    buf_member_text(out, "actor", actor);
    buf_member_text(out, "id", envelope->id);
    buf_member_text(out, "campaign", envelope->campaign);
    if (envelope->route) {
        buf_member_text(out, "route", envelope->route->name);
        buf_member_text(out, "channel", channel_name(envelope->content.channel));
    }
    if (envelope->content.to.data)
        buf_member_text(out, "to", mask_address(envelope->content.to, masked));
    buf_member_text(out, "outcome", entry->outcome);
    buf_member_text(out, "reason", entry->reason);
    if (entry->attempt)
        add_attempt(out, entry->attempt);
    buf_member_text(out, "sha256", entry->sha256);
    buf_member_text(out, "provider_id", entry->provider_id);
    buf_member_text(out, "conversation_id", entry->conversation_id);
    buf_char(out, '}');
}
