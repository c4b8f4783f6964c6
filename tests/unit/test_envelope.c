/* Envelopes read from hostile bytes: what each field may be, and the name of the one at fault. */
#include "common/envelope.h"

#include <stdlib.h>

#include "common/reason.h"
#include "common/timestamp.h"
#include "tests/unit/unit.h"

#define NOW_MS INT64_C(1800000000000)
#define SMS                                                                                                            \
    "{\"fromAddress\":\"+13175550100\",\"toAddress\":\"+13175550199\",\"toAddressMessengerType\":\"sms\","             \
    "\"textBody\":\"Hi\"}"
#define OK          ",\"metadata\":{\"consentVerified\":true}"
#define WITH(field) "{" field ",\"payload\":" SMS OK "}"

static const struct envelope_rules rules = {.origins = "genesys.cloud,example.com"};

static int read(struct envelope *ret, const char *text, size_t len, struct refusal *why)
{
    *why = (struct refusal){.code = ""};
    return envelope_read(ret, text, len, &rules, NOW_MS, why);
}

struct field_case {
    const char *text;
    const char *code, *field; /* NULL: a message */
};

#define INVALID(pointer) "field_invalid", pointer
#define FINE             NULL, NULL

static const struct field_case field_cases[] = {
    {WITH("\"v\":1"), FINE},
    {WITH("\"v\":null,\"id\":null,\"route\":null,\"herald\":null,\"labels\":null,\"send_at\":null"), FINE},
    {WITH("\"v\":2"), "version_unknown", "/v"},
    {WITH("\"v\":\"1\""), "version_unknown", "/v"},
    {WITH("\"v\":1.0"), "version_unknown", "/v"},
    {WITH("\"id\":\"order:1.2_3-x\""), FINE},
    {WITH("\"id\":\"\""), INVALID("/id")},
    {WITH("\"id\":7"), INVALID("/id")},
    {WITH("\"id\":\"a b\""), INVALID("/id")},
    {WITH("\"id\":\"a\\u0000\""), INVALID("/id")},
    {WITH("\"campaign\":\"spring-26\""), FINE},
    {WITH("\"campaign\":\"\""), INVALID("/campaign")},
    {WITH("\"campaign\":[]"), INVALID("/campaign")},
    {WITH("\"campaign\":\"a/b\""), INVALID("/campaign")},
    {WITH("\"campaign\":\"12345678901234567890123456789012345678901234567890123456789012345\""), INVALID("/campaign")},
    {WITH("\"priority\":\"high\""), FINE},
    {WITH("\"priority\":\"urgent\""), INVALID("/priority")},
    {WITH("\"priority\":\"HIGH\""), INVALID("/priority")},
    {WITH("\"priority\":1"), INVALID("/priority")},
    {WITH("\"on_unknown\":\"hold\""), FINE},
    {WITH("\"on_unknown\":\"drop\""), INVALID("/on_unknown")},
    {WITH("\"on_unknown\":true"), INVALID("/on_unknown")},
    {WITH("\"send_at\":0"), FINE},
    {WITH("\"send_at\":253402300799999"), FINE},
    {WITH("\"send_at\":\"2026-01-15T10:30:00+01:00\""), FINE},
    {WITH("\"send_at\":253402300800000"), INVALID("/send_at")},
    {WITH("\"send_at\":-1"), INVALID("/send_at")},
    {WITH("\"send_at\":1.5"), INVALID("/send_at")},
    {WITH("\"send_at\":\"tomorrow\""), INVALID("/send_at")},
    {WITH("\"send_at\":\"1800000000000\""), INVALID("/send_at")},
    {WITH("\"send_at\":\"1970-01-01T00:00:00+01:00\""), INVALID("/send_at")},
    {WITH("\"send_at\":{}"), INVALID("/send_at")},
    {WITH("\"expires_at\":false"), INVALID("/expires_at")},
    {WITH("\"expires_at\":\"2026-04-31T00:00:00Z\""), INVALID("/expires_at")},
    {WITH("\"idempotency_key\":\"k \xc3\xa9\""), FINE},
    {WITH("\"idempotency_key\":1"), INVALID("/idempotency_key")},
    {WITH("\"callback_url\":\"https://x\""), FINE},
    {WITH("\"callback_url\":[]"), INVALID("/callback_url")},
    {WITH("\"labels\":{\"team\":\"a\"}"), FINE},
    {WITH("\"labels\":{\"team\":1}"), INVALID("/labels")},
    {WITH("\"labels\":[\"a\"]"), INVALID("/labels")},
    {WITH("\"labels\":{\"a\":null}"), INVALID("/labels")},
    {WITH("\"origin\":\"https://example.com/x\""), FINE},
    {WITH("\"origin\":\"https://evil.com\""), "origin_forbidden", "/origin"},
    {WITH("\"origin\":\"https://example.com:1@evil.com\""), "origin_forbidden", "/origin"},
    {WITH("\"origin\":1"), INVALID("/origin")},
    {WITH("\"conversation_id\":1"), INVALID("/conversation_id")},
    {WITH("\"route\":\"agentless\""), FINE},
    {WITH("\"route\":\"fax\""), "route_unknown", "/route"},
    {WITH("\"route\":\"\""), "route_unknown", "/route"},
    {WITH("\"route\":5"), "route_unknown", "/route"},
    {WITH("\"route\":\"agentless\\u0000\""), "route_unknown", "/route"},
    {WITH("\"route\":\"messaging\""), "channel_unknown", "/payload/channelType"},
    {WITH("\"herald\":7"), INVALID("/herald")},
    {WITH("\"herald\":{\"attempts\":-1}"), INVALID("/herald/attempts")},
    {WITH("\"herald\":{\"attempts\":1000001}"), INVALID("/herald/attempts")},
    {WITH("\"herald\":{\"attempts\":\"3\"}"), INVALID("/herald/attempts")},
    {WITH("\"herald\":{\"accepted_at\":253402300800000}"), INVALID("/herald/accepted_at")},
    {WITH("\"herald\":{\"unknowns\":{}}"), INVALID("/herald/unknowns")},
    {WITH("\"herald\":{\"forbidden\":1.5}"), INVALID("/herald/forbidden")},
    {WITH("\"herald\":{\"deferrals\":[]}"), INVALID("/herald/deferrals")},
    {WITH("\"herald\":{\"redelivered\":-9223372036854775808}"), INVALID("/herald/redelivered")},
    {WITH("\"herald\":{\"history\":{}}"), INVALID("/herald/history")},
    {WITH("\"herald\":{\"history\":[0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0]}"), INVALID("/herald/history")},
    {WITH("\"herald\":{\"history\":[\"forged\"],\"x\":1}"), FINE},
    /* consent: in the envelope, in the payload, never against a no */
    {"{\"payload\":" SMS "}", "consent_missing", "/metadata/consentVerified"},
    {"{\"payload\":" SMS ",\"metadata\":{}}", "consent_missing", "/metadata/consentVerified"},
    {"{\"payload\":" SMS ",\"metadata\":{\"consentVerified\":false}}", "consent_missing", "/metadata/consentVerified"},
    {"{\"payload\":" SMS ",\"metadata\":{\"consentVerified\":\"true\"}}", "consent_missing",
     "/metadata/consentVerified"},
    {"{\"payload\":" SMS ",\"metadata\":{\"consentVerified\":1}}", "consent_missing", "/metadata/consentVerified"},
    {"{\"payload\":" SMS ",\"metadata\":true}", INVALID("/metadata")},
    {"{\"payload\":{\"toAddress\":\"+13175550199\",\"metadata\":[]}}", INVALID("/payload/metadata")},
    {"{\"payload\":{\"toAddress\":\"+13175550199\",\"toAddressMessengerType\":\"open\",\"fromAddress\":\"i\","
     "\"textBody\":\"x\",\"metadata\":{\"consentVerified\":false}}" OK "}",
     "consent_missing", "/metadata/consentVerified"},
    {"{\"conversation_id\":\"c\",\"payload\":{\"type\":\"text\",\"text\":\"x\",\"to\":{\"id\":\"a\"},"
     "\"from\":{\"id\":\"b\"},\"metadata\":{\"consentVerified\":false}}}",
     "consent_missing", "/metadata/consentVerified"},
    /* the whole */
    {"{}", "field_missing", "/payload"},
    {"{\"v\":1}", "field_missing", "/payload"},
    {"{\"payload\":null}", "field_missing", "/payload"},
    {"{\"payload\":\"Hi\"}", INVALID("/payload")},
    {"{\"payload\":[]}", INVALID("/payload")},
    {"{\"payload\":{}}", "route_unknown", "/route"},
    {"{\"payload\":{\"text\":\"Hi\"}}", "route_unknown", "/route"},
    {"", "json_invalid", ""},
    {" ", "json_invalid", ""},
    {"Hi", "json_invalid", ""},
    {"null", "json_invalid", ""},
    {"[]", "json_invalid", ""},
    {"\"text\"", "json_invalid", ""},
    {"12", "json_invalid", ""},
    {"{\"payload\":", "json_invalid", ""},
    {"{\"payload\":{}} x", "json_invalid", ""},
    {"{\"payload\":{\"textBody\":\"\xff\xfe\"}}", "json_invalid", ""},
    {"{\"payload\":{\"textBody\":\"\xf0\x8f\x98\x80\"}}", "json_invalid", ""},
    {"{\"payload\":{\"x\":1.}}", "json_invalid", ""},
    {"{\"payload\":{\"x\":-.5}}", "json_invalid", ""},
    {"{\"payload\":{\"x\":-01}}", "json_invalid", ""},
    {"{\"payload\":{\"x\":00}}", "json_invalid", ""},
    {"{\"payload\":{\"x\":01.5}}", "json_invalid", ""},
    {"{\"payload\":{\"x\":1.e5}}", "json_invalid", ""},
    {"{\"payload\":{\"x\\u0000y\":1}}", "json_invalid", ""},
    {"{\"payload\":{\"x\":99999999999999999999}}", "json_invalid", ""},
};

