/* Each route: what it takes, what it refuses and by which name, what it writes and what it sends. */
#include "common/route.h"

#include <stdlib.h>

#include "common/reason.h"
#include "tests/unit/unit.h"

static struct json_view parse(const char *text)
{
    struct json_view view;

    if (json_view_read(&view, text, strlen(text)) != 0)
        fail_msg("%s: is not JSON", text);
    return view;
}

static int read_and_check(const struct route *route, const struct json_view *view, struct content *ret,
                          struct refusal *why)
{
    *ret = (struct content){.channel = CHANNEL_NONE};
    return route->read(json_view_whole(view), ret, why) != 0 ? ERR_INVALID : route->check(ret, why);
}

struct payload_case {
    const char *payload;
    const char *code, *field; /* NULL: it may be sent */
};

#define FINE          NULL, NULL

#define A(type, rest) "{\"fromAddress\":\"+13175550100\",\"toAddressMessengerType\":\"" type "\"" rest "}"
#define SMS(rest)     A("sms", ",\"toAddress\":\"+13175550199\"" rest)
#define WA(rest)      A("whatsapp", ",\"toAddress\":\"13175550199\"" rest)
#define TEXT          ",\"textBody\":\"Hi\""
#define PARAMETERS    "/payload/messagingTemplate/bodyParameters"
#define TEMPLATE(x)   ",\"messagingTemplate\":{\"responseId\":\"r\",\"bodyParameters\":" x "}"

static const struct payload_case agentless_cases[] = {
    {SMS(TEXT), FINE},
    {SMS(",\"textBody\":\"a < b > c \xf0\x9f\x98\x80\",\"useExistingActiveConversation\":true,\"x\":[1]"), FINE},
    {WA(",\"messagingTemplate\":{\"responseId\":\"r\"}"), FINE},
    {WA(TEMPLATE("[{\"id\":\"1\",\"value\":\"Ann\"}]")), FINE},
    {WA(TEMPLATE("[]") TEXT), FINE},
    {A("open", ",\"toAddress\":\"user:42\"" TEXT), FINE},
    {A("webmessaging", ",\"externalContactId\":\"c-1\"" TEXT), FINE},
    {A("apple", ",\"toAddress\":\"+13175550199\"" TEXT), FINE},
    {"{}", "channel_unknown", "/payload/toAddressMessengerType"},
    {A("fax", ""), "channel_unknown", "/payload/toAddressMessengerType"},
    {A("SMS", ""), "channel_unknown", "/payload/toAddressMessengerType"},
    {A("facebook", ",\"toAddress\":\"1\"" TEXT), "channel_unknown", "/payload/toAddressMessengerType"},
    {"{\"toAddressMessengerType\":1}", "field_invalid", "/payload/toAddressMessengerType"},
    {"{\"toAddressMessengerType\":\"sms\",\"fromAddress\":[]}", "field_invalid", "/payload/fromAddress"},
    {"{\"toAddressMessengerType\":\"sms\",\"toAddress\":{}}", "field_invalid", "/payload/toAddress"},
    {SMS(",\"textBody\":7"), "field_invalid", "/payload/textBody"},
    {SMS(",\"externalContactId\":true"), "field_invalid", "/payload/externalContactId"},
    {SMS(TEXT ",\"messagingTemplate\":\"r\""), "field_invalid", "/payload/messagingTemplate"},
    {WA(",\"messagingTemplate\":{\"responseId\":1}"), "field_invalid", "/payload/messagingTemplate/responseId"},
    {WA(TEMPLATE("{}")), "field_invalid", PARAMETERS},
    {WA(TEMPLATE("[{\"id\":\"1\",\"value\":1}]")), "field_invalid", PARAMETERS},
    {WA(TEMPLATE("[{\"id\":\"1\"}]")), "field_missing", PARAMETERS},
    {WA(TEMPLATE("[\"Ann\"]")), "field_missing", PARAMETERS},
    {WA(TEMPLATE("[{\"id\":\"1\",\"value\":\"{{name}}\"}]")), "placeholder_unresolved", PARAMETERS},
    {WA(TEMPLATE("[0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0]")), "field_invalid", PARAMETERS},
    {A("sms", TEXT), "address_missing", "/payload/toAddress"},
    {A("sms", ",\"toAddress\":\"\"" TEXT), "address_missing", "/payload/toAddress"},
    {A("sms", ",\"toAddress\":\"13175550199\"" TEXT), "address_invalid", "/payload/toAddress"},
    {A("sms", ",\"toAddress\":\"sms:+13175550199\"" TEXT), "address_invalid", "/payload/toAddress"},
    {A("sms", ",\"toAddress\":\"+1\"" TEXT), "address_invalid", "/payload/toAddress"},
    {A("apple", ",\"toAddress\":\"13175550199\"" TEXT), "address_invalid", "/payload/toAddress"},
    {A("whatsapp", ",\"toAddress\":\"+13175550199\"" TEXT), "address_invalid", "/payload/toAddress"},
    {A("whatsapp", ",\"toAddress\":\"whatsapp:13175550199\"" TEXT), "address_invalid", "/payload/toAddress"},
    {A("open", ",\"toAddress\":\"a b\"" TEXT), "address_invalid", "/payload/toAddress"},
    {A("webmessaging", TEXT), "address_missing", "/payload/externalContactId"},
    {A("webmessaging", ",\"externalContactId\":\"c\",\"toAddress\":\"x\"" TEXT), "address_invalid",
     "/payload/toAddress"},
    {"{\"toAddressMessengerType\":\"open\",\"toAddress\":\"a\",\"textBody\":\"Hi\"}", "from_missing",
     "/payload/fromAddress"},
    {"{\"toAddressMessengerType\":\"sms\",\"toAddress\":\"+13175550199\",\"textBody\":\"Hi\",\"fromAddress\":\"Shop\"}",
     "from_invalid", "/payload/fromAddress"},
    {SMS(""), "text_missing", "/payload/textBody"},
    {SMS(",\"textBody\":\"\""), "text_missing", "/payload/textBody"},
    {SMS(",\"textBody\":\"a\\u0000b\""), "text_invalid", "/payload/textBody"},
    {SMS(",\"textBody\":\"Hi {{name}}\""), "placeholder_unresolved", "/payload/textBody"},
    {WA(TEXT), "template_missing", "/payload/messagingTemplate/responseId"},
    {A("apple", ",\"toAddress\":\"+13175550199\""), "text_missing", "/payload/textBody"},
};

