/* The outbound tutorial's send: POST /api/v2/messaging/messages. Its addresses carry the channel as a prefix
 * (`whatsapp:+15559998765`) and consent travels in the payload's own metadata. */
#include "common/route.h"

#include "common/reason.h"

static const struct {
    const char *type; /* channelType */
    enum channel channel;
    size_t max_units; /* the tutorial's character limits */
} types[] = {
    {"messaging:sms", CHANNEL_SMS, 160},
    {"messaging:whatsapp", CHANNEL_WHATSAPP, 1600},
    {"messaging:facebook", CHANNEL_FACEBOOK, 64000},
    {"messaging:web", CHANNEL_WEB, 10000},
};

#define TYPE_COUNT (sizeof(types) / sizeof(types[0]))

static bool matches(const struct json_value *payload)
{
    return value_get(payload, "channelType") != NULL;
}

static size_t type_index(enum channel channel)
{
    size_t i = 0;

    while (i < TYPE_COUNT && types[i].channel != channel)
        i++;
    return i;
}

static int read_channel(const struct json_value *payload, struct content *ret, struct refusal *why)
{
    struct span type;

    if (route_read_text(payload, "channelType", "/payload/channelType", &type, why) != 0)
        return ERR_INVALID;
    for (size_t i = 0; i < TYPE_COUNT; i++) {
        if (span_is(type, types[i].type)) {
            ret->channel = types[i].channel;
            return 0;
        }
    }
    return refuse(why, "channel_unknown", "/payload/channelType",
                  "must be messaging:sms, messaging:whatsapp, messaging:facebook or messaging:web");
}

static int read_to(const struct json_value *list, struct content *ret, struct refusal *why)
{
    struct span to;

    if (value_kind(list) != JSON_ARRAY || value_count(list) == 0)
        return refuse(why, "address_missing", "/payload/to", "must be a list with one recipient");
    if (value_count(list) > 1)
        return refuse(why, "address_invalid", "/payload/to", "has %zu recipients; a message is one person's",
                      value_count(list));
    if (route_read_text(value_first(list), "address", "/payload/to/0/address", &to, why) != 0)
        return ERR_INVALID;
    return channel_read_address(ret->channel, to, "/payload/to/0/address", &ret->to, why);
}

static int read(const struct json_value *payload, struct content *ret, struct refusal *why)
{
    const struct json_value *body = value_get(payload, "content");
    struct span type;

    if (read_channel(payload, ret, why) != 0 ||
        route_read_text(value_get(payload, "from"), "address", "/payload/from/address", &ret->from, why) != 0 ||
        route_read_text(body, "type", "/payload/content/type", &type, why) != 0 ||
        route_read_text(body, "text", "/payload/content/text", &ret->text, why) != 0)
        return ERR_INVALID;
    if (type.data && !span_is(type, "text"))
        return refuse(why, "field_invalid", "/payload/content/type", "must be text");
    return read_to(value_get(payload, "to"), ret, why);
}

static int check(const struct content *content, struct refusal *why)
{
    size_t i = type_index(content->channel);
    struct span from;

    if (i == TYPE_COUNT)
        return refuse(why, "channel_unknown", "/payload/channelType", "%s does not go by this route",
                      channel_name(content->channel));
    if (span_is_empty(content->from))
        return refuse(why, "from_missing", "/payload/from/address", "there is no sender");
    if (channel_read_address(content->channel, content->from, "/payload/from/address", &from, why) != 0)
        return ERR_INVALID;
    return content_check_text(content->text, types[i].max_units, "/payload/content/text", why);
}

/* The address as the tutorial writes it: the channel as a prefix, a number with its `+`; SMS numbers stand alone.
 * Addresses have no control characters (channel_read_address), so quotes and backslashes are all there is to escape. */
static void write_address(enum channel channel, struct span address, struct buf *out)
{
    buf_text(out, "{\"address\":\"");
    if (channel != CHANNEL_SMS) {
        buf_text(out, channel_name(channel));
        buf_char(out, ':');
    }
    if (channel_has_phone_number(channel))
        buf_char(out, '+');
    for (size_t i = 0; i < address.len; i++) {
        if (address.data[i] == '"' || address.data[i] == '\\')
            buf_char(out, '\\');
        buf_char(out, address.data[i]);
    }
    buf_char(out, '"');
}

static void write(const struct content *content, struct buf *out)
{
    const char *type = types[type_index(content->channel)].type;
    struct refusal ignored;
    struct span from = content->from;

    (void)channel_read_address(content->channel, content->from, "", &from, &ignored); /* checked before */
    buf_printf(out, "{\"channelType\":\"%s\",\"from\":", type);
    write_address(content->channel, from, out);
    buf_printf(out, ",\"provider\":\"%s\",\"channelType\":\"%s\"},\"to\":[", channel_name(content->channel), type);
    write_address(content->channel, content->to, out);
    buf_text(out, "}],\"content\":{\"type\":\"text\",\"text\":");
    buf_json(out, content->text.data, content->text.len);
    buf_printf(out, "},\"metadata\":{\"consentVerified\":%s}}", content->consent == CONSENT_GIVEN ? "true" : "false");
}

const struct route route_messaging = {
    .name = "messaging",
    .path = "/api/v2/messaging/messages",
    .needs_consent = true,
    .matches = matches,
    .read = read,
    .check = check,
    .write = write,
};
