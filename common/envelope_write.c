/* Envelopes as they are written: by a worker that gives one back, by a producer that makes one. */
#include "common/envelope.h"

bool envelope_is_writable(const struct envelope *envelope)
{
    return json_view_whole(&envelope->view) != NULL;
}

static void set_text(struct json *object, const char *key, const char *text)
{
    if (text && *text)
        json_set(object, key, json_new_text(text, strlen(text)));
}

static void set_count(struct json *object, const char *key, int64_t number)
{
    if (number != 0)
        json_set(object, key, json_new_integer(number));
    else
        json_remove(object, key);
}

/* The member `herald` as it will be written, made when absent or, in a refused envelope, of the wrong kind. Borrowed.
 */
static struct json *own_member(struct envelope *envelope)
{
    const struct json_value *read = envelope_get(envelope, "herald");

    if (!envelope->own)
        envelope->own = value_kind(read) == JSON_OBJECT ? value_tree(read) : json_new_object();
    return envelope->own;
}

const struct json *envelope_history(struct envelope *envelope)
{
    return json_get(own_member(envelope), "history");
}

void envelope_add_attempt(struct envelope *envelope, const struct attempt_record *record)
{
    const struct json *old = envelope_history(envelope);
    size_t count = json_count(old), first = count >= ENVELOPE_HISTORY_MAX ? count - ENVELOPE_HISTORY_MAX + 1 : 0;
    struct json *history = json_new_array(), *entry = json_new_object();

    for (size_t i = first; i < count; i++)
        json_append(history, json_ref(json_at(old, i)));
    json_set(entry, "at", json_new_integer(record->at_ms));
    set_text(entry, "outcome", record->outcome);
    set_count(entry, "status", record->status);
    json_set(entry, "latency_ms", json_new_integer(record->latency_ms));
    set_text(entry, "code", record->code);
    set_text(entry, "message", record->message);
    set_text(entry, "correlation_id", record->correlation_id);
    if (record->is_unknown)
        json_set(entry, "unknown", json_new_bool(true));
    json_append(history, entry);
    json_set(own_member(envelope), "history", history);
}

static void write_id(const struct envelope *envelope, struct buf *out)
{
    buf_text(out, "\"id\":");
    buf_json_text(out, envelope->id);
}

static void write_own(const struct envelope *envelope, struct buf *out)
{
    buf_text(out, "\"herald\":");
    json_print(envelope->own, out);
}

/* All that was read, with the id and the member `herald` as they are now in their places, or else behind the rest. */
static void write_whole(const struct envelope *envelope, struct buf *out)
{
    const struct json_value *whole = json_view_whole(&envelope->view);
    bool has_id = false, has_own = false;
    const char *comma = "";

    for (const struct json_value *at = value_first(whole); at; at = value_next(whole, at), comma = ",") {
        bool is_own = span_is(at->name, "herald"), is_id = span_is(at->name, "id");

        buf_text(out, comma);
        if (is_own)
            write_own(envelope, out);
        else if (is_id && at->kind == JSON_NULL)
            write_id(envelope, out);
        else
            value_print_member(at, out);
        has_own = has_own || is_own;
        has_id = has_id || is_id;
    }
    if (!has_id) {
        buf_text(out, comma);
        write_id(envelope, out);
        comma = ",";
    }
    if (!has_own) {
        buf_text(out, comma);
        write_own(envelope, out);
    }
}

static void write_around_bare(const struct envelope *envelope, struct buf *out)
{
    buf_printf(out, "\"v\":%d,\"payload\":", ENVELOPE_VERSION);
    value_print(json_view_whole(&envelope->view), out);
    buf_char(out, ',');
    write_id(envelope, out);
    buf_char(out, ',');
    write_own(envelope, out);
}

void envelope_write(struct envelope *envelope, const char *ticket, struct buf *out)
{
    const struct progress_state *progress = &envelope->progress;
    struct json *own = own_member(envelope);

    set_count(own, "accepted_at", progress->accepted_at_ms);
    set_count(own, "attempts", progress->attempts);
    set_count(own, "unknowns", progress->unknowns);
    set_count(own, "forbidden", progress->forbidden);
    set_count(own, "deferrals", progress->deferrals);
    set_count(own, "redelivered", progress->redelivered);
    set_count(own, "deaths", progress->deaths);
    set_count(own, "replayed_at", progress->replayed_at_ms);
    set_text(own, "ticket", ticket);
    buf_char(out, '{');
    if (envelope->was_bare)
        write_around_bare(envelope, out);
    else
        write_whole(envelope, out);
    buf_char(out, '}');
}

static void write_instant(struct buf *out, const char *key, int64_t ms)
{
    if (ms != 0)
        buf_member_int(out, key, ms);
}

void envelope_draft_common(const struct envelope_draft *draft, struct buf *out)
{
    buf_member_text(out, "route", draft->route->name);
    buf_member_text(out, "campaign", draft->campaign);
    if (draft->priority != PRIORITY_NORMAL)
        buf_member_text(out, "priority", priority_name(draft->priority));
    if (draft->on_unknown == ON_UNKNOWN_HOLD)
        buf_member_text(out, "on_unknown", "hold");
    write_instant(out, "send_at", draft->send_at_ms);
    write_instant(out, "expires_at", draft->expires_at_ms);
    buf_member_text(out, "callback_url", draft->callback_url);
    buf_member_text(out, "traceparent", draft->traceparent);
    if (draft->labels_json) {
        buf_text(out, ",\"labels\":");
        buf_text(out, draft->labels_json);
    }
    if (draft->origin.data) {
        buf_text(out, ",\"origin\":");
        buf_json(out, draft->origin.data, draft->origin.len);
    }
    buf_text(out, ",\"herald\":{\"accepted_at\":");
    buf_int(out, draft->accepted_at_ms);
    buf_text(out, "},\"payload\":");
}

void envelope_draft_write(const struct envelope_draft *draft, const struct content *content, struct buf *out)
{
    buf_text(out, "{\"v\":");
    buf_int(out, ENVELOPE_VERSION);
    buf_member_text(out, "id", draft->id);
    if (draft->common.data)
        buf_add(out, draft->common.data, draft->common.len);
    else
        envelope_draft_common(draft, out);
    draft->route->write(content, out);
    if (draft->route == &route_agentless && content->consent == CONSENT_GIVEN)
        buf_text(out, ",\"metadata\":{\"consentVerified\":true}");
    buf_char(out, '}');
}