#define M(type, from, to, content)                                                                                     \
    "{\"channelType\":\"messaging:" type "\",\"from\":{\"address\":\"" from "\"},\"to\":[{\"address\":\"" to           \
    "\"}],\"content\":" content "}"
#define HI "{\"type\":\"text\",\"text\":\"Hi\"}"

static const struct payload_case messaging_cases[] = {
    {M("sms", "+15550001234", "+15559998765", HI), FINE},
    {M("whatsapp", "whatsapp:+15550001234", "whatsapp:+15559998765", HI), FINE},
    {M("facebook", "page", "facebook:1", "{\"text\":\"Hi\"}"), FINE},
    {M("web", "deployment", "visitor", HI), FINE},
    {"{}", "channel_unknown", "/payload/channelType"},
    {M("telegram", "a", "b", HI), "channel_unknown", "/payload/channelType"},
    {M("open", "a", "b", HI), "channel_unknown", "/payload/channelType"},
    {"{\"channelType\":3}", "field_invalid", "/payload/channelType"},
    {"{\"channelType\":\"messaging:sms\",\"from\":{\"address\":5}}", "field_invalid", "/payload/from/address"},
    {M("sms", "+15550001234", "+15559998765", "{\"type\":1}"), "field_invalid", "/payload/content/type"},
    {M("sms", "+15550001234", "+15559998765", "{\"type\":\"image\"}"), "field_invalid", "/payload/content/type"},
    {M("sms", "+15550001234", "+15559998765", "{\"text\":[]}"), "field_invalid", "/payload/content/text"},
    {M("sms", "+15550001234", "+15559998765", "\"Hi\""), "text_missing", "/payload/content/text"},
    {M("sms", "+15550001234", "+15559998765", "{\"text\":\"{{x}}\"}"), "placeholder_unresolved",
     "/payload/content/text"},
    {"{\"channelType\":\"messaging:sms\"}", "address_missing", "/payload/to"},
    {"{\"channelType\":\"messaging:sms\",\"to\":[]}", "address_missing", "/payload/to"},
    {"{\"channelType\":\"messaging:sms\",\"to\":\"+15559998765\"}", "address_missing", "/payload/to"},
    {"{\"channelType\":\"messaging:sms\",\"to\":[{},{}]}", "address_invalid", "/payload/to"},
    {"{\"channelType\":\"messaging:sms\",\"to\":[{\"address\":1}]}", "field_invalid", "/payload/to/0/address"},
    {"{\"channelType\":\"messaging:sms\",\"to\":[\"+15559998765\"]}", "address_missing", "/payload/to/0/address"},
    {M("sms", "+15550001234", "whatsapp:+15559998765", HI), "address_invalid", "/payload/to/0/address"},
    {M("whatsapp", "sms:+15550001234", "+15559998765", HI), "address_invalid", "/payload/from/address"},
    {M("sms", "12345", "+15559998765", HI), "address_invalid", "/payload/from/address"},
    {M("sms", "", "+15559998765", HI), "from_missing", "/payload/from/address"},
    {"{\"channelType\":\"messaging:sms\",\"from\":\"+1\",\"to\":[{\"address\":\"+15559998765\"}],\"content\":" HI "}",
     "from_missing", "/payload/from/address"},
};

