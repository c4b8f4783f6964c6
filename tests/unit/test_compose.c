/* A message with a template and variables instead of a payload, as intake reads it. */
#include "producer/gateway/compose.h"

#include <string.h>

#include "common/utf8.h"
#include "producer/gateway/intake.h"
#include "tests/unit/unit.h"

#define NOW_MS INT64_C(1767225600000) /* 2026-01-01 */
#define SMS                                                                                                            \
    "\"template\":{\"channel\":\"sms\",\"from\":\"+13175550100\",\"default_language\":\"en\",\"expires_after\":"       \
    "\"1h\","                                                                                                          \
    "\"texts\":{\"en\":\"Hi {{name|friend}}, {{order}}\",\"fr\":\"Salut {{name|}}, {{order}}\"}}"
#define TO       ",\"to\":\"+13175550199\""
#define CONSENT  ",\"consentVerified\":true"
#define ORDER    ",\"variables\":{\"order\":7}"
#define REST     TO CONSENT ORDER
#define WITH(it) "{" SMS REST "," it "}"

struct compose_case {
    const char *about;
    const char *message;
    const char *code;  /* NULL: it becomes an envelope */
    const char *field; /* of the refusal; else what the envelope holds */
};

static const struct compose_case cases[] = {
    {"all that is needed", "{" SMS REST "}", NULL, "\"textBody\":\"Hi friend, 7\""},
    {"a language", WITH("\"language\":\"fr\""), NULL, "\"textBody\":\"Salut , 7\""},
    {"the template's life, from now", "{" SMS REST "}", NULL, "\"expires_at\":1767229200000"},
    {"the template's life, from when it is sent", WITH("\"send_at\":1767229200000"), NULL,
     "\"expires_at\":1767232800000"},
    {"a life of its own", WITH("\"expires_at\":1767225600001"), NULL, "\"expires_at\":1767225600001"},
    {"null is the same as absent", WITH("\"expires_at\":null,\"language\":null"), NULL, "\"expires_at\":1767229200000"},
    {"consent in the metadata", "{" SMS TO ORDER ",\"metadata\":{\"consentVerified\":true}}", NULL,
     "\"metadata\":{\"consentVerified\":true}"},
    {"a forged beginning", WITH("\"herald\":{\"attempts\":7}"), NULL, "\"herald\":{\"accepted_at\":1767225600000,"},
    {"an id of its own", WITH("\"id\":\"mine\""), NULL, "\"id\":\"mine\""},
    {"unknown members are carried", WITH("\"x\":[1,{}]"), NULL, "\"x\":[1,{}]"},
    {"a sender of its own", WITH("\"from\":\"+13175550111\""), NULL, "\"fromAddress\":\"+13175550111\""},
    {"values are never looked at again", "{" SMS TO CONSENT ",\"variables\":{\"order\":\"{name}\"}}", NULL,
     "Hi friend, {name}"},

    {"no such name", "{\"template\":\"none\"" REST "}", "template_unknown", "/template"},
    {"a name that is none", "{\"template\":\"\"" REST "}", "template_unknown", "/template"},
    {"a number", "{\"template\":1" REST "}", "field_invalid", "/template"},
    {"a list", "{\"template\":[]" REST "}", "field_invalid", "/template"},
    {"a template that is none", "{\"template\":{}" REST "}", "template_invalid", "/template"},
    {"a channel with half a character at the end of the reason",
     "{\"template\":{\"channel\":\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\xc3\xa4\",\"from\":\"+1\",\"texts\":{\"en\":"
     "\"x\"}}" REST "}",
     "template_invalid", "/template"},
    {"no address", "{" SMS CONSENT ORDER "}", "field_missing", "/to"},
    {"a wrong address", "{" SMS CONSENT ORDER ",\"to\":\"+1\"}", "address_invalid", "/to"},
    {"a NUL in the address", "{" SMS CONSENT ORDER ",\"to\":\"+13175550199\\u0000\"}", "address_invalid", "/to"},
    {"no consent", "{" SMS TO ORDER "}", "consent_missing", "/consentVerified"},
    {"no in one place", "{" SMS REST ",\"metadata\":{\"consentVerified\":1}}", "consent_missing", "/consentVerified"},
    {"no variable", "{" SMS TO CONSENT "}", "placeholder_unresolved", "/variables/order"},
    {"an empty variable", "{" SMS TO CONSENT ",\"variables\":{\"order\":\"\"}}", "placeholder_unresolved",
     "/variables/order"},
    {"a list for a variable", "{" SMS TO CONSENT ",\"variables\":{\"a/b~\":[]}}", "field_invalid", "/variables/a~1b~0"},
    {"variables that are none", "{" SMS TO CONSENT ",\"variables\":7}", "field_invalid", "/variables"},
    {"a route for answers", WITH("\"route\":\"conversation\""), "field_invalid", "/route"},
    {"a priority that is none", WITH("\"priority\":\"x\""), "field_invalid", "/priority"},
    {"a placeholder out of a value", "{" SMS TO CONSENT ",\"variables\":{\"order\":\"{{x}}\"}}",
     "placeholder_unresolved", "/template"},
    {"a payload as well", WITH("\"payload\":{}"), "route_unknown", "/route"},
    {"neither", "{\"to\":\"+13175550199\"}", "field_missing", "/payload"},
};

