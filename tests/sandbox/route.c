/* Which path is which route, the two routes of the tutorials, and the address forms all routes share.
 *
 * POST /api/v2/messaging/messages and POST /api/v2/conversations/{id}/messages exist in the tutorials only; their
 * rules are those the tutorials check on the client. */
#include "tests/sandbox/route.h"

#include <string.h>

#define BOT_UNITS_MAX 4096

bool route_span_is(struct span span, const char *string)
{
    return span.bytes != NULL && strlen(string) == span.length && memcmp(span.bytes, string, span.length) == 0;
}

bool route_is_e164(struct span address, bool bare)
{
    size_t start = bare ? 0 : 1;
    if (address.length < 7 + start || address.length > 15 + start || (!bare && address.bytes[0] != '+') ||
        address.bytes[start] == '0') {
        return false;
    }
    for (size_t i = start; i < address.length; i++) {
        if (address.bytes[i] < '0' || address.bytes[i] > '9') {
            return false;
        }
    }
    return true;
}

/* The tutorial's channels; an address may carry the prefix of its own channel and of no other. */
static const struct channel {
    const char *name;
    const char *prefix;
    bool is_phone;
    size_t units_max;
} channels[] = {
    {"messaging:sms", "sms:", true, 160},
    {"messaging:whatsapp", "whatsapp:", true, 1600},
    {"messaging:facebook", "facebook:", false, 64000},
    {"messaging:web", "web:", false, 10000},
};

#define CHANNEL_COUNT (sizeof channels / sizeof channels[0])

static bool has_prefix(struct span span, const char *prefix)
{
    size_t length = strlen(prefix);
    return span.length >= length && memcmp(span.bytes, prefix, length) == 0;
}

static void check_address(const struct channel *channel, struct span address, const char *field,
                          struct problem *problem)
{
    for (size_t i = 0; i < CHANNEL_COUNT; i++) {
        if (&channels[i] != channel && has_prefix(address, channels[i].prefix)) {
            problem_set(problem, "invalid.value", field, "The address in '%s' does not belong to the channel '%s'.",
                        field, channel->name);
        }
    }
}

static void check_recipients(const struct channel *channel, const struct json_object *body, struct message *message,
                             struct problem *problem)
{
    size_t count = 0;
    const struct json_object *list = body_array(body, "to", true, &count, problem);
    message->recipients = (unsigned)count;
    for (size_t i = 0; i < count; i++) {
        const struct json_object *recipient = body_element(list, i);
        if (!body_is_object(recipient)) {
            problem_set(problem, "bad.request", "to", "The field 'to' must hold objects with an address.");
            return;
        }
        struct span address = body_address(recipient, "to.", "address", true, problem);
        if (i == 0) {
            message->to = address;
        }
        if (channel == NULL || address.bytes == NULL) {
            continue;
        }
        check_address(channel, address, "to", problem);
        size_t skip = has_prefix(address, channel->prefix) ? strlen(channel->prefix) : 0;
        struct span number = {address.bytes + skip, address.length - skip};
        if (channel->is_phone && !route_is_e164(number, false)) {
            problem_set(problem, "invalid.value", "to", "The address in 'to' must be a phone number in E.164 format.");
        }
    }
}

static void check_messaging(const struct json_object *body, struct message *ret_message, struct problem *problem)
{
    const struct channel *channel = NULL;
    ret_message->channel = body_address(body, "", "channelType", true, problem);
    for (size_t i = 0; i < CHANNEL_COUNT; i++) {
        if (route_span_is(ret_message->channel, channels[i].name)) {
            channel = &channels[i];
        }
    }
    if (channel == NULL) {
        problem_set(problem, "invalid.value", "channelType", "The field 'channelType' names no supported channel.");
    }
    const struct json_object *from = body_object(body, "from", true, problem);
    if (from != NULL) {
        ret_message->from = body_address(from, "from.", "address", true, problem);
    }
    if (channel != NULL && ret_message->from.bytes != NULL) {
        check_address(channel, ret_message->from, "from", problem);
    }
    check_recipients(channel, body, ret_message, problem);
    const struct json_object *content = body_object(body, "content", true, problem);
    if (content != NULL) {
        struct span type = body_string(content, "content.", "type", true, problem);
        if (type.bytes != NULL && !route_span_is(type, "text")) {
            problem_set(problem, "invalid.value", "type", "The field 'content.type' must be 'text'.");
        }
        size_t units = channel == NULL ? BODY_MAX : channel->units_max;
        ret_message->text = body_text(content, "content.", "text", true, units, problem);
    }
    const struct json_object *metadata = body_object(body, "metadata", true, problem);
    if (metadata != NULL && !body_bool(metadata, "metadata.", "consentVerified", problem)) {
        problem_set(problem, "bad.request", "consentVerified",
                    "The field 'metadata.consentVerified' must be true: delivery is blocked without consent.");
    }
}

static void name_messaging(struct dice *dice, const struct message *message, struct names *ret_names)
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuv";
    (void)message; /* this route knows no conversations */
    uint64_t high = dice_draw(dice);
    uint64_t low = dice_draw(dice);
    memcpy(ret_names->provider_id, "msg_", 4);
    for (int i = 0; i < 12; i++) {
        ret_names->provider_id[4 + i] = digits[(high >> (5 * i)) & 31];
        ret_names->provider_id[16 + i] = digits[(low >> (5 * i)) & 31];
    }
    ret_names->provider_id[28] = '\0';
    ret_names->conversation_id[0] = '\0';
}

