/* POST /api/v2/conversations/messages/agentless: the real API's outbound send.
 *
 * The rules follow the published contract (SendAgentlessOutboundMessageRequest). Where the contract is silent the
 * stricter reading was taken, except that unknown members are ignored, as the platform does. */
#include "tests/sandbox/route.h"

#include <string.h>

#define SMS_UNITS_MAX   765
#define OTHER_UNITS_MAX 2000

/* What each messenger type asks of a message. The documented case of the name is the only one taken. */
static const struct type {
    const char *name;
    bool to_is_contact; /* externalContactId in place of toAddress */
    bool to_is_phone;
    bool to_is_bare_phone; /* without the plus sign */
    bool needs_text;
    bool needs_template;
    size_t units_max;
} types[] = {
    {"sms", .to_is_phone = true, .needs_text = true, .units_max = SMS_UNITS_MAX},
    {"whatsapp", .to_is_bare_phone = true, .needs_template = true, .units_max = OTHER_UNITS_MAX},
    {"open", .needs_text = true, .units_max = OTHER_UNITS_MAX},
    {"webmessaging", .to_is_contact = true, .needs_text = true, .units_max = OTHER_UNITS_MAX},
    {"apple", .units_max = OTHER_UNITS_MAX},
};

static const struct type *find_type(struct span name)
{
    for (size_t i = 0; name.bytes != NULL && i < sizeof types / sizeof types[0]; i++) {
        if (route_span_is(name, types[i].name)) {
            return &types[i];
        }
    }
    return NULL;
}

/* is_sms_sender: a number of the organisation, in full or as a short code. */
static bool is_sms_sender(struct span from)
{
    if (route_is_e164(from, false)) {
        return true;
    }
    for (size_t i = 0; i < from.length; i++) {
        if (from.bytes[i] < '0' || from.bytes[i] > '9') {
            return false;
        }
    }
    return from.length >= 3 && from.length <= 8;
}

static void check_template(const struct json_object *body, bool required, struct problem *problem)
{
    const struct json_object *template = body_object(body, "messagingTemplate", required, problem);
    if (template == NULL) {
        return;
    }
    (void)body_address(template, "messagingTemplate.", "responseId", true, problem); /* only its presence matters */
    static const char *const lists[] = {"bodyParameters", "headerParameters", "buttonUrlParameters", "parameters"};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        size_t count = 0;
        const struct json_object *list = body_array(template, lists[i], false, &count, problem);
        for (size_t j = 0; j < count; j++) {
            const struct json_object *parameter = body_element(list, j);
            if (!body_is_object(parameter)) {
                problem_set(problem, "bad.request", lists[i], "The field '%s' must hold objects with id and value.",
                            lists[i]);
                return;
            }
            (void)body_string(parameter, "messagingTemplate.", "id", true, problem);
            (void)body_string(parameter, "messagingTemplate.", "value", true, problem);
        }
    }
}

static void check_recipient(const struct type *type, const struct json_object *body, struct message *message,
                            struct problem *problem)
{
    if (!type->to_is_contact) {
        message->to = body_address(body, "", "toAddress", true, problem);
    } else {
        if (body_string(body, "", "toAddress", false, problem).bytes != NULL) {
            problem_set(problem, "bad.request", "toAddress",
                        "The field 'toAddress' cannot be used with 'webmessaging'; use 'externalContactId'.");
        }
        message->to = body_address(body, "", "externalContactId", true, problem);
    }
    if (message->to.bytes == NULL) {
        return;
    }
    if (type->to_is_phone && !route_is_e164(message->to, false)) {
        problem_set(problem, "invalid.value", "toAddress",
                    "The field 'toAddress' must be a phone number in E.164 format with a leading '+'.");
    }
    if (type->to_is_bare_phone && !route_is_e164(message->to, true)) {
        problem_set(problem, "invalid.value", "toAddress",
                    "The field 'toAddress' must be a phone number in E.164 format without the '+'.");
    }
}

static void check(const struct json_object *body, struct message *ret_message, struct problem *problem)
{
    struct message *message = ret_message;
    message->recipients = 1;
    message->from = body_address(body, "", "fromAddress", true, problem);
    message->channel = body_address(body, "", "toAddressMessengerType", true, problem);
    const struct type *type = find_type(message->channel);
    if (type == NULL) {
        if (message->channel.bytes != NULL) {
            problem_set(problem, "invalid.value", "toAddressMessengerType",
                        "The field 'toAddressMessengerType' must be one of sms, whatsapp, open, webmessaging, apple.");
        }
        message->to = body_address(body, "", "toAddress", false, problem);
        return;
    }
    if (type->to_is_phone && message->from.bytes != NULL && !is_sms_sender(message->from)) {
        problem_set(problem, "invalid.value", "fromAddress",
                    "The field 'fromAddress' must be a phone number in E.164 format or a short code for 'sms'.");
    }
    check_recipient(type, body, message, problem);
    message->text = body_text(body, "", "textBody", type->needs_text, type->units_max, problem);
    check_template(body, type->needs_template, problem);
    message->use_existing = body_bool(body, "", "useExistingActiveConversation", problem);
}

static void name_message(struct dice *dice, const struct message *message, struct names *ret_names)
{
    (void)message; /* the conversation is a new one each time */
    dice_uuid(dice, ret_names->provider_id);
    dice_uuid(dice, ret_names->conversation_id);
}

static void add_span(struct text *out, const char *name, struct span value)
{
    text_say(out, name);
    text_json(out, value.bytes, value.length);
}

static void render(struct text *out, const struct message *message, const struct names *names)
{
    text_say(out, "{\"id\":\"");
    text_say(out, names->provider_id);
    text_say(out, "\",\"conversationId\":\"");
    text_say(out, names->conversation_id);
    add_span(out, "\",\"fromAddress\":", message->from);
    add_span(out, ",\"toAddress\":", message->to);
    add_span(out, ",\"messengerType\":", message->channel);
    text_say(out, message->use_existing ? ",\"useExistingActiveConversation\":true"
                                        : ",\"useExistingActiveConversation\":false");
    text_say(out, ",\"message\":{\"id\":\"");
    text_say(out, names->provider_id);
    text_say(out, "\",\"status\":\"queued\",\"direction\":\"outbound\"");
    add_span(out, ",\"messengerType\":", message->channel);
    add_span(out, ",\"fromAddress\":", message->from);
    add_span(out, ",\"toAddress\":", message->to);
    text_say(out, ",\"timestamp\":\"");
    text_say(out, names->time);
    text_say(out, "\",\"conversationId\":\"");
    text_say(out, names->conversation_id);
    text_say(out, "\"},\"timestamp\":\"");
    text_say(out, names->time);
    text_say(out, "\",\"selfUri\":\"/api/v2/conversations/messages/");
    text_say(out, names->conversation_id);
    text_say(out, "/messages/");
    text_say(out, names->provider_id);
    text_say(out, "\"}");
}

const struct route route_agentless = {
    .name = "agentless",
    .status = 200,
    .check = check,
    .name_message = name_message,
    .render = render,
};
