/* Signatures of webhooks: what is good, and that nothing else is. */
#include "producer/gateway/signature.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "tests/unit/unit.h"

#define BODY   "{\"id\":\"evt_1\"}"
#define FIRST  "0123456789abcdef"
#define SECOND "another-secret-of-ours"

/* By Python's hmac and base64. */
#define FIRST_BASE64  "sha256=BY035cZZmxfyJgxddxplC0AFxgO1s/bhE055+Frazeo="
#define FIRST_HEX     "sha256=058d37e5c6599b17f2260c5d771a650b4005c603b5b3f6e1134e79f85adacdea"
#define SECOND_BASE64 "sha256=tcqysd+pihglqEnll7D+5LqHf6dQMzvg6i33Lx3Rpo0="
#define SECOND_HEX    "sha256=b5cab2b1dfa98a1825a849e597b0fee4ba877fa750333be0ea2df72f1dd1a68d"

static const struct {
    const char *secrets, *header;
    bool is_good;
} cases[] = {
    {FIRST, FIRST_BASE64, true},
    {FIRST, FIRST_HEX, true},
    {FIRST, "sha256=058D37E5C6599B17F2260C5D771A650B4005C603B5B3F6E1134E79F85ADACDEA", true},
    {SECOND, SECOND_BASE64, true},
    {FIRST "\n" SECOND, FIRST_BASE64, true}, /* one is changed for another: both are good for a time */
    {FIRST "\n" SECOND, SECOND_HEX, true},
    {"  " SECOND "\t" FIRST "\r\n", FIRST_HEX, true},
    {FIRST, SECOND_BASE64, false},
    {SECOND, FIRST_HEX, false},
    {FIRST, NULL, false},
    {FIRST, "", false},
    {FIRST, "sha256=", false},
    {FIRST, FIRST_BASE64 "=", false},
    {FIRST, " " FIRST_BASE64, false},
    {FIRST, "sha1=BY035cZZmxfyJgxddxplC0AFxgO1s/bhE055+Frazeo=", false},
    {FIRST, "BY035cZZmxfyJgxddxplC0AFxgO1s/bhE055+Frazeo=", false},
    {FIRST, "sha256=BY035cZZmxfyJgxddxplC0AFxgO1s/bhE055+Frazeo", false},
    {FIRST, "sha256=BY035cZZmxfyJgxddxplC0AFxgO1s_bhE055-Frazeo=", false},
    {FIRST, "sha256=58d37e5c6599b17f2260c5d771a650b4005c603b5b3f6e1134e79f85adacdea0", false},
    {FIRST, "sha256=058d37e5c6599b17f2260c5d771a650b4005c603b5b3f6e1134e79f85adacdeg", false},
};

static struct signature_secrets read_secrets(const char *text)
{
    struct signature_secrets secrets;
    struct reason why = {""};

    if (signature_read_secrets(&secrets, text, &why) != 0)
        fail_msg("%s", why.text);
    return secrets;
}

static void test_a_signature_of_any_of_the_secrets_in_either_form_is_good_and_no_other(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct signature_secrets secrets = read_secrets(cases[i].secrets);

        if (signature_is_good(&secrets, cases[i].header, span_of(BODY)) != cases[i].is_good)
            fail_msg("case %zu: %s", i, cases[i].header ? cases[i].header : "no header");
    }
}

static void test_one_bit_more_or_less_anywhere_is_no_good(void **state)
{
    static const char *const headers[] = {FIRST_BASE64, FIRST_HEX};
    struct signature_secrets secrets = read_secrets(FIRST);

    (void)state;
    for (size_t h = 0; h < COUNT_OF(headers); h++) {
        for (size_t at = 0; at < strlen(headers[h]); at++) {
            char changed[128];

            (void)snprintf(changed, sizeof(changed), "%s", headers[h]);
            changed[at] = (char)(changed[at] ^ 1);
            assert_false(signature_is_good(&secrets, changed, span_of(BODY)));
        }
    }
    for (size_t at = 0; at < strlen(BODY); at++) {
        char changed[] = BODY;

        changed[at] = (char)(changed[at] ^ 1);
        assert_false(signature_is_good(&secrets, FIRST_BASE64, span_of(changed)));
    }
    assert_false(signature_is_good(&secrets, FIRST_BASE64, (struct span){BODY, strlen(BODY) - 1}));
    assert_false(signature_is_good(&secrets, FIRST_BASE64, (struct span){NULL, 0}));
}

static void test_secrets_have_a_least_and_a_greatest_length_and_number_and_are_never_named(void **state)
{
    static const struct {
        const char *text;
        size_t count; /* 0: refused */
        const char *words;
    } table[] = {
        {FIRST, 1, NULL},
        {"a a", 0, "secret 1 has 1 characters; a secret has 16 to 1024"},
        {FIRST " 0123456789abcde", 0, "secret 2 has 15 characters"},
        {"", 0, "no webhook secret"},
        {" \n\t", 0, "no webhook secret"},
        {FIRST " " FIRST " " FIRST " " FIRST " " FIRST " " FIRST " " FIRST " " FIRST, 8, NULL},
        {FIRST " " FIRST " " FIRST " " FIRST " " FIRST " " FIRST " " FIRST " " FIRST " " FIRST, 0, "more than 8"},
    };
    struct signature_secrets secrets;
    struct reason why;
    char *text = mem_zalloc(SIGNATURE_SECRET_MAX + 2, 1);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        secrets.count = 99;
        why.text[0] = '\0';
        assert_int_equal(signature_read_secrets(&secrets, table[i].text, &why), table[i].count ? 0 : ERR_INVALID);
        assert_int_equal(secrets.count, table[i].count ? table[i].count : 99);
        if (table[i].words)
            assert_non_null(strstr(why.text, table[i].words));
        assert_null(strstr(why.text, "0123456789"));
    }
    memset(text, 'x', SIGNATURE_SECRET_MAX);
    assert_int_equal(signature_read_secrets(&secrets, text, &why), 0);
    text[SIGNATURE_SECRET_MAX] = 'x';
    assert_int_equal(signature_read_secrets(&secrets, text, &why), ERR_INVALID);
    free(text);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_signature_of_any_of_the_secrets_in_either_form_is_good_and_no_other),
        cmocka_unit_test(test_one_bit_more_or_less_anywhere_is_no_good),
        cmocka_unit_test(test_secrets_have_a_least_and_a_greatest_length_and_number_and_are_never_named),
    };

    return cmocka_run_group_tests_name("signature", tests, NULL, NULL);
}
