/* Addresses as people write them, channel by channel. */
#include "common/channel.h"

#include "common/reason.h"
#include "tests/unit/unit.h"

struct address_case {
    enum channel channel;
    const char *address;
    const char *person; /* NULL: refused */
    const char *code;
};

#define INVALID NULL, "address_invalid"

static const struct address_case address_cases[] = {
    {CHANNEL_SMS, "+13175550199", "13175550199", NULL},
    {CHANNEL_SMS, "13175550199", "13175550199", NULL},
    {CHANNEL_SMS, "sms:+13175550199", "13175550199", NULL},
    {CHANNEL_SMS, "+1234567", "1234567", NULL},
    {CHANNEL_SMS, "+123456789012345", "123456789012345", NULL},
    {CHANNEL_WHATSAPP, "whatsapp:+15559998765", "15559998765", NULL},
    {CHANNEL_WHATSAPP, "15559998765", "15559998765", NULL},
    {CHANNEL_APPLE, "apple:+15559998765", "15559998765", NULL},
    {CHANNEL_FACEBOOK, "facebook:1234567890", "1234567890", NULL},
    {CHANNEL_FACEBOOK, "1234567890", "1234567890", NULL},
    {CHANNEL_FACEBOOK, "page:12", "page:12", NULL}, /* no channel's name */
    {CHANNEL_WEB, "web:ann@example.org", "ann@example.org", NULL},
    {CHANNEL_OPEN, "user:42", "user:42", NULL},
    {CHANNEL_OPEN, "sms:42", "sms:42", NULL}, /* any text at all is an id there */
    {CHANNEL_OPEN, "\xc3\xa9", "\xc3\xa9", NULL},

    {CHANNEL_SMS, "", NULL, "address_missing"},
    {CHANNEL_SMS, "+", INVALID},
    {CHANNEL_SMS, "sms:", INVALID},
    {CHANNEL_SMS, "+123456", INVALID},
    {CHANNEL_SMS, "+1234567890123456", INVALID},
    {CHANNEL_SMS, "+0123456789", INVALID},
    {CHANNEL_SMS, "++13175550199", INVALID},
    {CHANNEL_SMS, "0013175550199", INVALID},
    {CHANNEL_SMS, "+1 317 555 0199", INVALID},
    {CHANNEL_SMS, "+1-317-555-0199", INVALID},
    {CHANNEL_SMS, "(317) 5550199", INVALID},
    {CHANNEL_SMS, "+1317555019a", INVALID},
    {CHANNEL_SMS, "+13175550199 ", INVALID},
    {CHANNEL_SMS, "+13175550199\n", INVALID},
    {CHANNEL_SMS, "ann", INVALID},
    {CHANNEL_SMS, "tel:+13175550199", INVALID},
    {CHANNEL_SMS, "whatsapp:+13175550199", INVALID},
    {CHANNEL_SMS, "sms:sms:+13175550199", INVALID},
    {CHANNEL_SMS, "\xd9\xa1\xd9\xa2\xd9\xa3\xd9\xa4\xd9\xa5\xd9\xa6\xd9\xa7", INVALID}, /* digits, but not ASCII */
    {CHANNEL_WHATSAPP, "sms:+13175550199", INVALID},
    {CHANNEL_WHATSAPP, "whatsapp:", INVALID},
    {CHANNEL_FACEBOOK, "facebook:", INVALID},
    {CHANNEL_FACEBOOK, "web:12", INVALID},
    {CHANNEL_WEB, "a b", INVALID},
    {CHANNEL_WEB, "a\tb", INVALID},
    {CHANNEL_WEB, "a\x7f", INVALID},
    {CHANNEL_OPEN, "", NULL, "address_missing"},
    {CHANNEL_OPEN, "a\r\nb", INVALID},
    {CHANNEL_OPEN, "\xff\xfe", INVALID},
};

static void addresses_are_read_in_all_their_forms(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(address_cases); i++) {
        const struct address_case *c = &address_cases[i];
        struct refusal why = {.code = ""};
        struct span person = {NULL, 0};
        int rc = channel_read_address(c->channel, span_of(c->address), "/to", &person, &why);

        if (c->person
                ? rc != 0 || !span_is(person, c->person)
                : rc != ERR_INVALID || strcmp(why.code, c->code) != 0 || strcmp(why.field, "/to") != 0 || person.data)
            fail_msg("%s '%s': %d, '%.*s', %s %s", channel_name(c->channel), c->address, rc, (int)person.len,
                     person.data ? person.data : "", why.code, why.text);
    }
}

static void an_absent_address_is_missing(void **state)
{
    struct refusal why = {.code = ""};
    struct span person;

    (void)state;
    assert_int_equal(channel_read_address(CHANNEL_SMS, (struct span){NULL, 0}, "/to", &person, &why), ERR_INVALID);
    assert_string_equal(why.code, "address_missing");
}

