/* The growing buffer: its end is hard, going over it is remembered, and its JSON is JSON. */
#include "common/buf.h"

#include <string.h>

#include "tests/unit/unit.h"

static void bytes_add_up_and_are_followed_by_a_nul(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 1000);
    assert_string_equal(buf_str(&buf), "");
    buf_text(&buf, "ab");
    buf_char(&buf, 'c');
    buf_int(&buf, INT64_MIN);
    buf_printf(&buf, "%s-%d", "x", 7);
    buf_add(&buf, "\0y", 2);
    assert_int_equal(buf.len, 3 + 20 + 3 + 2);
    assert_memory_equal(buf.data, "abc-9223372036854775808x-7\0y\0", 29);
    assert_false(buf.overflow);
    buf_clear(&buf);
    buf_clear(&buf);
    buf_text(&buf, "again");
    assert_string_equal(buf_str(&buf), "again");
    buf_clear(&buf);
}

static void exactly_the_maximum_fits(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 5);
    buf_text(&buf, "12345");
    assert_false(buf.overflow);
    buf_text(&buf, "");
    assert_false(buf.overflow);
    assert_string_equal(buf_str(&buf), "12345");
    buf_clear(&buf);
}

static void what_does_not_fit_adds_nothing_and_is_remembered_until_reset(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 5);
    buf_text(&buf, "123");
    buf_text(&buf, "456");
    assert_true(buf.overflow);
    assert_string_equal(buf_str(&buf), "123");
    buf_text(&buf, "4"); /* would fit, but something is missing before it */
    assert_string_equal(buf_str(&buf), "123");
    buf_reset(&buf);
    assert_false(buf.overflow);
    assert_string_equal(buf_str(&buf), "");
    buf_printf(&buf, "%06d", 1);
    assert_true(buf.overflow);
    assert_int_equal(buf.len, 0);
    buf_clear(&buf);
}

static void a_long_formatted_text_is_whole_and_one_that_does_not_fit_adds_nothing(void **state)
{
    static const int lengths[] = {1, 126, 127, 128, 129, 1000};
    struct buf buf;

    (void)state;
    buf_init(&buf, 1002);
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        buf_reset(&buf);
        buf_printf(&buf, "<%0*d>", lengths[i], 7);
        assert_int_equal(buf.len, lengths[i] + 2);
        assert_int_equal(strlen(buf.data), buf.len);
        assert_string_equal(buf.data + buf.len - 2, "7>");
    }
    buf_reset(&buf);
    buf_printf(&buf, "%0*d", 1003, 7);
    assert_true(buf.overflow);
    assert_int_equal(buf.len, 0);
    buf_clear(&buf);
}

static void a_length_that_would_wrap_around_is_an_overflow(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 100);
    buf_text(&buf, "x");
    buf_add(&buf, "x", SIZE_MAX);
    assert_true(buf.overflow);
    assert_int_equal(buf.len, 1);
    buf_clear(&buf);
}

static void growing_keeps_what_was_there(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 100000);
    for (int i = 0; i < 10000; i++)
        buf_printf(&buf, "%04d", i);
    assert_int_equal(buf.len, 40000);
    assert_memory_equal(buf.data + 4 * 1234, "12341235", 8);
    buf_clear(&buf);
}

static void wiping_leaves_nothing_behind(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 100);
    buf_text(&buf, "secret");
    buf_wipe(&buf);
    assert_int_equal(buf.len, 0);
    for (size_t i = 0; i < buf.cap; i++)
        assert_int_equal(buf.data[i], 0);
    buf_clear(&buf);
}

struct json_case {
    const char *text;
    size_t len;
    const char *json;
};

static const struct json_case json_cases[] = {
    {"", 0, "\"\""},
    {"abc", 3, "\"abc\""},
    {"a\"b", 3, "\"a\\\"b\""},
    {"a\\b", 3, "\"a\\\\b\""},
    {"\n\r\t", 3, "\"\\n\\r\\t\""},
    {"\b\f", 2, "\"\\u0008\\u000c\""},
    {"\x01\x1f\x7f", 3, "\"\\u0001\\u001f\\u007f\""},
    {"a\0b", 3, "\"a\\u0000b\""},
    {"/", 1, "\"/\""},
    {"\xc3\xa9\xf0\x9f\x98\x80", 6, "\"\xc3\xa9\xf0\x9f\x98\x80\""},
    {"\"\"", 2, "\"\\\"\\\"\""},
    {"x\n", 2, "\"x\\n\""},
};

static void texts_become_json_strings(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(json_cases); i++) {
        struct buf buf;

        buf_init(&buf, 100);
        buf_json(&buf, json_cases[i].text, json_cases[i].len);
        assert_string_equal(buf_str(&buf), json_cases[i].json);
        buf_clear(&buf);
    }
}

static void no_text_becomes_null(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 100);
    buf_json_text(&buf, NULL);
    buf_json_text(&buf, "x");
    assert_string_equal(buf_str(&buf), "null\"x\"");
    buf_clear(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_add_up_and_are_followed_by_a_nul),
        cmocka_unit_test(exactly_the_maximum_fits),
        cmocka_unit_test(what_does_not_fit_adds_nothing_and_is_remembered_until_reset),
        cmocka_unit_test(a_long_formatted_text_is_whole_and_one_that_does_not_fit_adds_nothing),
        cmocka_unit_test(a_length_that_would_wrap_around_is_an_overflow),
        cmocka_unit_test(growing_keeps_what_was_there),
        cmocka_unit_test(wiping_leaves_nothing_behind),
        cmocka_unit_test(texts_become_json_strings),
        cmocka_unit_test(no_text_becomes_null),
    };

    return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
