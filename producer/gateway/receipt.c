#include "producer/gateway/receipt.h"

#include <stdio.h>
#include <strings.h>

#include "common/json.h"
#include "common/mask.h"
#include "common/route.h"
#include "common/timestamp.h"

#define AUDIT_MAX 4096 /* more than an entry can come to */
#define TIME_MAX  64   /* bytes of a time, as part of a key */

/* What both kinds of body come to, before it is made a record. */
struct notice {
    struct span provider_id, status;
    struct span event;  /* its own id; absent */
    struct span time;   /* as it was written; absent when a number */
    int64_t at_ms;      /* 0: not said */
    struct span code;   /* of a failure */
    struct span person; /* id in open messaging; absent */
};

/* --- the parts of a body --- */

static int parse(struct json **ret, struct span body, struct refusal *why)
{
    struct reason reason = {""};
    struct json *json = NULL;

    if (json_parse(&json, body.data, body.len, &reason) != 0)
        return refuse(why, "json_invalid", "", "%s", reason.text);
    if (json_kind(json) != JSON_OBJECT) {
        (void)refuse(why, "json_invalid", "", "must be an object, not %s", json_kind_name(json_kind(json)));
        json_free(json);
        return ERR_INVALID;
    }
    *ret = json;
    return 0;
}

/* An object member; NULL when it is absent. */
static int read_object(const struct json *json, const char *key, const char *pointer, const struct json **ret,
                       struct refusal *why)
{
    const struct json *member = json_get(json, key);

    if (member && json_kind(member) != JSON_OBJECT)
        return refuse(why, "field_invalid", pointer, "must be an object, not %s", json_kind_name(json_kind(member)));
    *ret = member;
    return 0;
}

static int read_id(const struct json *json, const char *key, const char *pointer, struct span *ret, struct refusal *why)
{
    struct span id;

    if (route_read_text(json, key, pointer, &id, why) != 0)
        return ERR_INVALID;
    if (span_is_empty(id))
        return refuse(why, "field_missing", pointer, "is absent: whose receipt is it?");
    if (!id_is_valid(id.data, id.len))
        return refuse(why, "field_invalid", pointer, "must be 1 to %d letters, digits and . _ : -", ID_MAX);
    *ret = id;
    return 0;
}

/* RFC 3339 or milliseconds. What is neither, or lies in a future nobody can have a receipt of, does not lose the
 * receipt: it happened now. */
static int read_time(const struct json *json, const char *key, const char *pointer, int64_t now_ms,
                     struct notice *notice, struct refusal *why)
{
    const struct json *member = json_get(json, key);
    const char *text = json_get_text(json, key);
    int64_t ms = 0;

    if (!member)
        return 0;
    if (json_kind(member) != JSON_TEXT && json_kind(member) != JSON_INTEGER)
        return refuse(why, "field_invalid", pointer,
                      "must be a time such as 2026-01-15T10:30:00Z or milliseconds since 1970");
    notice->time = span_of(text);
    if (notice->time.len > TIME_MAX)
        notice->time.len = TIME_MAX;
    if (((text && timestamp_parse(text, &ms)) || json_integer(member, &ms)) && ms > 0 &&
        ms <= now_ms + RECEIPT_AHEAD_MS)
        notice->at_ms = ms;
    return 0;
}

/* The code that matters most: one that says never again, else the first. */
static void weigh_code(struct notice *notice, struct span code)
{
    if (span_is_empty(code))
        return;
    if (span_is_empty(notice->code) || (!delivery_code_opts_out(notice->code) && delivery_code_opts_out(code)))
        notice->code = code;
}

static struct span text_of(const struct json *value)
{
    struct span text = {NULL, 0};

    text.data = json_text(value, &text.len);
    return text;
}

static void read_reasons(struct notice *notice, const struct json *reasons)
{
    size_t count = json_count(reasons);

    for (size_t i = 0; i < count && i < RECEIPT_REASONS_MAX; i++)
        weigh_code(notice, text_of(json_get(json_at(reasons, i), "code")));
}

/* --- a record out of them --- */

/* Of a kind and its parts; none but the last may hold a line end, so two events never make one text. */
static void set_key(struct receipt *receipt, const char *kind, struct span a, struct span b, struct span c)
{
    struct buf text;

    buf_init(&text, 1024); /* what the parts come to at most is less */
    buf_text(&text, kind);
    buf_char(&text, '\n');
    buf_add(&text, a.data, a.len);
    buf_char(&text, '\n');
    buf_add(&text, b.data, b.len);
    buf_char(&text, '\n');
    buf_add(&text, c.data, c.len);
    store_key_of(NULL, (struct span){text.data, text.len}, receipt->record.key);
    buf_clear(&text);
}

/* Codes are for people and for counting: a strange one is kept as far as it can be shown. */
static void set_code(struct receipt *receipt, struct span code)
{
    size_t len = code.len < sizeof(receipt->code) ? code.len : sizeof(receipt->code) - 1;

    for (size_t i = 0; i < len; i++) {
        char c = code.data[i];

        receipt->code[i] = c > ' ' && c <= '~' && c != '"' && c != '\\' ? c : '_';
    }
    receipt->code[len] = '\0';
    receipt->record.opts_out = delivery_code_opts_out(code);
}

/* As the worker names the person in the suppression set. An id that no message could go to names nobody. */
static void set_person(struct receipt *receipt, struct span id)
{
    struct refusal ignored;
    struct span who;

    if (span_is_empty(id) || channel_read_address(CHANNEL_OPEN, id, "", &who, &ignored) != 0)
        return;
    receipt->record.person.len = (size_t)snprintf(receipt->person, sizeof(receipt->person), "%s:%.*s",
                                                  channel_name(CHANNEL_OPEN), (int)who.len, who.data);
    receipt->record.person.data = receipt->person;
}

