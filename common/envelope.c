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
static bool is_bare_payload(const struct json *json)
{
    return !json_get(json, "payload") && !json_get(json, "v") && route_infer(json);
}

static void wrap_bare_payload(struct envelope *envelope)
{
    struct json *whole = json_new_object();

    json_set(whole, "v", json_new_integer(ENVELOPE_VERSION));
    json_set(whole, "payload", envelope->json);
    envelope->json = whole;
    envelope->was_bare = true;
}

static int read_version(const struct json *json, struct refusal *why)
{
    const struct json *member = json_get(json, "v");
    int64_t version = ENVELOPE_VERSION;

    if (member && (!json_integer(member, &version) || version != ENVELOPE_VERSION))
        return refuse(why, "version_unknown", "/v", "must be %d: this Herald knows no other version", ENVELOPE_VERSION);
    return 0;
}

/* A message without an id is given one; one with an unusable id too, so that its dead letter has a name. */
static int read_id(struct envelope *envelope, int64_t wall_ms, struct refusal *why)
{
    const struct json *member = json_get(envelope->json, "id");
    size_t len = 0;
    const char *text = json_text(member, &len);

    if (text && id_is_valid(text, len)) {
        memcpy(envelope->id, text, len + 1);
        envelope->has_own_id = true;
        return 0;
    }
    id_new(envelope->id, wall_ms);
    if (member)
        return refuse(why, "field_invalid", "/id", "must be 1 to %d letters, digits and . _ : -", ID_MAX);
    json_set(envelope->json, "id", json_new_text(envelope->id, strlen(envelope->id)));
    return 0;
}

static int read_campaign(struct envelope *envelope, struct refusal *why)
{
    const struct json *member = json_get(envelope->json, "campaign");
    size_t len = 0;
    const char *text = json_text(member, &len);

    if (!member)
        return 0;
    if (!text || len > ENVELOPE_NAME_MAX || !id_is_valid(text, len))
        return refuse(why, "field_invalid", "/campaign", "must be 1 to %d letters, digits and . _ : -",
                      ENVELOPE_NAME_MAX);
    memcpy(envelope->campaign, text, len + 1);
    return 0;
}

/* One of a few words; the index into `words`, which ends with NULL. */
static int read_word(const struct json *json, const char *key, const char *const *words, int *ret, struct refusal *why)
{
    const struct json *member = json_get(json, key);
    const char *text = json_get_text(json, key);
    char field[32];

    if (!member)
        return 0;
    for (int i = 0; text && words[i]; i++) {
        if (strcmp(words[i], text) == 0) {
            *ret = i;
            return 0;
        }
    }
    (void)snprintf(field, sizeof(field), "/%s", key);
    return refuse(why, "field_invalid", field, "must be %s%s%s%s%s", words[0], words[2] ? ", " : " or ", words[1],
                  words[2] ? " or " : "", words[2] ? words[2] : "");
}

/* Milliseconds since 1970, or an RFC 3339 text. */
static int read_instant(const struct json *json, const char *key, int64_t *ret_ms, struct refusal *why)
{
    const struct json *member = json_get(json, key);
    const char *text = json_get_text(json, key);
    char field[32];
    int64_t ms;

    if (!member)
        return 0;
    if (((text && timestamp_parse(text, &ms)) || json_integer(member, &ms)) && ms >= 0 && ms <= TIMESTAMP_MAX_MS) {
        *ret_ms = ms;
        return 0;
    }
    (void)snprintf(field, sizeof(field), "/%s", key);
    return refuse(why, "field_invalid", field,
                  "must be milliseconds since 1970 or a time such as 2026-01-15T10:30:00Z");
}

static int read_optional_text(const struct json *json, const char *key, size_t max, struct refusal *why)
{
    const struct json *member = json_get(json, key);
    char field[32];
    size_t len = 0;

    if (!member || (json_text(member, &len) && len <= max))
        return 0;
    (void)snprintf(field, sizeof(field), "/%s", key);
    return refuse(why, "field_invalid", field, "must be text of at most %zu bytes", max);
}

static struct span text_of(const struct json *member)
{
    struct span text = {NULL, 0};