#define C(type, rest)                                                                                                  \
    "{\"to\":{\"id\":\"c\"},\"from\":{\"id\":\"b\"},\"conversationId\":\"x-1\",\"type\":\"" type "\"" rest "}"

static const struct payload_case conversation_cases[] = {
    {C("text", ",\"text\":\"a < b\""), FINE},
    {C("card", ",\"cards\":[{\"title\":\"T\",\"image\":1}]"), FINE},
    {C("quickReply", ",\"text\":\"Which?\",\"quickReplies\":[{\"label\":\"A\",\"payload\":\"a\"}]"), FINE},
    {"{}", "field_invalid", "/payload/type"},
    {"{\"type\":1}", "field_invalid", "/payload/type"},
    {C("video", ""), "field_invalid", "/payload/type"},
    {C("text", ""), "text_missing", "/payload/text"},
    {C("text", ",\"text\":\"\""), "text_missing", "/payload/text"},
    {C("text", ",\"text\":[]"), "field_invalid", "/payload/text"},
    {C("text", ",\"text\":\"<b>Hi</b>\""), "html_forbidden", "/payload/text"},
    {C("text", ",\"text\":\"Hi {{name}}\""), "placeholder_unresolved", "/payload/text"},
    {C("card", ",\"text\":\"\",\"cards\":[{\"title\":\"T\"}]"), "text_missing", "/payload/text"},
    {C("card", ""), "field_missing", "/payload/cards"},
    {C("card", ",\"cards\":{}"), "field_missing", "/payload/cards"},
    {C("text", ",\"text\":\"x\",\"cards\":{}"), "field_invalid", "/payload/cards"},
    {C("card", ",\"cards\":[{}]"), "field_missing", "/payload/cards/0/title"},
    {C("card", ",\"cards\":[\"T\"]"), "field_missing", "/payload/cards/0/title"},
    {C("card", ",\"cards\":[{\"title\":\"T\"},{\"title\":2}]"), "field_invalid", "/payload/cards/1/title"},
    {C("card", ",\"cards\":[{\"title\":\"<i>\"}]"), "html_forbidden", "/payload/cards/0/title"},
    {C("quickReply", ""), "field_missing", "/payload/quickReplies"},
    {C("quickReply", ",\"quickReplies\":[{\"payload\":\"a\"}]"), "field_missing", "/payload/quickReplies/0/label"},
    {C("quickReply", ",\"quickReplies\":[{\"label\":\"{{x}}\"}]"), "placeholder_unresolved",
     "/payload/quickReplies/0/label"},
    {"{\"type\":\"text\",\"text\":\"x\",\"to\":{\"id\":1}}", "field_invalid", "/payload/to/id"},
    {"{\"type\":\"text\",\"text\":\"x\",\"from\":{\"id\":[]}}", "field_invalid", "/payload/from/id"},
    {"{\"type\":\"text\",\"text\":\"x\",\"conversationId\":9}", "field_invalid", "/payload/conversationId"},
    {"{\"type\":\"text\",\"text\":\"x\"}", "conversation_missing", "/payload/conversationId"},
    {"{\"type\":\"text\",\"text\":\"x\",\"conversationId\":\"../x\"}", "field_invalid", "/payload/conversationId"},
    {"{\"type\":\"text\",\"text\":\"x\",\"conversationId\":\"a\\u0000\"}", "field_invalid", "/payload/conversationId"},
    {"{\"type\":\"text\",\"text\":\"x\",\"conversationId\":\"x\",\"from\":{\"id\":\"b\"}}", "address_missing",
     "/payload/to/id"},
    {"{\"type\":\"text\",\"text\":\"x\",\"conversationId\":\"x\",\"to\":{\"id\":\"c\"}}", "from_missing",
     "/payload/from/id"},
};

