/* A message as a client of the gateway hands it in: which key it has, and how it goes on the list. */
#include "producer/gateway/intake.h"

#include <string.h>

#include "tests/unit/unit.h"

#define NOW_MS INT64_C(1800000000000)
#define PAYLOAD                                                                                                        \
    "{\"fromAddress\":\"+13175550100\",\"toAddress\":\"+13175550199\",\"toAddressMessengerType\":\"sms\","             \
    "\"textBody\":\"Hi\"}"
#define OTHER                                                                                                          \
    "{\"fromAddress\":\"+13175550100\",\"toAddress\":\"+13175550199\",\"toAddressMessengerType\":\"sms\","             \
    "\"textBody\":\"Ho\"}"
#define MESSAGE(fields, payload) "{" fields "\"payload\":" payload ",\"metadata\":{\"consentVerified\":true}}"

struct read {
    bool has_key;
    uint8_t key[STORE_KEY_SIZE], print[STORE_PRINT_SIZE];
    struct json *written;
};

static struct read must_read(const char *text, const char *client, const char *request_key, size_t index)
{
    const struct intake_rules rules = {.origins = "", .client = client, .request_key = request_key};
    struct read result = {.has_key = false};
    struct refusal refusal;
    struct reason why = {""};
    struct intake intake;

    if (intake_read(&intake, &rules, index, span_of(text), NOW_MS, &refusal) != 0)
        fail_msg("%s %s: %s", refusal.code, refusal.field, refusal.text);
    result.has_key = intake.offer.has_key;
    memcpy(result.key, intake.offer.message.key, sizeof(result.key));
    memcpy(result.print, intake.offer.print, sizeof(result.print));
    if (json_parse(&result.written, intake.offer.message.envelope.data, intake.offer.message.envelope.len, &why) != 0)
        fail_msg("%s", why.text);
    assert_string_equal(json_get_text(result.written, "id"), intake.offer.id);
    intake_clear(&intake);
    json_free(result.written);
    result.written = NULL;
    return result;
}

static bool is_same_key(const char *a_text, const char *a_client, const char *a_key, size_t a_index, const char *b_text,
                        const char *b_client, const char *b_key, size_t b_index)
{
    struct read a = must_read(a_text, a_client, a_key, a_index), b = must_read(b_text, b_client, b_key, b_index);

    assert_true(a.has_key && b.has_key);
    return memcmp(a.key, b.key, sizeof(a.key)) == 0;
}

#define PLAIN    MESSAGE("", PAYLOAD)
#define OWN_KEY  MESSAGE("\"idempotency_key\":\"k\",", PAYLOAD)
#define OWN_ID   MESSAGE("\"id\":\"k\",", PAYLOAD)
#define CAMPAIGN MESSAGE("\"campaign\":\"c\",", PAYLOAD)

static void a_key_is_the_messages_own_else_the_requests_else_its_id(void **state)
{
    (void)state;
    assert_false(must_read(PLAIN, "crm", NULL, 0).has_key);
    assert_true(is_same_key(OWN_KEY, "crm", NULL, 0, OWN_KEY, "shop", "r", 7));
    assert_true(is_same_key(OWN_ID, "crm", NULL, 0, OWN_ID, "shop", NULL, 7));
    assert_true(is_same_key(PLAIN, "crm", "r", 0, OWN_ID, "crm", "r", 0));
    assert_false(is_same_key(PLAIN, "crm", "r", 0, PLAIN, "crm", "r", 1));
    assert_false(is_same_key(PLAIN, "crm", "r", 0, PLAIN, "crm", "s", 0));
    assert_false(is_same_key(PLAIN, "crm", "r", 0, PLAIN, "shop", "r", 0));
    assert_false(is_same_key(PLAIN, "crm", "r", 0, CAMPAIGN, "crm", "r", 0));
    assert_false(is_same_key(PLAIN, "crm", "k", 0, OWN_KEY, "crm", NULL, 0));
}

static void no_text_of_a_message_is_the_key_of_a_request(void **state)
{
    static const char *const forged[] = {
        MESSAGE("\"idempotency_key\":\"\\ncrm\\n0\\nr\",", PAYLOAD),
        MESSAGE("\"idempotency_key\":\"crm\\n0\\nr\",", PAYLOAD),
        MESSAGE("\"idempotency_key\":\"\\u0000crm\\n0\\nr\",", PAYLOAD),
        MESSAGE("\"idempotency_key\":\"\\u00ffcrm\\n0\\nr\",", PAYLOAD),
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(forged); i++)
        assert_false(is_same_key(PLAIN, "crm", "r", 0, forged[i], "shop", NULL, 0));
}