    text.data = json_text(member, &text.len);
    return text;
}

static bool visit_label(void *context, const char *key, const struct json *value)
{
    bool *is_fine = context;

    *is_fine = *is_fine && json_kind(value) == JSON_TEXT && strlen(key) <= ID_MAX;
    return *is_fine;
}

static int read_labels(const struct json *json, struct refusal *why)
{
    const struct json *labels = json_get(json, "labels");
    bool is_fine = true;

    json_each(labels, visit_label, &is_fine);
    if (labels && (json_kind(labels) != JSON_OBJECT || !is_fine))
        return refuse(why, "field_invalid", "/labels", "must be an object whose members are texts");
    return 0;
}

static int read_count(const struct json *herald, const char *key, int64_t max, int64_t *ret, struct refusal *why)
{
    const struct json *member = json_get(herald, key);
    char field[48];
    int64_t number;

    if (!member)
        return 0;
    (void)snprintf(field, sizeof(field), "/herald/%s", key);
    if (!json_integer(member, &number) || number < 0 || number > max)
        return refuse(why, "field_invalid", field, "must be a whole number from 0 to %lld", (long long)max);
    *ret = number;
    return 0;
}

/* Herald's own member; forged ones must at least have the right kinds. */
static int read_progress(struct envelope *envelope, struct refusal *why)
{
    const struct json *herald = json_get(envelope->json, "herald"), *history = json_get(herald, "history");
    struct progress_state *progress = &envelope->progress;
    int64_t redelivered = 0;

    if (herald && json_kind(herald) != JSON_OBJECT)
        return refuse(why, "field_invalid", "/herald", "is Herald's own and must be an object");
    if (history && (json_kind(history) != JSON_ARRAY || json_count(history) > ENVELOPE_HISTORY_MAX))
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

    if (json_integer(json_get(envelope->json, "redelivered"), &times) && times > 0 && times < 1000000)
        envelope->progress.redelivered = times;
    json_remove(envelope->json, "redelivered");
}

/* One that is invalid is as good as none: it must not cost the message (Trace Context, section 3.2). */
static void read_trace(struct envelope *envelope)
{
    size_t len = 0;
    const char *text = json_text(json_get(envelope->json, "traceparent"), &len);

    (void)trace_parse(text, len, &envelope->trace);
}

static int read_fields(struct envelope *envelope, struct refusal *why)
{
    static const char *const priorities[] = {"high", "normal", "low", NULL};
    static const char *const policies[] = {"resend", "hold", NULL};
    const struct json *json = envelope->json;
    int priority = PRIORITY_NORMAL, policy = ON_UNKNOWN_RESEND;

    if (read_campaign(envelope, why) != 0 || read_word(json, "priority", priorities, &priority, why) != 0 ||
        read_word(json, "on_unknown", policies, &policy, why) != 0 ||
        read_instant(json, "send_at", &envelope->send_at_ms, why) != 0 ||
        read_instant(json, "expires_at", &envelope->expires_at_ms, why) != 0 ||
        read_optional_text(json, "idempotency_key", 256, why) != 0 ||
        read_optional_text(json, "callback_url", 2048, why) != 0 || read_labels(json, why) != 0)
        return ERR_INVALID;
    envelope->callback_url = text_of(json_get(json, "callback_url"));
    envelope->template_name = text_of(json_get(json_get(json, "labels"), "template"));
    read_trace(envelope);
    envelope->priority = (enum priority)priority;
    envelope->on_unknown = (enum on_unknown)policy;
    return 0;
}

static int read_route(struct envelope *envelope, const struct json *payload, struct refusal *why)
{
    const struct json *member = json_get(envelope->json, "route");
    const char *name = json_get_text(envelope->json, "route");

    if (json_kind(payload) != JSON_OBJECT)
        return refuse(why, payload ? "field_invalid" : "field_missing", "/payload",
                      "must be an object: what Genesys is to receive");
    if (member)
        envelope->route = name ? route_find(name) : NULL;
    else
        envelope->route = route_infer(payload);
    if (member && !envelope->route)
        return refuse(why, "route_unknown", "/route", "must be one of %s", route_names());
    if (!envelope->route)
        return refuse(why, "route_unknown", "/route", "is absent, and the payload is none of %s", route_names());
    return 0;
}