static void render_messaging(struct text *out, const struct message *message, const struct names *names)
{
    text_printf(out, "{\"id\":\"%s\",\"channelType\":", names->provider_id);
    text_json(out, message->channel.bytes, message->channel.length);
    text_printf(out, ",\"status\":\"queued\",\"createdDate\":\"%s\"}", names->time);
}

const struct route route_messaging = {
    .name = "messaging",
    .status = 201,
    .check = check_messaging,
    .name_message = name_messaging,
    .render = render_messaging,
};

/* check_list: an array of objects that each need these strings (`second` may be NULL). */
static void check_list(const struct json_object *body, const char *name, bool required, const char *first,
                       const char *second, struct problem *problem)
{
    size_t count = 0;
    const struct json_object *list = body_array(body, name, required, &count, problem);
    for (size_t i = 0; i < count && problem->code == NULL; i++) {
        const struct json_object *element = body_element(list, i);
        if (!body_is_object(element)) {
            problem_set(problem, "bad.request", name, "The field '%s' must hold objects.", name);
            return;
        }
        struct span value = body_string(element, "", first, true, problem);
        if (problem->code == NULL && value.length == 0) {
            problem_set(problem, "bad.request", name, "The element %zu of '%s' has an empty '%s'.", i, name, first);
        }
        if (second != NULL) {
            (void)body_string(element, "", second, true, problem);
        }
    }
}

static void check_conversation(const struct json_object *body, struct message *ret_message, struct problem *problem)
{
    ret_message->recipients = 1;
    ret_message->channel = body_address(body, "", "type", true, problem);
    const struct json_object *to = body_object(body, "to", true, problem);
    if (to != NULL) {
        ret_message->to = body_address(to, "to.", "id", true, problem);
    }
    const struct json_object *from = body_object(body, "from", true, problem);
    if (from != NULL) {
        ret_message->from = body_address(from, "from.", "id", true, problem);
    }
    bool is_text = route_span_is(ret_message->channel, "text");
    bool is_card = route_span_is(ret_message->channel, "card");
    bool is_quick = route_span_is(ret_message->channel, "quickReply");
    if (!is_text && !is_card && !is_quick) {
        problem_set(problem, "invalid.value", "type", "The field 'type' must be one of text, card, quickReply.");
    }
    ret_message->text = body_text(body, "", "text", is_text, BOT_UNITS_MAX, problem);
    check_list(body, "cards", is_card, "title", NULL, problem);
    check_list(body, "quickReplies", is_quick, "label", "payload", problem);
}

static void name_conversation(struct dice *dice, const struct message *message, struct names *ret_names)
{
    dice_uuid(dice, ret_names->provider_id);
    memcpy(ret_names->conversation_id, message->conversation.bytes, message->conversation.length);
    ret_names->conversation_id[message->conversation.length] = '\0';
}

static void render_conversation(struct text *out, const struct message *message, const struct names *names)
{
    text_printf(out, "{\"id\":\"%s\",\"conversationId\":\"%s\",\"type\":", names->provider_id, names->conversation_id);
    text_json(out, message->channel.bytes, message->channel.length);
    text_say(out, ",\"to\":{\"id\":");
    text_json(out, message->to.bytes, message->to.length);
    text_say(out, "},\"from\":{\"id\":");
    text_json(out, message->from.bytes, message->from.length);
    text_printf(out,
                "},\"status\":\"queued\",\"timestamp\":\"%s\",\"selfUri\":\"/api/v2/conversations/%s/messages/%s\"}",
                names->time, names->conversation_id, names->provider_id);
}

const struct route route_conversation = {
    .name = "conversation",
    .status = 200,
    .echoes_request_id = true,
    .check = check_conversation,
    .name_message = name_conversation,
    .render = render_conversation,
};

/* is_conversation_id: only what needs no escaping in a path or in JSON. */
static bool is_conversation_id(const char *id, size_t length)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:";
    for (size_t i = 0; i < length; i++) {
        if (strchr(allowed, id[i]) == NULL) {
            return false;
        }
    }
    return length > 0 && length <= ROUTE_CONVERSATION_MAX;
}

const struct route *route_find(const char *path, struct span *ret_conversation)
{
    static const char base[] = "/api/v2/conversations/";
    if (strcmp(path, "/api/v2/conversations/messages/agentless") == 0) {
        return &route_agentless;
    }
    if (strcmp(path, "/api/v2/messaging/messages") == 0) {
        return &route_messaging;
    }
    if (strncmp(path, base, sizeof base - 1) != 0) {
        return NULL;
    }
    const char *id = path + sizeof base - 1;
    size_t length = strcspn(id, "/");
    if (strcmp(id + length, "/messages") != 0 || !is_conversation_id(id, length)) {
        return NULL;
    }
    *ret_conversation = (struct span){id, length};
    return route_span_is(*ret_conversation, "messages") ? NULL : &route_conversation;
}
