/* Masked addresses: recognised by whom they belong to, of no use to anybody else. */
#include "common/mask.h"

#include "tests/unit/unit.h"

struct mask_case {
    const char *address, *masked;
};

static const struct mask_case mask_cases[] = {
    {"+13175550199", "+13*******99"},
    {"13175550199", "131******99"},
    {"whatsapp:+13175550199", "whatsapp:+13*******99"},
    {"sms:+13175550199", "sms:+13*******99"},
    {"ann@example.org", "an*************"},
    {"facebook:annsmith", "facebook:an******"},
    {"ann.smith:4217731", "an***************"},
    {"annsmith:421773199", "an****************"},
    {"+1317555", "+13***55"},
    {"1234567", "123****"},
    {"+1234", "*****"},
    {"abcde", "ab***"},
    {"abcd", "****"},
    {"a", "*"},
    {"", ""},
    {":", "*"},
    {"whatsapp:", "*********"},
    {"whatsapp:+1", "***********"},
    {"\xc3\xa9-llo-world", "************"},
    {"a\nb c\"d=e", "a********"},
};

static const char *mask(const char *address, char out[MASK_SIZE])
{
    return mask_address(span_of(address), out);
}

static void addresses_are_shown_by_their_head_and_tail_only(void **state)
{
    char out[MASK_SIZE];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(mask_cases); i++) {
        if (strcmp(mask(mask_cases[i].address, out), mask_cases[i].masked) != 0)
            fail_msg("'%s' became '%s', not '%s'", mask_cases[i].address, out, mask_cases[i].masked);
    }
}

/* Every address of the forms there are, in every length: enough is hidden, and no more shown than the head of three
 * characters and the tail of two that the header promises. */
static void nobody_can_be_written_to_from_the_masked_form(void **state)
{
    static const char *const beginnings[] = {"", "+", "whatsapp:", "whatsapp:+", "facebook:", "ann:", "x:y:", "0"};
    static const char *const fillings[] = {"1234567890", "abcdefghij", "a1b2c3d4e5"};

    (void)state;
    for (size_t b = 0; b < COUNT_OF(beginnings); b++) {
        for (size_t len = 1; len <= 200; len++) {
            char address[256], out[MASK_SIZE];
            size_t prefix, person, head = strlen(beginnings[b]), hidden = 0, shown = 0;

            memcpy(address, beginnings[b], head + 1);
            for (size_t i = 0; i < len; i++)
                address[head + i] = fillings[len % 3][i % 10];
            prefix = strncmp(address, "whatsapp:", 9) == 0 || strncmp(address, "facebook:", 9) == 0 ? 9 : 0;
            (void)mask_address((struct span){address, head + len}, out);
            for (size_t i = prefix; out[i]; i++) {
                hidden += out[i] == '*';
                shown += out[i] != '*';
                if (out[i] != '*')
                    assert_int_equal(out[i], address[i]);
            }
            person = head + len - prefix;
            if (shown > 5 || (person >= 3 && hidden < 3) || (person <= 4 && shown > 0))
                fail_msg("%.*s became %s", (int)(head + len), address, out);
        }
    }
}

static void strange_characters_are_never_shown(void **state)
{
    (void)state;
    for (int c = 1; c < 256; c++) {
        char address[12] = "aaaaaaaaaa", out[MASK_SIZE];
        bool is_plain =
            (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '+' || c == ':';

        address[0] = (char)c;
        (void)mask(address, out);
        if (!is_plain)
            assert_int_equal(out[0], '*');
        assert_int_equal(strlen(out), 10);
    }
}

static void a_long_address_is_cut(void **state)
{
    char address[300], out[MASK_SIZE];

    (void)state;
    memset(address, '7', sizeof(address));
    (void)mask_address((struct span){address, sizeof(address)}, out);
    assert_int_equal(strlen(out), MASK_SIZE - 1);
    assert_memory_equal(out, "777****", 7);
    assert_string_equal(mask_address((struct span){NULL, 0}, out), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_shown_by_their_head_and_tail_only),
        cmocka_unit_test(nobody_can_be_written_to_from_the_masked_form),
        cmocka_unit_test(strange_characters_are_never_shown),
        cmocka_unit_test(a_long_address_is_cut),
    };

    return cmocka_run_group_tests_name("mask", tests, NULL, NULL);
}