static void add_text(struct buf *out, const char *key, struct span text)
{
    if (span_is_empty(text))
        return;
    buf_printf(out, ",\"%s\":", key);
    buf_json(out, text.data, text.len);
}

static void write_audit(struct receipt *receipt, const struct notice *notice, int64_t now_ms)
{
    char masked[MASK_SIZE];
    struct buf *out = &receipt->audit;

    buf_text(out, "{\"at\":");
    buf_int(out, now_ms);
    add_text(out, "what", span_of("receipt"));
    add_text(out, "provider_id", notice->provider_id);
    add_text(out, "delivery", span_of(delivery_name(receipt->record.delivery)));
    add_text(out, "code", span_of(receipt->code));
    if (notice->at_ms > 0) {
        buf_text(out, ",\"happened_at\":");
        buf_int(out, notice->at_ms);
    }
    add_text(out, "event", notice->event);
    if (receipt->record.person.data)
        add_text(out, "to", span_of(mask_address(receipt->record.person, masked)));
    buf_char(out, '}');
    receipt->record.audit = (struct span){out->data, out->len};
}

static void fill(struct receipt *receipt, const struct notice *notice, int64_t now_ms)
{
    memcpy(receipt->provider_id, notice->provider_id.data, notice->provider_id.len); /* at most ID_MAX: read_id */
    receipt->provider_id[notice->provider_id.len] = '\0';
    receipt->record.provider_id = receipt->provider_id;
    receipt->record.at_ms = notice->at_ms;
    receipt->record.code = receipt->code;
    if (receipt->record.delivery == DELIVERY_FAILED)
        set_code(receipt, notice->code);
    set_person(receipt, notice->person);
    write_audit(receipt, notice, now_ms);
}

static void init(struct receipt *receipt)
{
    *receipt = (struct receipt){.record = {.code = ""}};
    buf_init(&receipt->audit, AUDIT_MAX);
}

void receipt_clear(struct receipt *receipt)
{
    buf_clear(&receipt->audit);
}

/* --- the tutorial's event --- */

static int read_event_id(const struct json *json, struct notice *notice, struct refusal *why)
{
    if (route_read_text(json, "id", "/id", &notice->event, why) != 0)
        return ERR_INVALID;
    if (notice->event.len > RECEIPT_EVENT_MAX)
        return refuse(why, "field_invalid", "/id", "must be at most %d bytes", RECEIPT_EVENT_MAX);
    return 0;
}

static void read_codes(struct notice *notice, const struct json *data)
{
    weigh_code(notice, text_of(json_get(data, "errorCode")));
    weigh_code(notice, text_of(json_get(data, "reason")));
    read_reasons(notice, json_get(data, "reasons"));
}

static int read_messaging(struct receipt *ret, const struct json *json, int64_t now_ms, struct refusal *why)
{
    struct notice notice = {.at_ms = 0};
    const struct json *data = NULL;
    struct span type;

    if (read_event_id(json, &notice, why) != 0 || route_read_text(json, "type", "/type", &type, why) != 0)
        return ERR_INVALID;
    if (type.data && !span_is(type, "messaging:messages:updated"))
        return RECEIPT_NOTHING;
    if (read_object(json, "data", "/data", &data, why) != 0)
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
        set_key(ret, "status", notice.provider_id, span_of(delivery_name(ret->record.delivery)), span_of(NULL));
    else
        set_key(ret, "event", span_of(NULL), span_of(NULL), notice.event);
    fill(ret, &notice, now_ms);
    return 0;
}

/* --- Open Messaging --- */

static bool is_word(struct span text, const char *word)
{
    return text.data && text.len == strlen(word) && strncasecmp(text.data, word, text.len) == 0;
}

/* Whom it is about: only there are the ids those of open messaging. */
static int read_channel(const struct json *json, int64_t now_ms, struct notice *notice, struct refusal *why)
{
    const struct json *channel = NULL, *to = NULL;
    struct span platform;

    if (read_object(json, "channel", "/channel", &channel, why) != 0 ||
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
static int read_open_status(struct receipt *ret, const struct json *json, struct notice *notice, struct refusal *why)
{
    struct span type, direction;

    if (route_read_text(json, "type", "/type", &type, why) != 0 ||
        route_read_text(json, "direction", "/direction", &direction, why) != 0 ||
        route_read_text(json, "status", "/status", &notice->status, why) != 0)
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

static int read_open(struct receipt *ret, const struct json *json, int64_t now_ms, struct refusal *why)
{
    struct notice notice = {.at_ms = 0};
    int rc = read_open_status(ret, json, &notice, why);

    if (rc != 0)
        return rc;
    if (read_id(json, "id", "/id", &notice.provider_id, why) != 0 || read_channel(json, now_ms, &notice, why) != 0)
        return ERR_INVALID;
    read_reasons(&notice, json_get(json, "reasons"));
    set_key(ret, "open", notice.provider_id,
            notice.status.data ? span_of(delivery_name(ret->record.delivery)) : span_of(NULL), notice.time);
    fill(ret, &notice, now_ms);
    return 0;
}

/* --- both --- */

static int read_body(struct receipt *ret, struct span body, int64_t now_ms, struct refusal *why,
                     int (*read)(struct receipt *ret, const struct json *json, int64_t now_ms, struct refusal *why))
{
    struct json *json = NULL;
    int rc;

    init(ret);
    rc = parse(&json, body, why);
    if (rc == 0)
        rc = read(ret, json, now_ms, why);
    json_free(json);
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