/* An explicit answer that is not true, in either place, is a no. */
static enum consent read_consent(const struct json *json, const struct json *payload)
{
    const struct json *outer = json_get(json_get(json, "metadata"), "consentVerified");
    const struct json *inner = json_get(json_get(payload, "metadata"), "consentVerified");

    if ((outer && !json_is_true(outer)) || (inner && !json_is_true(inner)))
        return CONSENT_REFUSED;
    return outer || inner ? CONSENT_GIVEN : CONSENT_ABSENT;
}

static int read_metadata(const struct json *json, const struct json *payload, struct refusal *why)
{
    const struct json *outer = json_get(json, "metadata"), *inner = json_get(payload, "metadata");

    if (outer && json_kind(outer) != JSON_OBJECT)
        return refuse(why, "field_invalid", "/metadata", "must be an object");
    if (inner && json_kind(inner) != JSON_OBJECT)
        return refuse(why, "field_invalid", "/payload/metadata", "must be an object");
    return 0;
}

static int read_content(struct envelope *envelope, const struct envelope_rules *rules, struct refusal *why)
{
    const struct json *json = envelope->json, *payload = json_get(json, "payload");
    struct content *content = &envelope->content;

    if (read_route(envelope, payload, why) != 0 || !envelope->route || read_metadata(json, payload, why) != 0 ||
        envelope->route->read(payload, content, why) != 0 ||
        route_read_text(json, "origin", "/origin", &content->origin, why) != 0)
        return ERR_INVALID;
    if (!content->conversation_id.data &&
        route_read_text(json, "conversation_id", "/conversation_id", &content->conversation_id, why) != 0)
        return ERR_INVALID;
    content->consent = read_consent(json, payload);
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
static int check_room(struct envelope *envelope, size_t len, struct refusal *why)
{
    if (json_depth(envelope->json) > ENVELOPE_MAX_DEPTH) {
        envelope_clear(envelope); /* the dead letter has the bytes as they came instead */
        return refuse(why, "json_invalid", "", "nesting is deeper than %d", ENVELOPE_MAX_DEPTH);
    }
    if (len > ENVELOPE_MAX_BYTES && !json_get(json_get(envelope->json, "herald"), "accepted_at"))
        return refuse(why, "json_invalid", "", "%zu bytes are more than the %zu that one message may have", len,
                      ENVELOPE_MAX_BYTES);
    return 0;
}

int envelope_read(struct envelope *ret, const char *data, size_t len, const struct envelope_rules *rules,
                  int64_t wall_ms, struct refusal *why)
{
    struct reason reason = {""};
    int rc;

    *ret = (struct envelope){.priority = PRIORITY_NORMAL};
    if (json_parse(&ret->json, data, len, &reason) != 0) {
        id_new(ret->id, wall_ms);
        return refuse(why, "json_invalid", "", "%s", reason.text);
    }
    if (json_kind(ret->json) != JSON_OBJECT) {
        id_new(ret->id, wall_ms);
        return refuse(why, "json_invalid", "", "must be an object, not %s", json_kind_name(json_kind(ret->json)));
    }
    take_redelivered(ret);
    if (is_bare_payload(ret->json))
        wrap_bare_payload(ret);
    rc = read_id(ret, wall_ms, why);
    if (check_room(ret, len, why) != 0 || rc != 0 || read_progress(ret, why) != 0 ||
        read_version(ret->json, why) != 0 || read_fields(ret, why) != 0 ||
        check_callback(ret->callback_url, rules->callbacks, why) != 0)
        return ERR_INVALID;
    return read_content(ret, rules, why);
}

void envelope_clear(struct envelope *envelope)
{
    json_free(envelope->json);
    envelope->json = NULL;
}

const struct json *envelope_payload(const struct envelope *envelope)
{
    return json_get(envelope->json, "payload");
}

const struct json *envelope_history(const struct envelope *envelope)
{
    return json_get(json_get(envelope->json, "herald"), "history");
}
