/* What texts cost as SMS. */
#include "common/sms.h"

#include <stdlib.h>
#include <string.h>

#include "common/utf8.h"
#include "tests/unit/unit.h"

#define EURO  "\xe2\x82\xac"
#define SMILE "\xf0\x9f\x98\x80"

struct cost_case {
    const char *about;
    const char *head; /* the text is this, `count` times `unit`, and `tail` */
    const char *unit;
    size_t count;
    const char *tail;
    struct sms_cost cost;
};

static const struct cost_case cost_cases[] = {
    {"an empty text", "", "", 0, "", {SMS_GSM7, 0, 0}},
    {"one letter", "", "a", 1, "", {SMS_GSM7, 1, 1}},
    {"160 letters", "", "a", 160, "", {SMS_GSM7, 160, 1}},
    {"161 letters", "", "a", 161, "", {SMS_GSM7, 161, 2}},
    {"two full parts", "", "a", 306, "", {SMS_GSM7, 306, 2}},
    {"one more than two full parts", "", "a", 307, "", {SMS_GSM7, 307, 3}},
    {"three full parts", "", "a", 459, "", {SMS_GSM7, 459, 3}},
    {"letters of the basic table beyond ASCII", "", "\xc3\xa9", 160, "", {SMS_GSM7, 160, 1}},
    {"a Greek capital", "", "\xce\xa9", 160, "", {SMS_GSM7, 160, 1}},
    {"80 euro signs", "", EURO, 80, "", {SMS_GSM7, 160, 1}},
    {"81 euro signs", "", EURO, 81, "", {SMS_GSM7, 162, 2}},
    {"an escape pair that ends with its part", "a", EURO, 76, "aaaaaaaa", {SMS_GSM7, 161, 2}},
    {"an escape pair that would be split leaves a septet unused", "", EURO, 152, "aa", {SMS_GSM7, 306, 3}},
    {"the same text without the split", "a", EURO, 152, "a", {SMS_GSM7, 306, 2}},
    {"every character of the extension table", "^{}\\[]~|\f" EURO, "", 0, "", {SMS_GSM7, 20, 1}},
    {"a backtick is not in the alphabet", "`", "", 0, "", {SMS_UCS2, 1, 1}},
    {"a small c with cedilla is not", "\xc3\xa7", "", 0, "", {SMS_UCS2, 1, 1}},
    {"a tab is not", "a\tb", "", 0, "", {SMS_UCS2, 3, 1}},
    {"the escape itself is not", "\x1b", "", 0, "", {SMS_UCS2, 1, 1}},
    {"70 Cyrillic letters", "", "\xd0\xb6", 70, "", {SMS_UCS2, 70, 1}},
    {"71 Cyrillic letters", "", "\xd0\xb6", 71, "", {SMS_UCS2, 71, 2}},
    {"two full UCS-2 parts", "", "\xd0\xb6", 134, "", {SMS_UCS2, 134, 2}},
    {"one more than two full UCS-2 parts", "", "\xd0\xb6", 135, "", {SMS_UCS2, 135, 3}},
    {"one typographic quote makes all of it UCS-2", "\xe2\x80\x99", "a", 70, "", {SMS_UCS2, 71, 2}},
    {"an emoji is two units", "", SMILE, 35, "", {SMS_UCS2, 70, 1}},
    {"a surrogate pair is not split", "", SMILE, 67, "", {SMS_UCS2, 134, 3}},
    {"the same number of units without the split", "a", SMILE, 66, "a", {SMS_UCS2, 134, 2}},
    {"bytes that are not UTF-8", "\xff\xfe", "", 0, "", {SMS_UCS2, 2, 1}},
    {"a sequence that is cut short", "a\xe2\x82", "", 0, "", {SMS_UCS2, 3, 1}},
};

static void a_text_costs_what_its_alphabet_and_length_say(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cost_cases); i++) {
        const struct cost_case *c = &cost_cases[i];
        char text[2000];
        struct sms_cost cost;

        strcpy(text, c->head);
        for (size_t n = 0; n < c->count; n++)
            strcat(text, c->unit);
        strcat(text, c->tail);
        cost = sms_cost(text, strlen(text));
        if (cost.encoding != c->cost.encoding || cost.units != c->cost.units || cost.segments != c->cost.segments)
            fail_msg("%s: %s, %zu units, %zu segments", c->about, sms_encoding_name(cost.encoding), cost.units,
                     cost.segments);
    }
}

/* The basic table of TS 23.038, row by row, without the escape. */
static const char basic[] = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
                            "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";

static void the_basic_table_is_whole(void **state)
{
    size_t count = 0;

    (void)state;
    for (size_t at = 0, size; at < sizeof(basic) - 1; at += size, count++) {
        struct sms_cost cost;

        assert_true(utf8_decode(basic + at, sizeof(basic) - 1 - at, &size) >= 0);
        cost = sms_cost(basic + at, size);
        if (cost.encoding != SMS_GSM7 || cost.units != 1)
            fail_msg("character %zu of the table is not one septet", count);
    }
    assert_int_equal(count, 127);
}

static size_t put_utf8(char out[4], uint32_t point)
{
    if (point < 0x80) {
        out[0] = (char)point;
        return 1;
    }
    if (point < 0x800) {
        out[0] = (char)(0xc0 | (point >> 6));
        out[1] = (char)(0x80 | (point & 0x3f));
        return 2;
    }
    out[0] = (char)(0xe0 | (point >> 12));
    out[1] = (char)(0x80 | ((point >> 6) & 0x3f));
    out[2] = (char)(0x80 | (point & 0x3f));
    return 3;
}

static void nothing_but_the_two_tables_is_gsm_7(void **state)
{
    size_t one = 0, two = 0;

    (void)state;
    for (uint32_t point = 0; point < 0x10000; point++) {
        char text[4];
        struct sms_cost cost = sms_cost(text, put_utf8(text, point));

        one += cost.encoding == SMS_GSM7 && cost.units == 1;
        two += cost.encoding == SMS_GSM7 && cost.units == 2;
    }
    assert_int_equal(one, 127);
    assert_int_equal(two, 10);
}

static void encodings_have_the_names_that_people_know(void **state)
{
    (void)state;
    assert_string_equal(sms_encoding_name(SMS_GSM7), "GSM-7");
    assert_string_equal(sms_encoding_name(SMS_UCS2), "UCS-2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_costs_what_its_alphabet_and_length_say),
        cmocka_unit_test(the_basic_table_is_whole),
        cmocka_unit_test(nothing_but_the_two_tables_is_gsm_7),
        cmocka_unit_test(encodings_have_the_names_that_people_know),
    };

    return cmocka_run_group_tests_name("sms", tests, NULL, NULL);
}
