/* The real API's agentless send: POST /api/v2/conversations/messages/agentless (SendAgentlessOutboundMessageRequest of
 * the vendor's SDKs). It has no place for consent, so that travels in the envelope's metadata. */
#include "common/route.h"

#include "common/reason.h"
#include "common/sms.h"

/* Documented maximum lengths of textBody; for SMS five parts of 153 plain characters, or five of 67 others. */
#define SMS_MAX_UNITS    765
#define SMS_MAX_SEGMENTS 5
#define OTHER_MAX_UNITS  2000

static const struct {
    const char *type; /* toAddressMessengerType */
    enum channel channel;
} types[] = {
    {"sms", CHANNEL_SMS},          {"whatsapp", CHANNEL_WHATSAPP}, {"open", CHANNEL_OPEN},
    {"webmessaging", CHANNEL_WEB}, {"apple", CHANNEL_APPLE},
};

static bool matches(const struct json_value *payload)
{
    return value_get(payload, "toAddressMessengerType") || value_get(payload, "toAddress");
}

static enum channel channel_of_type(struct span type)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (span_is(type, types[i].type))
            return types[i].channel;
    }
    return CHANNEL_NONE;
}

static const char *type_of_channel(enum channel channel)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (types[i].channel == channel)
            return types[i].type;
    }
    return "";
}

static int read_parameters(const struct json_value *list, struct content *ret, struct refusal *why)
{
    size_t count = value_count(list), i = 0;

    if (list && value_kind(list) != JSON_ARRAY)
        return refuse(why, "field_invalid", "/payload/messagingTemplate/bodyParameters", "must be a list, not %s",
                      json_kind_name(value_kind(list)));
    if (count > CONTENT_PARAMETERS_MAX)
        return refuse(why, "field_invalid", "/payload/messagingTemplate/bodyParameters", "has %zu values, at most %d",
                      count, CONTENT_PARAMETERS_MAX);
    for (const struct json_value *at = value_first(list); at; at = value_next(list, at)) {
        struct span *value = &ret->parameters[i++];

        if (route_read_text(at, "value", "/payload/messagingTemplate/bodyParameters", value, why) != 0)
            return ERR_INVALID;
        if (!value->data)
            return refuse(why, "field_missing", "/payload/messagingTemplate/bodyParameters",
                          "each parameter must have a value, as text");
    }
    ret->parameter_count = count;
    return 0;
}

/* On the wire SMS and Apple addresses have a `+`, WhatsApp ones have none. */
static int read_to(struct span to, struct content *ret, struct refusal *why)
{
    bool has_plus = to.len > 0 && to.data[0] == '+';

    if (!to.data && ret->channel == CHANNEL_WEB)
        return 0; /* externalContactId names the person */
    if (!to.data)
        return refuse(why, "address_missing", "/payload/toAddress", "there is no address");
    if (ret->channel == CHANNEL_WEB)
        return refuse(why, "address_invalid", "/payload/toAddress", "web messaging wants externalContactId instead");
    if (channel_read_address(ret->channel, to, "/payload/toAddress", &ret->to, why) != 0)
        return ERR_INVALID;
    if ((ret->channel == CHANNEL_SMS || ret->channel == CHANNEL_APPLE) && !has_plus)
        return refuse(why, "address_invalid", "/payload/toAddress", "a number for %s begins with `+`",
                      channel_name(ret->channel));
    if (ret->channel == CHANNEL_WHATSAPP && (has_plus || ret->to.len != to.len))
        return refuse(why, "address_invalid", "/payload/toAddress", "a number for whatsapp is digits only here");
    return 0;
}

static int read(const struct json_value *payload, struct content *ret, struct refusal *why)
{
    const struct json_value *template = value_get(payload, "messagingTemplate");
    struct span type, to;

    if (route_read_text(payload, "toAddressMessengerType", "/payload/toAddressMessengerType", &type, why) != 0 ||
        route_read_text(payload, "fromAddress", "/payload/fromAddress", &ret->from, why) != 0 ||
        route_read_text(payload, "toAddress", "/payload/toAddress", &to, why) != 0 ||
        route_read_text(payload, "externalContactId", "/payload/externalContactId", &ret->external_id, why) != 0 ||
        route_read_text(payload, "textBody", "/payload/textBody", &ret->text, why) != 0)
        return ERR_INVALID;
    ret->channel = channel_of_type(type);
    if (ret->channel == CHANNEL_NONE)
        return refuse(why, "channel_unknown", "/payload/toAddressMessengerType",
                      "must be sms, whatsapp, open, webmessaging or apple");
    if (template && value_kind(template) != JSON_OBJECT)
        return refuse(why, "field_invalid", "/payload/messagingTemplate", "must be an object, not %s",
                      json_kind_name(value_kind(template)));
    if (route_read_text(template, "responseId", "/payload/messagingTemplate/responseId", &ret->response_id, why) != 0 ||
        read_parameters(value_get(template, "bodyParameters"), ret, why) != 0)
        return ERR_INVALID;
    return read_to(to, ret, why);
}

