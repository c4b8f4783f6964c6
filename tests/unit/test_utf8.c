/* UTF-8: what is well formed, and what a text's length is as JavaScript counts it. */
#include "common/utf8.h"

#include <string.h>

#include "tests/unit/unit.h"

struct utf8_case {
    const char *about;
    const char *bytes;
    size_t prefix; /* bytes before the first that is not well formed */
    size_t units;  /* UTF-16 units, a bad byte counting one */
};

static const struct utf8_case utf8_cases[] = {
    {"nothing", "", 0, 0},
    {"plain letters", "abc", 3, 3},
    {"two bytes", "\xc3\xa9", 2, 1},
    {"the first of two bytes", "\xc2\x80", 2, 1},
    {"the last of two bytes", "\xdf\xbf", 2, 1},
    {"the first of three bytes", "\xe0\xa0\x80", 3, 1},
    {"three bytes, a euro", "\xe2\x82\xac", 3, 1},
    {"the last before the surrogates", "\xed\x9f\xbf", 3, 1},
    {"the first after the surrogates", "\xee\x80\x80", 3, 1},
    {"the last of three bytes", "\xef\xbf\xbf", 3, 1},
    {"the first of four bytes", "\xf0\x90\x80\x80", 4, 2},
    {"an emoji", "\xf0\x9f\x98\x80", 4, 2},
    {"an emoji among letters", "a\xf0\x9f\x98\x80z", 6, 4},
    {"a family of emoji with joiners", "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7", 11, 5},
    {"a flag is two pairs", "\xf0\x9f\x87\xa9\xf0\x9f\x87\xaa", 8, 4},
    {"U+10FFFF", "\xf4\x8f\xbf\xbf", 4, 2},
    {"beyond U+10FFFF", "\xf4\x90\x80\x80", 0, 4},
    {"a first byte of five", "\xf8\x88\x80\x80\x80", 0, 5},
    {"f5 is no first byte", "\xf5\x80\x80\x80", 0, 4},
    {"ff", "\xff", 0, 1},
    {"overlong slash in two", "\xc0\xaf", 0, 2},
    {"overlong NUL in two", "\xc0\x80", 0, 2},
    {"overlong in two, c1", "\xc1\xbf", 0, 2},
    {"overlong slash in three", "\xe0\x80\xaf", 0, 3},
    {"overlong in three, the largest", "\xe0\x9f\xbf", 0, 3},
    {"overlong in four", "\xf0\x80\x80\xaf", 0, 4},
    {"overlong in four, the largest", "\xf0\x8f\xbf\xbf", 0, 4},
    {"the first surrogate", "\xed\xa0\x80", 0, 3},
    {"the last surrogate", "\xed\xbf\xbf", 0, 3},
    {"a pair of surrogates (CESU-8)", "\xed\xa0\xbd\xed\xb8\x80", 0, 6},
    {"a continuation alone", "\x80", 0, 1},
    {"cut after one of two", "\xc3", 0, 1},
    {"cut after two of three", "ab\xe2\x82", 2, 4},
    {"cut after three of four", "\xf0\x9f\x98", 0, 3},
    {"a letter where a continuation belongs", "\xc3(", 0, 2},
    {"a good start, then rubbish", "abc\xff\xfe", 3, 5},
    {"more letters than are looked at at once", "0123456789abcdefghij", 20, 20},
    {"an accent as the eighth byte", "0123456\xc3\xa9z", 10, 9},
    {"an accent as the ninth", "01234567\xc3\xa9z01234567", 19, 18},
    {"rubbish behind eights", "0123456789abcdef\xffxyzxyzxy", 16, 25},
    {"an emoji between eights", "01234567\xf0\x9f\x98\x80xyzxyzxy", 20, 18},
};

static void well_formed_bytes_are_told_from_others_and_counted_in_utf16_units(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(utf8_cases); i++) {
        const struct utf8_case *c = &utf8_cases[i];
        size_t len = strlen(c->bytes), prefix = utf8_valid_prefix(c->bytes, len);
        size_t units = utf8_utf16_units(c->bytes, len);

        if (prefix != c->prefix || units != c->units || utf8_is_valid(c->bytes, len) != (c->prefix == len))
            fail_msg("%s: prefix %zu, units %zu", c->about, prefix, units);
    }
}

static void a_text_that_was_cut_is_repaired(void **state)
{
    static const struct {
        const char *bytes, *repaired;
    } texts[] = {
        {"", ""}, {"abc", "abc"}, {"a\xc3", "a?"}, {"a\xe2\x82", "a??"}, {"\xff\xe2\x82\xac\xff", "?\xe2\x82\xac?"},
    };
    char text[16];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        memcpy(text, texts[i].bytes, strlen(texts[i].bytes) + 1);
        utf8_repair(text);
        assert_string_equal(text, texts[i].repaired);
    }
}

static void a_code_point_and_its_size_come_out(void **state)
{
    size_t size;

    (void)state;
    assert_int_equal(utf8_decode("a", 1, &size), 'a');
    assert_int_equal(size, 1);
    assert_int_equal(utf8_decode("\xe2\x82\xac!", 4, &size), 0x20ac);
    assert_int_equal(size, 3);
    assert_int_equal(utf8_decode("\xf0\x9f\x98\x80", 4, &size), 0x1f600);
    assert_int_equal(size, 4);
    assert_int_equal(utf8_decode("\xf0\x9f\x98\x80", 3, &size), -1);
    assert_int_equal(size, 1);
}

static void a_nul_byte_is_a_character_like_any_other(void **state)
{
    (void)state;
    assert_true(utf8_is_valid("a\0b", 3));
    assert_int_equal(utf8_utf16_units("a\0b", 3), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(well_formed_bytes_are_told_from_others_and_counted_in_utf16_units),
        cmocka_unit_test(a_text_that_was_cut_is_repaired),
        cmocka_unit_test(a_code_point_and_its_size_come_out),
        cmocka_unit_test(a_nul_byte_is_a_character_like_any_other),
    };

    return cmocka_run_group_tests_name("utf8", tests, NULL, NULL);
}
