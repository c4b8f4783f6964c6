#include "common/envelope.h"

#include <stdio.h>

#include "common/reason.h"
#include "common/timestamp.h"

static const char *const priority_names[] = {
    [PRIORITY_HIGH] = "high",
    [PRIORITY_NORMAL] = "normal",
    [PRIORITY_LOW] = "low",
};
_Static_assert(sizeof(priority_names) / sizeof(priority_names[0]) == PRIORITY_COUNT, "each priority has a name");

const char *priority_name(enum priority priority)
{
    return priority_names[priority];
}

/* Members that a bare payload cannot have: with one of them the object is an envelope, however broken. */
static bool is_bare_payload(const struct json_value *whole)
{
    return !value_get(whole, "payload") && !value_get(whole, "v") && route_infer(whole);
}

const struct json_value *envelope_payload(const struct envelope *envelope)
{
    return envelope->was_bare ? json_view_whole(&envelope->view) : envelope_get(envelope, "payload");
}

void envelope_remove(struct envelope *envelope, const char *name)
{
    if (!envelope->was_bare)
        (void)json_view_remove(&envelope->view, json_view_whole(&envelope->view), name);
}

static int read_version(const struct envelope *envelope, struct refusal *why)
{
    const struct json_value *member = envelope_get(envelope, "v");
    int64_t version = ENVELOPE_VERSION;

    if (member && (!value_integer(member, &version) || version != ENVELOPE_VERSION))
        return refuse(why, "version_unknown", "/v", "must be %d: this Herald knows no other version", ENVELOPE_VERSION);
    return 0;
}

/* A message without an id is given one; one with an unusable id too, so that its dead letter has a name. */
static int read_id(struct envelope *envelope, int64_t wall_ms, struct refusal *why)
{
    const struct json_value *member = envelope_get(envelope, "id");
    struct span text = value_text(member);

    if (text.data && id_is_valid(text.data, text.len)) {
        memcpy(envelope->id, text.data, text.len);
        envelope->has_own_id = true;
        return 0;
    }
    id_new(envelope->id, wall_ms);
    if (member)
        return refuse(why, "field_invalid", "/id", "must be 1 to %d letters, digits and . _ : -", ID_MAX);
    return 0;
}

static int read_campaign(struct envelope *envelope, struct refusal *why)
{
    const struct json_value *member = envelope_get(envelope, "campaign");
    struct span text = value_text(member);

    if (!member)
        return 0;
    if (!text.data || text.len > ENVELOPE_NAME_MAX || !id_is_valid(text.data, text.len))
        return refuse(why, "field_invalid", "/campaign", "must be 1 to %d letters, digits and . _ : -",
                      ENVELOPE_NAME_MAX);
    memcpy(envelope->campaign, text.data, text.len);
    return 0;
}

/* One of a few words; the index into `words`, which ends with NULL. */
static int read_word(const struct envelope *envelope, const char *key, const char *const *words, int *ret,
                     struct refusal *why)
{
    const struct json_value *member = envelope_get(envelope, key);
    struct span text = value_text(member);
    char field[32];

    if (!member)
        return 0;
    for (int i = 0; words[i]; i++) {
        if (span_is(text, words[i])) {
            *ret = i;
            return 0;
        }
    }
    (void)snprintf(field, sizeof(field), "/%s", key);
    return refuse(why, "field_invalid", field, "must be %s%s%s%s%s", words[0], words[2] ? ", " : " or ", words[1],
                  words[2] ? " or " : "", words[2] ? words[2] : "");
}

static bool parse_time(struct span text, int64_t *ret_ms)
{
    char copy[64]; /* no time is longer */

    if (!text.data || text.len >= sizeof(copy) || memchr(text.data, '\0', text.len))
        return false;
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    return timestamp_parse(copy, ret_ms);
}

/* Milliseconds since 1970, or an RFC 3339 text. */
static int read_instant(const struct envelope *envelope, const char *key, int64_t *ret_ms, struct refusal *why)
{
    const struct json_value *member = envelope_get(envelope, key);
    char field[32];
    int64_t ms;

    if (!member)
        return 0;
    if ((parse_time(value_text(member), &ms) || value_integer(member, &ms)) && ms >= 0 && ms <= TIMESTAMP_MAX_MS) {
        *ret_ms = ms;
        return 0;
    }
    (void)snprintf(field, sizeof(field), "/%s", key);
    return refuse(why, "field_invalid", field,
                  "must be milliseconds since 1970 or a time such as 2026-01-15T10:30:00Z");
}

static int read_optional_text(const struct envelope *envelope, const char *key, size_t max, struct refusal *why)
{
    const struct json_value *member = envelope_get(envelope, key);
    struct span text = value_text(member);
    char field[32];

    if (!member || (text.data && text.len <= max))
        return 0;
    (void)snprintf(field, sizeof(field), "/%s", key);
    return refuse(why, "field_invalid", field, "must be text of at most %zu bytes", max);
}