struct desk {
    struct settings settings;
    struct templates *templates;
    struct composer *composer;
    struct intake_rules rules;
};

static void open_desk(struct desk *desk)
{
    struct reason why = {""};

    *desk = (struct desk){.settings = {.origins = NULL}};
    assert_int_equal(templates_open(&desk->templates, &desk->settings, &why), 0);
    desk->composer = composer_create(desk->templates, "example.com");
    desk->rules = (struct intake_rules){.origins = "example.com", .composer = desk->composer, .client = "crm"};
}

static void close_desk(struct desk *desk)
{
    composer_destroy(desk->composer);
    templates_close(desk->templates);
}

static void a_message_becomes_an_envelope_or_is_refused_at_its_field(void **state)
{
    struct desk desk;

    (void)state;
    open_desk(&desk);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct compose_case *c = &cases[i];
        struct refusal why = {.code = NULL};
        struct intake intake;
        int rc = intake_read(&intake, &desk.rules, 0, span_of(c->message), NOW_MS, &why);

        if (c->code && (rc == 0 || strcmp(why.code, c->code) != 0 || strcmp(why.field, c->field) != 0))
            fail_msg("%s: %d %s %s", c->about, rc, rc ? why.code : "", rc ? why.field : "");
        if (!c->code && rc != 0)
            fail_msg("%s: %s %s %s", c->about, why.code, why.field, why.text);
        if (!c->code && !strstr(intake.offer.message.envelope.data, c->field))
            fail_msg("%s: %s", c->about, intake.offer.message.envelope.data);
        if (rc != 0)
            assert_true(utf8_is_valid(why.text, strlen(why.text)));
        intake_clear(&intake);
    }
    close_desk(&desk);
}

static void read_print(struct desk *desk, const char *message, uint8_t print[STORE_PRINT_SIZE])
{
    struct refusal why;
    struct intake intake;

    if (intake_read(&intake, &desk->rules, 0, span_of(message), NOW_MS, &why) != 0)
        fail_msg("%s: %s", message, why.text);
    assert_true(intake.offer.has_key);
    memcpy(print, intake.offer.print, STORE_PRINT_SIZE);
    intake_clear(&intake);
}

static void messages_are_the_same_when_they_are_made_of_the_same(void **state)
{
    static const struct {
        const char *about, *message;
        bool is_same;
    } others[] = {
        {"another time", WITH("\"idempotency_key\":\"k\",\"send_at\":1767229200000"), true},
        {"another language", WITH("\"idempotency_key\":\"k\",\"language\":\"fr\""), false},
        {"other variables", "{" SMS TO CONSENT ",\"variables\":{\"order\":8},\"idempotency_key\":\"k\"}", false},
    };
    uint8_t first[STORE_PRINT_SIZE], other[STORE_PRINT_SIZE];
    struct desk desk;

    (void)state;
    open_desk(&desk);
    read_print(&desk, WITH("\"idempotency_key\":\"k\""), first);
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        read_print(&desk, others[i].message, other);
        if ((memcmp(first, other, sizeof(first)) == 0) != others[i].is_same)
            fail_msg("%s", others[i].about);
    }
    close_desk(&desk);
}

static void an_id_that_Herald_gave_is_no_key(void **state)
{
    struct refusal why;
    struct intake intake;
    struct desk desk;

    (void)state;
    open_desk(&desk);
    assert_int_equal(intake_read(&intake, &desk.rules, 0, span_of("{" SMS REST "}"), NOW_MS, &why), 0);
    assert_false(intake.offer.has_key);
    intake_clear(&intake);
    close_desk(&desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_becomes_an_envelope_or_is_refused_at_its_field),
        cmocka_unit_test(messages_are_the_same_when_they_are_made_of_the_same),
        cmocka_unit_test(an_id_that_Herald_gave_is_no_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
