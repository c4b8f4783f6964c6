/* What routes write and send: a payload out of values reads as the same values, and Herald's own members stay here. */
#include "common/route.h"

#include "common/reason.h"
#include "tests/unit/unit.h"

#define SPAN(text)                                                                                                     \
    {                                                                                                                  \
        text, sizeof(text) - 1                                                                                         \
    }
#define QUOTES "say \"hi\"\\ \n\t\x01 \xc3\xa9\xf0\x9f\x98\x80 </x>"

struct write_case {
    const char *about;
    const struct route *route;
    struct content content;
};

static const struct write_case write_cases[] = {
    {"sms",
     &route_agentless,
     {.channel = CHANNEL_SMS, .from = SPAN("+13175550100"), .to = SPAN("13175550199"), .text = SPAN(QUOTES)}},
    {"whatsapp template",
     &route_agentless,
     {.channel = CHANNEL_WHATSAPP,
      .from = SPAN("integration \"1\""),
      .to = SPAN("13175550199"),
      .response_id = SPAN("r-\"1\""),
      .parameter_count = 2,
      .parameters = {SPAN("Ann \"A\""), SPAN("\xc3\xa9")}}},
    {"whatsapp template without parameters, with a text",
     &route_agentless,
     {.channel = CHANNEL_WHATSAPP,
      .from = SPAN("i"),
      .to = SPAN("13175550199"),
      .response_id = SPAN("r"),
      .text = SPAN("x")}},
    {"open",
     &route_agentless,
     {.channel = CHANNEL_OPEN, .from = SPAN("i"), .to = SPAN("user:\"42\"\\"), .text = SPAN(QUOTES)}},
    {"web by contact",
     &route_agentless,
     {.channel = CHANNEL_WEB, .from = SPAN("d"), .external_id = SPAN("c\"1"), .text = SPAN("Hi")}},
    {"apple",
     &route_agentless,
     {.channel = CHANNEL_APPLE, .from = SPAN("i"), .to = SPAN("13175550199"), .text = SPAN("Hi")}},
    {"messaging sms",
     &route_messaging,
     {.channel = CHANNEL_SMS, .from = SPAN("15550001234"), .to = SPAN("15559998765"), .text = SPAN(QUOTES)}},
    {"messaging whatsapp",
     &route_messaging,
     {.channel = CHANNEL_WHATSAPP, .from = SPAN("15550001234"), .to = SPAN("15559998765"), .text = SPAN("Hi")}},
    {"messaging facebook",
     &route_messaging,
     {.channel = CHANNEL_FACEBOOK, .from = SPAN("page\"\\"), .to = SPAN("a\"b\\c"), .text = SPAN("Hi")}},
    {"messaging facebook, an id that looks like a prefix",
     &route_messaging,
     {.channel = CHANNEL_FACEBOOK, .from = SPAN("page"), .to = SPAN("sms:12"), .text = SPAN("Hi")}},
    {"messaging web",
     &route_messaging,
     {.channel = CHANNEL_WEB, .from = SPAN("d"), .to = SPAN("web:web:v"), .text = SPAN(QUOTES)}},
};

static bool is_same(struct span a, struct span b)
{
    return (a.data == NULL) == (b.data == NULL) && a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* Messaging writes a sender with its prefix: compared is whom it names. */
static bool is_same_sender(const struct write_case *c, struct span read)
{
    struct refusal why;
    struct span a, b;

    if (c->route != &route_messaging)
        return is_same(c->content.from, read);
    return channel_read_address(c->content.channel, c->content.from, "", &a, &why) == 0 &&
           channel_read_address(c->content.channel, read, "", &b, &why) == 0 && is_same(a, b);
}

static void what_is_written_reads_as_the_same_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(write_cases); i++) {
        const struct write_case *c = &write_cases[i];
        const struct content *in = &c->content;
        struct content out = {.channel = CHANNEL_NONE};
        struct refusal why = {.code = ""};
        struct json_view payload;
        struct buf buf;

        buf_init(&buf, 10000);
        c->route->write(in, &buf);
        assert_int_equal(json_view_read(&payload, buf.data, buf.len), 0);
        assert_ptr_equal(route_infer(json_view_whole(&payload)), c->route);
        if (c->route->read(json_view_whole(&payload), &out, &why) != 0 || c->route->check(&out, &why) != 0)
            fail_msg("%s: %s %s of %s", c->about, why.code, why.field, buf_str(&buf));
        if (in->channel != out.channel || !is_same(in->to, out.to) || !is_same(in->text, out.text) ||
            !is_same(in->response_id, out.response_id) || !is_same(in->external_id, out.external_id) ||
            in->parameter_count != out.parameter_count || !is_same_sender(c, out.from))
            fail_msg("%s: other values in %s", c->about, buf_str(&buf));
        for (size_t k = 0; k < in->parameter_count; k++)
            assert_true(is_same(in->parameters[k], out.parameters[k]));
        json_view_clear(&payload);
        buf_clear(&buf);
    }
}