static void every_field_has_its_form_and_the_refusal_names_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(field_cases); i++) {
        const struct field_case *c = &field_cases[i];
        struct envelope envelope;
        struct refusal why;
        int rc = read(&envelope, c->text, strlen(c->text), &why);

        if (c->code ? rc != ERR_INVALID || strcmp(why.code, c->code) != 0 || strcmp(why.field, c->field) != 0 : rc != 0)
            fail_msg("%s: %d %s %s %s", c->text, rc, why.code, why.field, why.text);
        if (!id_is_valid(envelope.id, strlen(envelope.id)))
            fail_msg("%s: has no id", c->text);
        envelope_clear(&envelope);
    }
}

static void fields_are_read_into_their_places(void **state)
{
    static const char text[] =
        WITH("\"v\":1,\"id\":\"o-1\",\"campaign\":\"c\",\"priority\":\"low\",\"on_unknown\":\"hold\",\"send_at\":5,"
             "\"expires_at\":\"2026-01-15T10:30:00Z\",\"herald\":{\"accepted_at\":9,\"attempts\":1,\"unknowns\":2,"
             "\"forbidden\":3,\"deferrals\":4,\"redelivered\":5}");
    struct envelope e;
    struct refusal why;

    (void)state;
    assert_int_equal(read(&e, text, sizeof(text) - 1, &why), 0);
    assert_string_equal(e.id, "o-1");
    assert_string_equal(e.campaign, "c");
    assert_ptr_equal(e.route, &route_agentless);
    assert_int_equal(e.priority, PRIORITY_LOW);
    assert_int_equal(e.on_unknown, ON_UNKNOWN_HOLD);
    assert_int_equal(e.send_at_ms, 5);
    assert_int_equal(e.expires_at_ms, INT64_C(1768473000000));
    assert_int_equal(e.content.consent, CONSENT_GIVEN);
    assert_true(span_is(e.content.to, "13175550199") && span_is(e.content.text, "Hi"));
    assert_int_equal(e.progress.accepted_at_ms * 100000 + e.progress.attempts * 10000 + e.progress.unknowns * 1000 +
                         e.progress.forbidden * 100 + e.progress.deferrals * 10 + e.progress.redelivered,
                     912345);
    envelope_clear(&e);
}