static void try_all(const struct route *route, const struct payload_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct payload_case *c = &cases[i];
        struct json_view payload = parse(c->payload);
        struct refusal why = {.code = ""};
        struct content content;
        int rc = read_and_check(route, &payload, &content, &why);

        if (c->code ? rc != ERR_INVALID || strcmp(why.code, c->code) != 0 || strcmp(why.field, c->field) != 0 : rc != 0)
            fail_msg("%s: %d %s %s: %s", c->payload, rc, why.code, why.field, why.text);
        json_view_clear(&payload);
    }
}

static void agentless_takes_what_the_real_api_takes_and_names_the_field_at_fault(void **state)
{
    (void)state;
    try_all(&route_agentless, agentless_cases, COUNT_OF(agentless_cases));
}

static void messaging_takes_what_the_tutorial_takes_and_names_the_field_at_fault(void **state)
{
    (void)state;
    try_all(&route_messaging, messaging_cases, COUNT_OF(messaging_cases));
}

static void conversation_takes_what_the_bot_tutorial_takes_and_names_the_field_at_fault(void **state)
{
    (void)state;
    try_all(&route_conversation, conversation_cases, COUNT_OF(conversation_cases));
}

struct limit_case {
    const struct route *route;
    const char *format;
    const char *field;
    size_t units; /* the longest text that goes */
};

static const struct limit_case limit_cases[] = {
    {&route_agentless, SMS(",\"textBody\":\"%s\""), "/payload/textBody", 765},
    {&route_agentless, A("open", ",\"toAddress\":\"a\",\"textBody\":\"%s\""), "/payload/textBody", 2000},
    {&route_messaging, M("sms", "+15550001234", "+15559998765", "{\"text\":\"%s\"}"), "/payload/content/text", 160},
    {&route_messaging, M("whatsapp", "+15550001234", "+15559998765", "{\"text\":\"%s\"}"), "/payload/content/text",
     1600},
    {&route_messaging, M("facebook", "a", "b", "{\"text\":\"%s\"}"), "/payload/content/text", 64000},
    {&route_messaging, M("web", "a", "b", "{\"text\":\"%s\"}"), "/payload/content/text", 10000},
    {&route_conversation, C("text", ",\"text\":\"%s\""), "/payload/text", 4096},
};

static void try_length(const struct limit_case *c, size_t units, bool is_fine)
{
    const char *gap = strstr(c->format, "%s");
    struct refusal why = {.code = ""};
    struct content content;
    struct json_view payload;
    struct buf text;

    buf_init(&text, JSON_MAX_BYTES);
    buf_add(&text, c->format, (size_t)(gap - c->format));
    for (size_t i = 0; i < units; i++)
        buf_char(&text, 'x');
    buf_text(&text, gap + 2);
    payload = parse(buf_str(&text));
    if (read_and_check(c->route, &payload, &content, &why) != (is_fine ? 0 : ERR_INVALID) ||
        (!is_fine && (strcmp(why.code, "text_too_long") != 0 || strcmp(why.field, c->field) != 0)))
        fail_msg("%s, %zu units: %s %s", c->format, units, why.code, why.field);
    json_view_clear(&payload);
    buf_clear(&text);
}

static void texts_have_the_greatest_length_of_their_channel(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(limit_cases); i++) {
        try_length(&limit_cases[i], limit_cases[i].units, true);
        try_length(&limit_cases[i], limit_cases[i].units + 1, false);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agentless_takes_what_the_real_api_takes_and_names_the_field_at_fault),
        cmocka_unit_test(messaging_takes_what_the_tutorial_takes_and_names_the_field_at_fault),
        cmocka_unit_test(conversation_takes_what_the_bot_tutorial_takes_and_names_the_field_at_fault),
        cmocka_unit_test(texts_have_the_greatest_length_of_their_channel),
    };

    return cmocka_run_group_tests_name("route", tests, NULL, NULL);
}