static int read_labels(const struct envelope *envelope, struct refusal *why)
{
    const struct json_value *labels = envelope_get(envelope, "labels");
    bool is_fine = value_kind(labels) == JSON_OBJECT;

    for (const struct json_value *label = value_first(labels); label; label = value_next(labels, label))
        is_fine = is_fine && value_kind(label) == JSON_TEXT && label->name.len <= ID_MAX;
    if (labels && !is_fine)
        return refuse(why, "field_invalid", "/labels", "must be an object whose members are texts");
    return 0;
}

static int read_count(const struct json_value *herald, const char *key, int64_t max, int64_t *ret, struct refusal *why)
{
    const struct json_value *member = value_get(herald, key);
    char field[48];
    int64_t number;

    if (!member)
        return 0;
    if (value_integer(member, &number) && number >= 0 && number <= max) {
        *ret = number;
        return 0;
    }
    (void)snprintf(field, sizeof(field), "/herald/%s", key);
    return refuse(why, "field_invalid", field, "must be a whole number from 0 to %lld", (long long)max);
}

/* Herald's own member; forged ones must at least have the right kinds. */
static int read_progress(struct envelope *envelope, struct refusal *why)
{
    const struct json_value *herald = envelope_get(envelope, "herald"), *history = value_get(herald, "history");
    struct progress_state *progress = &envelope->progress;
    int64_t redelivered = 0;

    if (herald && value_kind(herald) != JSON_OBJECT)
        return refuse(why, "field_invalid", "/herald", "is Herald's own and must be an object");
    if (history && (value_kind(history) != JSON_ARRAY || value_count(history) > ENVELOPE_HISTORY_MAX))
        return refuse(why, "field_invalid", "/herald/history", "is Herald's own: at most %d entries",
                      ENVELOPE_HISTORY_MAX);
    if (read_count(herald, "accepted_at", TIMESTAMP_MAX_MS, &progress->accepted_at_ms, why) != 0 ||
        read_count(herald, "attempts", ENVELOPE_COUNT_MAX, &progress->attempts, why) != 0 ||
        read_count(herald, "unknowns", ENVELOPE_COUNT_MAX, &progress->unknowns, why) != 0 ||
        read_count(herald, "forbidden", ENVELOPE_COUNT_MAX, &progress->forbidden, why) != 0 ||
        read_count(herald, "deferrals", ENVELOPE_COUNT_MAX, &progress->deferrals, why) != 0 ||
        read_count(herald, "redelivered", ENVELOPE_COUNT_MAX, &redelivered, why) != 0 ||
        read_count(herald, "deaths", ENVELOPE_COUNT_MAX, &progress->deaths, why) != 0 ||
        read_count(herald, "replayed_at", TIMESTAMP_MAX_MS, &progress->replayed_at_ms, why) != 0)
        return ERR_INVALID;
    progress->redelivered += redelivered;
    return 0;
}

/* Whoever takes a message back from a dead worker puts this member in front of it (reap.lua); it is no part of a
 * payload. */
static void take_redelivered(struct envelope *envelope)
{
    int64_t times;

    if (value_integer(envelope_get(envelope, "redelivered"), &times) && times > 0 && times < 1000000)
        envelope->progress.redelivered = times;
    envelope->came_marked = json_view_remove(&envelope->view, json_view_whole(&envelope->view), "redelivered");
}

/* One that is invalid is as good as none: it must not cost the message (Trace Context, section 3.2). */
static void read_trace(struct envelope *envelope)
{
    struct span text = value_text(envelope_get(envelope, "traceparent"));

    (void)trace_parse(text.data, text.len, &envelope->trace);
}

static int read_fields(struct envelope *envelope, struct refusal *why)
{
    static const char *const priorities[] = {"high", "normal", "low", NULL};
    static const char *const policies[] = {"resend", "hold", NULL};
    int priority = PRIORITY_NORMAL, policy = ON_UNKNOWN_RESEND;

    if (read_campaign(envelope, why) != 0 || read_word(envelope, "priority", priorities, &priority, why) != 0 ||
        read_word(envelope, "on_unknown", policies, &policy, why) != 0 ||
        read_instant(envelope, "send_at", &envelope->send_at_ms, why) != 0 ||
        read_instant(envelope, "expires_at", &envelope->expires_at_ms, why) != 0 ||
        read_optional_text(envelope, "idempotency_key", 256, why) != 0 ||
        read_optional_text(envelope, "callback_url", 2048, why) != 0 || read_labels(envelope, why) != 0)
        return ERR_INVALID;
    envelope->callback_url = value_text(envelope_get(envelope, "callback_url"));
    envelope->template_name = value_text(value_get(envelope_get(envelope, "labels"), "template"));
    read_trace(envelope);
    envelope->priority = (enum priority)priority;
    envelope->on_unknown = (enum on_unknown)policy;
    return 0;
}