static void a_nul_byte_is_refused(void **state)
{
    struct envelope envelope;
    struct refusal why;

    (void)state;
    assert_int_equal(read(&envelope, "{\"payload\":\0{}}", 15, &why), ERR_INVALID);
    assert_string_equal(why.code, "json_invalid");
    envelope_clear(&envelope);
}

struct bare_case {
    const char *text;
    const struct route *route;
};

static const struct bare_case bare_cases[] = {
    /* the outbound tutorial's */
    {"{\"channelType\":\"messaging:whatsapp\",\"from\":{\"address\":\"whatsapp:+15550001234\",\"provider\":"
     "\"whatsapp\",\"channelType\":\"messaging:whatsapp\"},\"to\":[{\"address\":\"whatsapp:+15559998765\"}],"
     "\"content\":{\"type\":\"text\",\"text\":\"Hello Alex\"},\"metadata\":{\"consentVerified\":true,"
     "\"campaignId\":\"camp_001\"}}",
     &route_messaging},
    /* the bot tutorial's, with the id of its conversation */
    {"{\"to\":{\"id\":\"customer-participant-id-123\"},\"from\":{\"id\":\"bot-participant-id-456\"},\"type\":\"text\","
     "\"text\":\"Thank you\",\"conversationId\":\"conversation-id-789\"}",
     &route_conversation},
    /* the real API's */
    {"{\"fromAddress\":\"+13175550100\",\"toAddress\":\"+13175550199\",\"toAddressMessengerType\":\"sms\","
     "\"textBody\":\"Hi\",\"metadata\":{\"consentVerified\":true}}",
     &route_agentless},
};

static void a_bare_payload_is_a_message_with_every_default(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bare_cases); i++) {
        struct envelope e;
        struct refusal why;
        struct buf inner;

        if (read(&e, bare_cases[i].text, strlen(bare_cases[i].text), &why) != 0)
            fail_msg("%s: %s %s", bare_cases[i].text, why.code, why.field);
        assert_ptr_equal(e.route, bare_cases[i].route);
        assert_int_equal(strlen(e.id), 36);
        assert_int_equal(e.priority, PRIORITY_NORMAL);
        assert_int_equal(e.on_unknown, ON_UNKNOWN_RESEND);
        assert_int_equal(e.send_at_ms + e.expires_at_ms + e.progress.attempts + e.progress.accepted_at_ms, 0);
        buf_init(&inner, 10000);
        value_print(envelope_payload(&e), &inner);
        assert_string_equal(buf_str(&inner), bare_cases[i].text);
        buf_clear(&inner);
        envelope_clear(&e);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_has_its_form_and_the_refusal_names_it),
        cmocka_unit_test(fields_are_read_into_their_places),
        cmocka_unit_test(a_nul_byte_is_refused),
        cmocka_unit_test(a_bare_payload_is_a_message_with_every_default),
    };

    return cmocka_run_group_tests_name("envelope", tests, NULL, NULL);
}