static void a_print_tells_payloads_apart_and_nothing_else(void **state)
{
    struct read a = must_read(OWN_ID, "crm", NULL, 0), b = must_read(MESSAGE("\"id\":\"x\",", PAYLOAD), "shop", "r", 3),
                c = must_read(MESSAGE("\"id\":\"k\",", OTHER), "crm", NULL, 0);

    (void)state;
    assert_memory_equal(a.print, b.print, sizeof(a.print));
    assert_true(memcmp(a.print, c.print, sizeof(a.print)) != 0);
}

/* As reap.lua marks it: of two members with one name the last counts, which must not be a client's. */
static void no_member_of_a_clients_own_hides_that_a_message_was_taken_back(void **state)
{
    static const char *const texts[] = {
        PLAIN,
        MESSAGE("\"redelivered\":false,", PAYLOAD),
        MESSAGE("\"redelivered\":null,", PAYLOAD),
        MESSAGE("\"redelivered\":0,", PAYLOAD),
        MESSAGE("\"redelivered\":7,", PAYLOAD),
        MESSAGE("\"redelivered\":null,\"redelivered\":\"x\",", PAYLOAD),
    };
    const struct intake_rules rules = {.origins = "", .client = "crm"};
    const struct envelope_rules envelope_rules = {.origins = ""};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct refusal why = {.code = ""};
        struct intake intake;
        struct envelope again;
        struct buf marked;

        buf_init(&marked, JSON_MAX_BYTES);
        assert_int_equal(intake_read(&intake, &rules, 0, span_of(texts[i]), NOW_MS, &why), 0);
        buf_text(&marked, "{\"redelivered\":1,");
        buf_add(&marked, intake.offer.message.envelope.data + 1, intake.offer.message.envelope.len - 1);
        assert_int_equal(envelope_read(&again, marked.data, marked.len, &envelope_rules, NOW_MS, &why), 0);
        assert_int_equal(again.progress.redelivered, 1);
        envelope_clear(&again);
        intake_clear(&intake);
        buf_clear(&marked);
    }
}

/* What Herald adds on a message's way needs room, which nobody gets by claiming that it has been added already. */
static void a_forged_acceptance_does_not_make_a_message_larger_than_one_may_be(void **state)
{
    const struct intake_rules rules = {.origins = "", .client = "crm"};

    (void)state;
    for (int is_forged = 0; is_forged < 2; is_forged++) {
        struct refusal why = {.code = ""};
        struct intake intake;
        struct buf text;

        buf_init(&text, JSON_MAX_BYTES);
        buf_text(&text, is_forged ? "{\"herald\":{\"accepted_at\":1},\"x\":\"" : "{\"x\":\"");
        while (text.len < ENVELOPE_MAX_BYTES)
            buf_char(&text, 'x');
        buf_text(&text, "\",\"payload\":" PAYLOAD ",\"metadata\":{\"consentVerified\":true}}");
        assert_int_equal(intake_read(&intake, &rules, 0, (struct span){text.data, text.len}, NOW_MS, &why),
                         ERR_INVALID);
        assert_string_equal(why.code, "json_invalid");
        intake_clear(&intake);
        buf_clear(&text);
    }
}

static void a_refusal_points_at_the_field_as_it_was_written(void **state)
{
    static const struct {
        const char *text, *code, *field;
    } cases[] = {
        {"{", "json_invalid", ""},
        {MESSAGE("\"id\":\"a b\",", PAYLOAD), "field_invalid", "/id"},
        {MESSAGE("\"idempotency_key\":7,", PAYLOAD), "field_invalid", "/idempotency_key"},
        {MESSAGE("", "{\"fromAddress\":\"+13175550100\",\"toAddress\":\"x\",\"toAddressMessengerType\":\"sms\","
                     "\"textBody\":\"Hi\"}"),
         "address_invalid", "/payload/toAddress"},
        {"{\"fromAddress\":\"+13175550100\",\"toAddress\":\"x\",\"toAddressMessengerType\":\"sms\",\"textBody\":\"Hi\","
         "\"metadata\":{\"consentVerified\":true}}",
         "address_invalid", "/toAddress"},
    };
    const struct intake_rules rules = {.origins = "", .client = "crm"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct refusal why = {.code = ""};
        struct intake intake;

        assert_int_equal(intake_read(&intake, &rules, 0, span_of(cases[i].text), NOW_MS, &why), ERR_INVALID);
        assert_string_equal(why.code, cases[i].code);
        assert_string_equal(why.field, cases[i].field);
        intake_clear(&intake);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_the_messages_own_else_the_requests_else_its_id),
        cmocka_unit_test(no_text_of_a_message_is_the_key_of_a_request),
        cmocka_unit_test(a_print_tells_payloads_apart_and_nothing_else),
        cmocka_unit_test(no_member_of_a_clients_own_hides_that_a_message_was_taken_back),
        cmocka_unit_test(a_forged_acceptance_does_not_make_a_message_larger_than_one_may_be),
        cmocka_unit_test(a_refusal_points_at_the_field_as_it_was_written),
    };

    return cmocka_run_group_tests_name("intake", tests, NULL, NULL);
}