static void a_messaging_payload_is_written_as_in_the_tutorial(void **state)
{
    struct content content = {.channel = CHANNEL_WHATSAPP,
                              .from = SPAN("+15550001234"),
                              .to = SPAN("15559998765"),
                              .text = SPAN("Hi"),
                              .consent = CONSENT_GIVEN};
    struct buf buf;

    (void)state;
    buf_init(&buf, 1000);
    route_messaging.write(&content, &buf);
    assert_string_equal(buf_str(&buf),
                        "{\"channelType\":\"messaging:whatsapp\",\"from\":{\"address\":\"whatsapp:+15550001234\","
                        "\"provider\":\"whatsapp\",\"channelType\":\"messaging:whatsapp\"},"
                        "\"to\":[{\"address\":\"whatsapp:+15559998765\"}],"
                        "\"content\":{\"type\":\"text\",\"text\":\"Hi\"},\"metadata\":{\"consentVerified\":true}}");
    buf_clear(&buf);
}

struct body_case {
    const struct route *route;
    const char *payload, *sent;
};

static const struct body_case body_cases[] = {
    {&route_agentless, "{\"a\":1,\"metadata\":{\"consentVerified\":true},\"b\":2.50}", "{\"a\":1,\"b\":2.50}"},
    {&route_agentless, "{\"metadata\":null,\"a\":1}", "{\"a\":1}"},
    {&route_agentless, "{\"a\":{\"metadata\":1},\"conversationId\":\"x\"}",
     "{\"a\":{\"metadata\":1},\"conversationId\":\"x\"}"},
    {&route_messaging, "{\"metadata\":{\"campaignId\":\"c\"},\"a\":null}",
     "{\"metadata\":{\"campaignId\":\"c\"},\"a\":null}"},
    {&route_conversation, "{\"conversationId\":\"x\",\"type\":\"text\",\"metadata\":{},\"text\":\"\xc3\xa9/\"}",
     "{\"type\":\"text\",\"text\":\"\xc3\xa9/\"}"},
    {&route_conversation, "{\"conversationId\":null}", "{}"},
};

static void heralds_own_members_are_not_sent_and_all_others_are(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(body_cases); i++) {
        const struct body_case *c = &body_cases[i];
        struct json_view payload;
        struct buf buf;

        buf_init(&buf, 1000);
        assert_int_equal(json_view_read(&payload, c->payload, strlen(c->payload)), 0);
        for (int twice = 0; twice < 2; twice++) { /* sending changes nothing of what is kept */
            buf_reset(&buf);
            route_body(c->route, json_view_whole(&payload), &buf);
            assert_string_equal(buf_str(&buf), c->sent);
        }
        json_view_clear(&payload);
        buf_clear(&buf);
    }
}

static void the_path_has_the_conversation_in_its_place(void **state)
{
    char path[ROUTE_PATH_MAX];

    (void)state;
    route_path(&route_agentless, (struct span){NULL, 0}, path);
    assert_string_equal(path, "/api/v2/conversations/messages/agentless");
    route_path(&route_messaging, span_of("ignored"), path);
    assert_string_equal(path, "/api/v2/messaging/messages");
    route_path(&route_conversation, (struct span){"abc-1xyz", 5}, path);
    assert_string_equal(path, "/api/v2/conversations/abc-1/messages");
}

static void routes_are_found_by_name_and_by_payload(void **state)
{
    static const char *const names[] = {"agentless", "messaging", "conversation"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        assert_string_equal(route_find(span_of(names[i]))->name, names[i]);
        assert_non_null(strstr(route_names(), names[i]));
    }
    assert_null(route_find(span_of("Agentless")));
    assert_null(route_find(span_of("")));
    assert_null(route_infer(NULL));
    assert_null(route_conversation.write);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_reads_as_the_same_values),
        cmocka_unit_test(a_messaging_payload_is_written_as_in_the_tutorial),
        cmocka_unit_test(heralds_own_members_are_not_sent_and_all_others_are),
        cmocka_unit_test(the_path_has_the_conversation_in_its_place),
        cmocka_unit_test(routes_are_found_by_name_and_by_payload),
    };

    return cmocka_run_group_tests_name("route write", tests, NULL, NULL);
}
