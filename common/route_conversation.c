/* The bot tutorial's send: POST /api/v2/conversations/{conversationId}/messages. It answers within a conversation that
 * the customer began, so consent is not asked for; instead the content is kept free of markup. The conversation's id
 * is a member of the payload (or of the envelope) that is taken out before sending. */
#include "common/route.h"

#include <stdio.h>

#include "common/reason.h"

#define MAX_UNITS     4096
#define MAX_ITEMS     50
#define MAX_ID_LENGTH 128

static bool matches(const struct json_value *payload)
{
    return value_get_text(payload, "type").data && value_get(value_get(payload, "to"), "id") &&
           value_get(value_get(payload, "from"), "id");
}

static int read_kind(const struct json_value *payload, struct refusal *why)
{
    struct span type = value_text(value_get(payload, "type"));

    if (span_is(type, "text") || span_is(type, "card") || span_is(type, "quickReply"))
        return 0;
    return refuse(why, "field_invalid", "/payload/type", "must be text, card or quickReply");
}

/* Each item of `list` must have `key` as text that passes the rules. */
static int check_items(const struct json_value *list, const char *name, const char *key, struct refusal *why)
{
    char pointer[96];
    size_t count = value_count(list), i = 0;

    (void)snprintf(pointer, sizeof(pointer), "/payload/%s", name);
    if (list && value_kind(list) != JSON_ARRAY)
        return refuse(why, "field_invalid", pointer, "must be a list, not %s", json_kind_name(value_kind(list)));
    if (count > MAX_ITEMS)
        return refuse(why, "field_invalid", pointer, "has %zu items, at most %d are allowed", count, MAX_ITEMS);
    for (const struct json_value *at = value_first(list); at; at = value_next(list, at)) {
        struct span text;

        (void)snprintf(pointer, sizeof(pointer), "/payload/%s/%zu/%s", name, i++, key);
        if (route_read_text(at, key, pointer, &text, why) != 0)
            return ERR_INVALID;
        if (span_is_empty(text))
            return refuse(why, "field_missing", pointer, "must be there, as text");
        if (content_check_text(text, MAX_UNITS, pointer, why) != 0 || content_check_no_html(text, pointer, why) != 0)
            return ERR_INVALID;
    }
    return 0;
}

static int read_rich(const struct json_value *payload, struct refusal *why)
{
    struct span type = value_text(value_get(payload, "type"));
    const struct json_value *cards = value_get(payload, "cards"), *replies = value_get(payload, "quickReplies");

    if (span_is(type, "card") && value_count(cards) == 0)
        return refuse(why, "field_missing", "/payload/cards", "a card message has at least one card");
    if (span_is(type, "quickReply") && value_count(replies) == 0)
        return refuse(why, "field_missing", "/payload/quickReplies", "a quickReply message has at least one reply");
    if (check_items(cards, "cards", "title", why) != 0)
        return ERR_INVALID;
    return check_items(replies, "quickReplies", "label", why);
}

static int read(const struct json_value *payload, struct content *ret, struct refusal *why)
{
    if (read_kind(payload, why) != 0 ||
        route_read_text(value_get(payload, "to"), "id", "/payload/to/id", &ret->to, why) != 0 ||
        route_read_text(value_get(payload, "from"), "id", "/payload/from/id", &ret->from, why) != 0 ||
        route_read_text(payload, "text", "/payload/text", &ret->text, why) != 0 ||
        route_read_text(payload, "conversationId", "/payload/conversationId", &ret->conversation_id, why) != 0)
        return ERR_INVALID;
    if (span_is(value_text(value_get(payload, "type")), "text") && span_is_empty(ret->text))
        return refuse(why, "text_missing", "/payload/text", "there is no text");
    return read_rich(payload, why);
}

/* The id goes into a path: letters, digits, `-` and `_` only, so that it cannot lead anywhere else. */
static int check_conversation_id(struct span id, struct refusal *why)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";

    if (span_is_empty(id))
        return refuse(why, "conversation_missing", "/payload/conversationId",
                      "a bot message needs the id of its conversation");
    for (size_t i = 0; i < id.len; i++) {
        if (id.len > MAX_ID_LENGTH || id.data[i] == '\0' || !strchr(allowed, id.data[i]))
            return refuse(why, "field_invalid", "/payload/conversationId",
                          "must be at most %d letters, digits, - and _", MAX_ID_LENGTH);
    }
    return 0;
}

static int check(const struct content *content, struct refusal *why)
{
    if (check_conversation_id(content->conversation_id, why) != 0)
        return ERR_INVALID;
    if (span_is_empty(content->to))
        return refuse(why, "address_missing", "/payload/to/id", "there is no recipient");
    if (span_is_empty(content->from))
        return refuse(why, "from_missing", "/payload/from/id", "there is no sender");
    if (!content->text.data)
        return 0;
    if (content_check_text(content->text, MAX_UNITS, "/payload/text", why) != 0)
        return ERR_INVALID;
    return content_check_no_html(content->text, "/payload/text", why);
}

const struct route route_conversation = {
    .name = "conversation",
    .path = "/api/v2/conversations/{}/messages",
    .needs_consent = false,
    .id_from_header = true,
    .hidden = {"conversationId", "metadata"},
    .matches = matches,
    .read = read,
    .check = check,
};