static int check_sms_text(struct span text, struct refusal *why)
{
    struct sms_cost cost;

    if (content_check_text(text, SMS_MAX_UNITS, "/payload/textBody", why) != 0)
        return ERR_INVALID;
    if (text.len <= SMS_MAX_SEGMENTS * (SMS_UCS2_PART - 1))
        return 0; /* in UCS-2 too, whose parts hold least: it has no more units than bytes, and a part wastes one at
                     most */
    cost = sms_cost(text.data, text.len);
    if (cost.segments > SMS_MAX_SEGMENTS)
        return refuse(why, "text_too_long", "/payload/textBody",
                      "the text takes %zu SMS parts in %s, at most %d go out", cost.segments,
                      sms_encoding_name(cost.encoding), SMS_MAX_SEGMENTS);
    return 0;
}

/* They become part of the text that the person reads. */
static int check_parameters(const struct content *content, struct refusal *why)
{
    for (size_t i = 0; i < content->parameter_count; i++) {
        struct span value = content->parameters[i];

        if (!span_is_empty(value) &&
            content_check_text(value, OTHER_MAX_UNITS, "/payload/messagingTemplate/bodyParameters", why) != 0)
            return ERR_INVALID;
    }
    return 0;
}

static int check_what(const struct content *content, struct refusal *why)
{
    if (check_parameters(content, why) != 0)
        return ERR_INVALID;
    if (content->channel == CHANNEL_SMS)
        return check_sms_text(content->text, why);
    if (content->channel == CHANNEL_WHATSAPP && span_is_empty(content->response_id))
        return refuse(why, "template_missing", "/payload/messagingTemplate/responseId",
                      "WhatsApp sends an approved template only: its response id is needed");
    if (!span_is_empty(content->response_id) && !content->text.data)
        return 0;
    return content_check_text(content->text, OTHER_MAX_UNITS, "/payload/textBody", why);
}

static int check(const struct content *content, struct refusal *why)
{
    struct span number;

    if (span_is_empty(content->from))
        return refuse(why, "from_missing", "/payload/fromAddress", "there is no sender");
    if (content->channel == CHANNEL_SMS &&
        (content->from.data[0] != '+' ||
         channel_read_address(CHANNEL_SMS, content->from, "/payload/fromAddress", &number, why) != 0))
        return refuse(why, "from_invalid", "/payload/fromAddress", "an SMS is sent from a number such as +13175550100");
    if (content->channel == CHANNEL_WEB && span_is_empty(content->external_id))
        return refuse(why, "address_missing", "/payload/externalContactId", "web messaging wants externalContactId");
    if (content->channel == CHANNEL_FACEBOOK)
        return refuse(why, "channel_unknown", "/payload/toAddressMessengerType", "facebook does not go by this route");
    return check_what(content, why);
}

static void write_template(const struct content *content, struct buf *out)
{
    buf_text(out, ",\"messagingTemplate\":{\"responseId\":");
    buf_json(out, content->response_id.data, content->response_id.len);
    if (content->parameter_count > 0)
        buf_text(out, ",\"bodyParameters\":[");
    for (size_t i = 0; i < content->parameter_count; i++) {
        buf_printf(out, "%s{\"id\":\"%zu\",\"value\":", i ? "," : "", i + 1);
        buf_json(out, content->parameters[i].data, content->parameters[i].len);
        buf_char(out, '}');
    }
    buf_text(out, content->parameter_count > 0 ? "]}" : "}");
}

static void write(const struct content *content, struct buf *out)
{
    bool has_plus = content->channel == CHANNEL_SMS || content->channel == CHANNEL_APPLE;

    buf_text(out, "{\"fromAddress\":");
    buf_json(out, content->from.data, content->from.len);
    if (content->channel == CHANNEL_WEB) {
        buf_text(out, ",\"externalContactId\":");
        buf_json(out, content->external_id.data, content->external_id.len);
    } else {
        buf_text(out, has_plus ? ",\"toAddress\":\"+" : ",\"toAddress\":");
        if (has_plus) { /* digits need no escape */
            buf_add(out, content->to.data, content->to.len);
            buf_char(out, '"');
        } else {
            buf_json(out, content->to.data, content->to.len);
        }
    }
    buf_text(out, ",\"toAddressMessengerType\":\"");
    buf_text(out, type_of_channel(content->channel));
    buf_char(out, '"');
    if (content->text.data) {
        buf_text(out, ",\"textBody\":");
        buf_json(out, content->text.data, content->text.len);
    }
    if (content->response_id.data)
        write_template(content, out);
    buf_char(out, '}');
}

const struct route route_agentless = {
    .name = "agentless",
    .path = "/api/v2/conversations/messages/agentless",
    .needs_consent = true,
    .hidden = {"metadata"},
    .matches = matches,
    .read = read,
    .check = check,
    .write = write,
};
