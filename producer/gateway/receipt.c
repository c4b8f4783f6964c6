#include "producer/gateway/receipt.h"

#include <strings.h>

#include "common/json.h"
#include "common/route.h"

/* --- the parts of a body --- */

/* What a body that cannot be read is: a parser says why. */
static int refuse_body(struct span body, struct refusal *why)
{
    struct reason reason = {""};
    struct json *json = NULL;

    if (json_parse(&json, body.data, body.len, &reason) != 0)
        return refuse(why, "json_invalid", "", "%s", reason.text);
    (void)refuse(why, "json_invalid", "", "must be an object, not %s", json_kind_name(json_kind(json)));
    json_free(json);
    return ERR_INVALID;
}

/* An object member; NULL when it is absent. */
static int read_object(const struct json_value *event, const char *key, const char *pointer,
                       const struct json_value **ret, struct refusal *why)
{
    const struct json_value *member = value_get(event, key);

    if (member && value_kind(member) != JSON_OBJECT)
        return refuse(why, "field_invalid", pointer, "must be an object, not %s", json_kind_name(value_kind(member)));
    *ret = member;
    return 0;
}

static int read_id(const struct json_value *event, const char *key, const char *pointer, struct span *ret,
                   struct refusal *why)
{
    struct span id;

    if (route_read_text(event, key, pointer, &id, why) != 0)
        return ERR_INVALID;
    if (span_is_empty(id))
        return refuse(why, "field_missing", pointer, "is absent: whose receipt is it?");
    if (!id_is_valid(id.data, id.len))
        return refuse(why, "field_invalid", pointer, "must be 1 to %d letters, digits and . _ : -", ID_MAX);
    *ret = id;
    return 0;
}

/* Its place in the notice; another kind of value is a refusal. */
static int read_time(const struct json_value *event, const char *key, const char *pointer, int64_t now_ms,
                     struct notice *notice, struct refusal *why)
{
    const struct json_value *member = value_get(event, key);

    if (member && value_kind(member) != JSON_TEXT && value_kind(member) != JSON_INTEGER)
        return refuse(why, "field_invalid", pointer,
                      "must be a time such as 2026-01-15T10:30:00Z or milliseconds since 1970");
    (void)notice_read_time(notice, member, now_ms); /* what is no time does not lose the receipt */
    return 0;
}

/* --- the tutorial's event --- */

static int read_event_id(const struct json_value *event, struct notice *notice, struct refusal *why)
{
    if (route_read_text(event, "id", "/id", &notice->event, why) != 0)
        return ERR_INVALID;
    if (notice->event.len > RECEIPT_EVENT_MAX)
        return refuse(why, "field_invalid", "/id", "must be at most %d bytes", RECEIPT_EVENT_MAX);
    return 0;
}

static void read_codes(struct notice *notice, const struct json_value *data)
{
    notice_weigh_code(notice, value_get(data, "errorCode"));
    notice_weigh_code(notice, value_get(data, "reason"));
    notice_read_reasons(notice, value_get(data, "reasons"));
}

static int read_messaging(struct receipt *ret, const struct json_value *event, int64_t now_ms, struct refusal *why)
{
    struct notice notice = {.at_ms = 0};
    const struct json_value *data = NULL;
    struct span type;

    if (read_event_id(event, &notice, why) != 0 || route_read_text(event, "type", "/type", &type, why) != 0)
        return ERR_INVALID;
    if (type.data && !span_is(type, "messaging:messages:updated"))
        return RECEIPT_NOTHING;
    if (read_object(event, "data", "/data", &data, why) != 0)
        return ERR_INVALID;
    if (!data)
        return refuse(why, "field_missing", "/data", "is absent: what happened?");
    if (read_id(data, "messageId", "/data/messageId", &notice.provider_id, why) != 0 ||
        route_read_text(data, "status", "/data/status", &notice.status, why) != 0 ||
        read_time(data, "timestamp", "/data/timestamp", now_ms, &notice, why) != 0)
        return ERR_INVALID;
    if (span_is_empty(notice.status))
        return refuse(why, "field_missing", "/data/status", "is absent: what became of the message?");
    if (!delivery_parse(notice.status, &ret->record.delivery))
        return RECEIPT_NOTHING;
    read_codes(&notice, data);
    if (span_is_empty(notice.event))
        receipt_set_status_key(ret, notice.provider_id);
    else
        receipt_set_key(ret, "event", span_of(NULL), span_of(NULL), notice.event);
    receipt_fill(ret, &notice, now_ms);
    return 0;
}