static void nul_bytes_are_no_part_of_an_address(void **state)
{
    struct refusal why = {.code = ""};
    struct span person;

    (void)state;
    for (int channel = CHANNEL_SMS; channel < CHANNEL_COUNT; channel++) {
        struct span address = {"13175550199\0x", 13};

        assert_int_equal(channel_read_address((enum channel)channel, address, "/to", &person, &why), ERR_INVALID);
    }
}

static void addresses_have_a_greatest_length(void **state)
{
    char address[CHANNEL_ADDRESS_MAX + 1];
    struct refusal why = {.code = ""};
    struct span person;

    (void)state;
    memset(address, 'x', sizeof(address));
    assert_int_equal(
        channel_read_address(CHANNEL_OPEN, (struct span){address, CHANNEL_ADDRESS_MAX}, "/to", &person, &why), 0);
    assert_int_equal(
        channel_read_address(CHANNEL_OPEN, (struct span){address, CHANNEL_ADDRESS_MAX + 1}, "/to", &person, &why),
        ERR_INVALID);
    assert_null(strstr(why.text, "xxx"));
}

static void no_refusal_repeats_the_address(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(address_cases); i++) {
        struct refusal why = {.code = "", .text = ""};
        struct span person;

        (void)channel_read_address(address_cases[i].channel, span_of(address_cases[i].address), "/to", &person, &why);
        if (strlen(address_cases[i].address) > 9)
            assert_null(strstr(why.text, address_cases[i].address));
    }
}

static void names_and_channels_belong_together(void **state)
{
    (void)state;
    for (int channel = CHANNEL_SMS; channel < CHANNEL_COUNT; channel++)
        assert_int_equal(channel_find(span_of(channel_name((enum channel)channel))), channel);
    assert_int_equal(channel_find(span_of("none")), CHANNEL_NONE);
    assert_int_equal(channel_find(span_of("SMS")), CHANNEL_NONE);
    assert_int_equal(channel_find(span_of("")), CHANNEL_NONE);
    assert_int_equal(channel_find((struct span){NULL, 0}), CHANNEL_NONE);
    assert_true(channel_has_phone_number(CHANNEL_SMS) && channel_has_phone_number(CHANNEL_WHATSAPP));
    assert_false(channel_has_phone_number(CHANNEL_OPEN) || channel_has_phone_number(CHANNEL_NONE));
}

static void test_a_person_is_named_the_same_whoever_writes_the_address(void **state)
{
    static const struct {
        const char *text;
        enum channel assumed;
        const char *person, *code;
    } table[] = {
        {"sms:13175550199", CHANNEL_NONE, "sms:+13175550199", NULL},
        {"+13175550199", CHANNEL_WHATSAPP, "whatsapp:+13175550199", NULL},
        {"open:open:a", CHANNEL_NONE, "open:open:a", NULL},
        {"open:a", CHANNEL_OPEN, "open:open:a", NULL},
        {"web:contact", CHANNEL_NONE, "web:contact", NULL},
        {"+13175550199", CHANNEL_NONE, NULL, "channel_unknown"},
        {":+13175550199", CHANNEL_NONE, NULL, "channel_unknown"},
        {"none:1", CHANNEL_NONE, NULL, "channel_unknown"},
        {"", CHANNEL_NONE, NULL, "channel_unknown"},
        {"sms:", CHANNEL_NONE, NULL, "address_missing"},
        {"sms:12", CHANNEL_NONE, NULL, "address_invalid"},
        {"web:1", CHANNEL_SMS, NULL, "address_invalid"},
    };
    char found[CHANNEL_PERSON_SIZE], longest[CHANNEL_PERSON_SIZE + 50];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct refusal why = {.code = ""};
        int rc = channel_read_person(span_of(table[i].text), table[i].assumed, found, &why);

        assert_int_equal(rc, table[i].person ? 0 : ERR_INVALID);
        assert_string_equal(table[i].person ? found : why.code, table[i].person ? table[i].person : table[i].code);
    }
    memset(longest, 'x', sizeof(longest));
    assert_int_equal(strlen(channel_person(CHANNEL_WHATSAPP, (struct span){longest, CHANNEL_ADDRESS_MAX}, found)),
                     strlen("whatsapp:+") + CHANNEL_ADDRESS_MAX);
    assert_true(strlen(channel_person(CHANNEL_SMS, (struct span){longest, sizeof(longest)}, found)) < sizeof(found));
    assert_string_equal(channel_person(CHANNEL_NONE, span_of("a"), found), "");
    assert_string_equal(channel_person(CHANNEL_SMS, (struct span){NULL, 0}, found), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_person_is_named_the_same_whoever_writes_the_address),
        cmocka_unit_test(addresses_are_read_in_all_their_forms),
        cmocka_unit_test(an_absent_address_is_missing),
        cmocka_unit_test(nul_bytes_are_no_part_of_an_address),
        cmocka_unit_test(addresses_have_a_greatest_length),
        cmocka_unit_test(no_refusal_repeats_the_address),
        cmocka_unit_test(names_and_channels_belong_together),
    };

    return cmocka_run_group_tests_name("channel", tests, NULL, NULL);
}