static int read_route(struct envelope *envelope, const struct json_value *payload, struct refusal *why)
{
    const struct json_value *member = envelope_get(envelope, "route");

    if (value_kind(payload) != JSON_OBJECT)
        return refuse(why, payload ? "field_invalid" : "field_missing", "/payload",
                      "must be an object: what Genesys is to receive");
    if (member)
        envelope->route = route_find(value_text(member));
    else
        envelope->route = route_infer(payload);
    if (member && !envelope->route)
        return refuse(why, "route_unknown", "/route", "must be one of %s", route_names());
    if (!envelope->route)
        return refuse(why, "route_unknown", "/route", "is absent, and the payload is none of %s", route_names());
    return 0;
}

/* An explicit answer that is not true, in either place, is a no. */
static enum consent read_consent(const struct envelope *envelope, const struct json_value *payload)
{
    const struct json_value *outer = value_get(envelope_get(envelope, "metadata"), "consentVerified");
    const struct json_value *inner = value_get(value_get(payload, "metadata"), "consentVerified");

    if ((outer && !value_is_true(outer)) || (inner && !value_is_true(inner)))
        return CONSENT_REFUSED;
    return outer || inner ? CONSENT_GIVEN : CONSENT_ABSENT;
}

static int read_metadata(const struct envelope *envelope, const struct json_value *payload, struct refusal *why)
{
    const struct json_value *outer = envelope_get(envelope, "metadata"), *inner = value_get(payload, "metadata");

    if (outer && value_kind(outer) != JSON_OBJECT)
        return refuse(why, "field_invalid", "/metadata", "must be an object");
    if (inner && value_kind(inner) != JSON_OBJECT)
        return refuse(why, "field_invalid", "/payload/metadata", "must be an object");
    return 0;
}

static int read_content(struct envelope *envelope, const struct envelope_rules *rules, struct refusal *why)
{
    const struct json_value *payload = envelope_payload(envelope);
    const struct json_value *outer = envelope->was_bare ? NULL : json_view_whole(&envelope->view);
    struct content *content = &envelope->content;

    if (read_route(envelope, payload, why) != 0 || !envelope->route || read_metadata(envelope, payload, why) != 0 ||
        envelope->route->read(payload, content, why) != 0 ||
        route_read_text(outer, "origin", "/origin", &content->origin, why) != 0)
        return ERR_INVALID;
    if (!content->conversation_id.data &&
        route_read_text(outer, "conversation_id", "/conversation_id", &content->conversation_id, why) != 0)
        return ERR_INVALID;
    content->consent = read_consent(envelope, payload);
    if (content_check_consent(content->consent, envelope->route->needs_consent, why) != 0 ||
        content_check_origin(content->origin, rules->origins, why) != 0)
        return ERR_INVALID;
    return envelope->route->check(content, why);
}

static int check_callback(struct span url, const struct callback_rules *rules, struct refusal *why)
{
    struct callback_target target;
    struct reason reason = {""};

    if (!rules || url.len == 0 ||
        callback_url_read(&target, url, callback_rules_allow_any(rules) ? rules : NULL, &reason) == 0)
        return 0;
    return refuse(why, "callback_forbidden", "/callback_url", "%s", reason.text);
}

/* Herald adds to what it carries: the envelope around a bare payload, its own member, the dead letter around both. All
 * of that must still be readable, so what comes in from outside has to leave room for it. */
static int check_room(struct envelope *envelope, size_t len, const struct envelope_rules *rules, struct refusal *why)
{
    if (envelope->view.depth + envelope->was_bare > ENVELOPE_MAX_DEPTH &&
        value_depth(json_view_whole(&envelope->view)) + envelope->was_bare > ENVELOPE_MAX_DEPTH) {
        envelope_clear(envelope); /* the dead letter has the bytes as they came instead */
        return refuse(why, "json_invalid", "", "nesting is deeper than %d", ENVELOPE_MAX_DEPTH);
    }
    if (len > ENVELOPE_MAX_BYTES &&
        (rules->is_from_outside || !value_get(envelope_get(envelope, "herald"), "accepted_at")))
        return refuse(why, "json_invalid", "", "%zu bytes are more than the %zu that one message may have", len,
                      ENVELOPE_MAX_BYTES);
    return 0;
}

int envelope_read(struct envelope *ret, const char *data, size_t len, const struct envelope_rules *rules,
                  int64_t wall_ms, struct refusal *why)
{
    int rc;

    *ret = (struct envelope){.priority = PRIORITY_NORMAL};
    if (json_view_read(&ret->view, data, len) != 0) {
        id_new(ret->id, wall_ms);
        return json_view_refuse(data, len, why);
    }
    take_redelivered(ret);
    ret->was_bare = is_bare_payload(json_view_whole(&ret->view));
    rc = read_id(ret, wall_ms, why);
    if (check_room(ret, len, rules, why) != 0 || rc != 0 || read_progress(ret, why) != 0 ||
        read_version(ret, why) != 0 || read_fields(ret, why) != 0 ||
        check_callback(ret->callback_url, rules->callbacks, why) != 0)
        return ERR_INVALID;
    return read_content(ret, rules, why);
}

void envelope_clear(struct envelope *envelope)
{
    json_view_clear(&envelope->view);
    json_free(envelope->own);
    envelope->own = NULL;
}