/* --- Open Messaging --- */

static bool is_word(struct span text, const char *word)
{
    return text.data && text.len == strlen(word) && strncasecmp(text.data, word, text.len) == 0;
}

/* Whom it is about: only there are the ids those of open messaging. */
static int read_channel(const struct json_value *event, int64_t now_ms, struct notice *notice, struct refusal *why)
{
    const struct json_value *channel = NULL, *to = NULL;
    struct span platform;

    if (read_object(event, "channel", "/channel", &channel, why) != 0 ||
        read_object(channel, "to", "/channel/to", &to, why) != 0 ||
        route_read_text(channel, "platform", "/channel/platform", &platform, why) != 0 ||
        route_read_text(to, "id", "/channel/to/id", &notice->person, why) != 0 ||
        read_time(channel, "time", "/channel/time", now_ms, notice, why) != 0)
        return ERR_INVALID;
    if (platform.data && !is_word(platform, "Open"))
        notice->person = span_of(NULL);
    return 0;
}

/* A receipt says its status; a message that comes by was handed over to the provider, which is who we are there. */
static int read_open_status(struct receipt *ret, const struct json_value *event, struct notice *notice,
                            struct refusal *why)
{
    struct span type, direction;

    if (route_read_text(event, "type", "/type", &type, why) != 0 ||
        route_read_text(event, "direction", "/direction", &direction, why) != 0 ||
        route_read_text(event, "status", "/status", &notice->status, why) != 0)
        return ERR_INVALID;
    if (is_word(direction, "Inbound"))
        return RECEIPT_NOTHING;
    if (is_word(type, "Text") || is_word(type, "Structured")) {
        notice->status = span_of(NULL);
        ret->record.delivery = DELIVERY_SENT;
        return 0;
    }
    if (type.data && !is_word(type, "Receipt"))
        return RECEIPT_NOTHING;
    if (span_is_empty(notice->status))
        return refuse(why, "field_missing", "/status", "is absent: what became of the message?");
    return delivery_parse(notice->status, &ret->record.delivery) ? 0 : RECEIPT_NOTHING;
}

static int read_open(struct receipt *ret, const struct json_value *event, int64_t now_ms, struct refusal *why)
{
    struct notice notice = {.at_ms = 0};
    int rc = read_open_status(ret, event, &notice, why);

    if (rc != 0)
        return rc;
    if (read_id(event, "id", "/id", &notice.provider_id, why) != 0 || read_channel(event, now_ms, &notice, why) != 0)
        return ERR_INVALID;
    notice_read_reasons(&notice, value_get(event, "reasons"));
    receipt_set_key(ret, "open", notice.provider_id,
                    notice.status.data ? span_of(delivery_name(ret->record.delivery)) : span_of(NULL), notice.time);
    receipt_fill(ret, &notice, now_ms);
    return 0;
}

/* --- both --- */

static int read_body(struct receipt *ret, struct span body, int64_t now_ms, struct refusal *why,
                     int (*read)(struct receipt *ret, const struct json_value *event, int64_t now_ms,
                                 struct refusal *why))
{
    struct json_view view;
    int rc;

    receipt_init(ret);
    if (json_view_read(&view, body.data, body.len) != 0)
        return refuse_body(body, why);
    rc = read(ret, json_view_whole(&view), now_ms, why);
    json_view_clear(&view);
    return rc;
}

int receipt_read_messaging(struct receipt *ret, struct span body, int64_t now_ms, struct refusal *why)
{
    return read_body(ret, body, now_ms, why, read_messaging);
}

int receipt_read_open(struct receipt *ret, struct span body, int64_t now_ms, struct refusal *why)
{
    return read_body(ret, body, now_ms, why, read_open);
}
