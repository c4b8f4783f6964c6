/* JSON that is only looked at, held to the tree of the same bytes. */
#include "common/json_view.h"

#include <stdlib.h>
#include <string.h>

#include "tests/lib/json_twin.h"
#include "tests/unit/unit.h"

static const char *const texts[] = {
    "{}",
    " \t\r\n{ \"a\" : 1 , \"b\" : [ ] , \"c\" : { } }\n",
    "{\"a\":[1,2.50,null,true,false,\"\xc3\xa9\",{}],\"\":{\"x\":[[]]}}",
    /* names that are there twice, at every level */
    "{\"a\":1,\"a\":2}",
    "{\"a\":1,\"b\":2,\"a\":null,\"c\":3}",
    "{\"o\":{\"a\":1,\"b\":[{\"x\":1,\"x\":{\"y\":1,\"y\":2}}],\"a\":3},\"o\":{\"z\":1,\"z\":\"2\"}}",
    "{\"a\":[[[[[[1]]]]]],\"a\":1}",
    "{\"id\":1,\"i\\u0064\":2}",
    "{\"\\ud800\":1,\"\\udc00\":2}",
    "{\"a\\/b\":1,\"a/b\":2}",
    /* escapes */
    "{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\\u007f\\u00e9\\u20ac\"}",
    "{\"a\":\"\\ud83d\\ude00\",\"b\":\"\\uD83D\\uDE00x\"}",
    "{\"a\":\"\\ud83d\"}",
    "{\"a\":\"\\ude00\\ud83d\"}",
    "{\"a\":\"\\ud83d\\ud83d\\ude00\"}",
    "{\"a\":\"\\ud83d\\n\\ude00\"}",
    "{\"a\":\"\\ud83dx\",\"b\":\"\\ud83d\\\\ude00\"}",
    "{\"a\":\"\\ud83d\\u12g4\"}",
    "{\"a\":\"\\ud83d\\u\"}",
    "{\"a\":\"\\ud83d\\\"}",
    "{\"a\\u0000b\":1}",
    "{\"a\":\"b\\u0000c\"}",
    "{\"a\":\"\\x\"}",
    "{\"a\":\"\\u12\"}",
    "{\"a\":\"\\u00G0\"}",
    "{\"a\":\"\\",
    "{\"a\":\"\\u",
    "{\"a\":\"\\ud83d\\u",
    "{\"a\":\"\\'\"}",
    "{\"a\":\"\x7f\"}",
    "{\"a\":\"\x1f\"}",
    "{\"a\":\"\n\"}",
    /* UTF-8 */
    "{\"\xf0\x9f\x98\x80\":\"\xe2\x82\xac\"}",
    "{\"a\":\"\xff\"}",
    "{\"a\":\"\xc0\x80\"}",
    "{\"a\":\"\xed\xa0\x80\"}",
    "{\"a\":\"\xf4\x90\x80\x80\"}",
    "{\"a\":\"\xe2\x82",
    "{\"\xe2\x82\":1}",
    "\xef\xbb\xbf{}",
    "{}\xc2\xa0",
    /* numbers */
    "{\"a\":0,\"b\":-0,\"c\":-1,\"d\":9223372036854775807,\"e\":-9223372036854775808}",
    "{\"a\":9223372036854775808}",
    "{\"a\":-9223372036854775809}",
    "{\"a\":18446744073709551615}",
    "{\"a\":99999999999999999999999999999999999999999999}",
    "{\"a\":1e400,\"b\":-1E-400,\"c\":0.0,\"d\":-0.0,\"e\":1.50,\"f\":1e5,\"g\":0e0,\"h\":12345678901234567890.5}",
    "{\"a\":1e+5,\"b\":1E+05,\"c\":1e-0}",
    "{\"a\":01}",
    "{\"a\":-01}",
    "{\"a\":1.}",
    "{\"a\":.5}",
    "{\"a\":-}",
    "{\"a\":1e}",
    "{\"a\":1e+}",
    "{\"a\":+1}",
    "{\"a\":1 2}",
    "{\"a\":1-2}",
    "{\"a\":12e}",
    "{\"a\":1true}",
    "{\"a\":0x1}",
    "{\"a\":NaN}",
    "{\"a\":Infinity}",
    "{\"a\":-Infinity}",
    /* words */
    "{\"a\":True}",
    "{\"a\":nul}",
    "{\"a\":nullx}",
    "{\"a\":truefalse}",
    "{\"a\":tru",
    /* what is between */
    "",
    " ",
    "{",
    "}",
    "{]",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\":1,}",
    "{\"a\":[1,]}",
    "{\"a\":[,1]}",
    "{\"a\":[1,,2]}",
    "{,\"a\":1}",
    "{\"a\":1,,\"b\":2}",
    "{\"a\" 1}",
    "{\"a\"::1}",
    "{\"a\":1 \"b\":2}",
    "{\"a\":[1 2]}",
    "{\"a\":[}]}",
    "{\"a\":{]}",
    "{a:1}",
    "{'a':1}",
    "{\"a\":'b'}",
    "{1:2}",
    "{null:2}",
    "{[]:2}",
    "{\"a\":1}x",
    "{\"a\":1}}",
    "{\"a\":1}{}",
    "{\"a\":1},",
    "{/* c */}",
    "{\"a\":1}//",
    "{\"a\":\v1}",
    "{\"a\":\f1}",
    /* no objects */
    "[]",
    "[{}]",
    "12",
    "\"a\"",
    "null",
    "true",
    "Hi",
};

static void compare(const char *text, size_t len)
{
    char *exact = malloc(len ? len : 1); /* reading on is seen */
    const char *difference;

    memcpy(exact, text, len);
    difference = json_twin_difference(exact, len);
    free(exact);
    if (difference)
        fail_msg("%s differs: %.*s", difference, (int)len, text);
}

static void a_view_takes_and_says_what_the_tree_does(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        compare(texts[i], strlen(texts[i]));
    compare("{\"a\":\"\0\"}", 9);
    compare("{\"a\":1\0}", 8);
    compare("{\"a\":1}\0", 8);
    compare("\0{}", 3);
}

/* A text that is cut anywhere, and one in which a byte is another. */
static void what_is_damaged_is_damaged_for_both(void **state)
{
    static const char bytes[] = "\"\\{}[],:0e-.un \xc3\x01";

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        size_t len = strlen(texts[i]);
        char *copy = malloc(len + 1);

        memcpy(copy, texts[i], len + 1);
        for (size_t at = 0; at < len; at++) {
            compare(copy, at);
            for (size_t b = 0; b < sizeof(bytes); b++) { /* the NUL too */
                copy[at] = bytes[b];
                compare(copy, len);
            }
            copy[at] = texts[i][at];
        }
        free(copy);
    }
}

/* Values out of a sequence of numbers, the same each time. */
static uint32_t draw(uint32_t *seed, uint32_t below)
{
    *seed = *seed * 1664525 + 1013904223;
    return (*seed >> 8) % below;
}

static void make_value(uint32_t *seed, int depth, struct buf *out)
{
    static const char *const plain[] = {"1",    "-0",      "null",        "true",    "false", "\"\"", "\"x\"",
                                        "2.50", "\"\\n\"", "\"\\u00e9\"", "\"\\/\"", "-17",   "1e3",  "\"a b\""};
    static const char *const names[] = {"a", "b", "c", "\\u0061", "id", "i\\u0064", ""};
    uint32_t kind = draw(seed, depth < 5 ? 4 : 2), count = draw(seed, 6);

    if (kind < 2) {
        buf_text(out, plain[draw(seed, COUNT_OF(plain))]);
        return;
    }
    buf_char(out, kind == 2 ? '{' : '[');
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0)
            buf_text(out, draw(seed, 4) ? "," : " ,\t");
        if (kind == 2)
            buf_printf(out, "\"%s\":", names[draw(seed, COUNT_OF(names))]);
        make_value(seed, depth + 1, out);
    }
    buf_char(out, kind == 2 ? '}' : ']');
}

static void values_of_every_shape_are_the_same_in_both(void **state)
{
    uint32_t seed = 1;
    struct buf text;

    (void)state;
    buf_init(&text, JSON_MAX_BYTES);
    for (int i = 0; i < 5000; i++) {
        buf_reset(&text);
        buf_text(&text, "{\"whole\":");
        make_value(&seed, 0, &text);
        buf_text(&text, ",\"a\":");
        make_value(&seed, 0, &text);
        buf_char(&text, '}');
        compare(text.data, text.len);
    }
    buf_clear(&text);
}

static void nesting_ends_at_the_same_depth(void **state)
{
    static const char *const inner[] = {"", "1", "[]", "{}", "{\"a\":1}", "{\"a\":[]}"};
    struct buf text;

    (void)state;
    buf_init(&text, 10000);
    for (size_t i = 0; i < COUNT_OF(inner); i++) {
        for (int depth = 0; depth < 80; depth++) {
            buf_reset(&text);
            buf_text(&text, "{\"a\":");
            for (int k = 0; k < depth; k++)
                buf_text(&text, k % 2 ? "[" : "{\"a\":");
            buf_text(&text, inner[i][0] || depth % 2 == 0 ? inner[i] : "2");
            for (int k = depth; k-- > 0;)
                buf_char(&text, k % 2 ? ']' : '}');
            buf_char(&text, '}');
            compare(text.data, text.len);
        }
    }
    buf_clear(&text);
}

static void objects_with_many_members_have_the_last_of_each_name(void **state)
{
    struct buf text;

    (void)state;
    buf_init(&text, JSON_MAX_BYTES);
    for (int count = 1; count < 2000; count += count < 40 ? 1 : 391) {
        for (int names = 1; names <= count; names += 1 + count / 3) {
            buf_reset(&text);
            for (int i = 0; i < count; i++)
                buf_printf(&text, "%c\"m%d\":%d", i ? ',' : '{', i % names, i);
            buf_char(&text, '}');
            compare(text.data, text.len);
        }
    }
    buf_clear(&text);
}

static void sizes_end_where_those_of_a_tree_do(void **state)
{
    struct buf text;

    (void)state;
    buf_init(&text, 2 * JSON_MAX_BYTES);
    for (size_t len = JSON_MAX_BYTES - 1; len <= JSON_MAX_BYTES + 1; len++) {
        buf_reset(&text);
        buf_text(&text, "{\"a\":\"\\n");
        while (text.len < len - 2)
            buf_char(&text, 'x');
        buf_text(&text, "\"}");
        assert_int_equal(text.len, len);
        compare(text.data, text.len);
    }
    buf_clear(&text);
}

static void a_member_that_is_taken_out_is_gone(void **state)
{
    static const char text[] = "{\"x\":1,\"a\":{\"x\":2},\"b\":null,\"x\":[[[3]]]}";
    struct json_view view;
    struct json *tree;
    struct buf out;

    (void)state;
    buf_init(&out, 1000);
    assert_int_equal(json_view_read(&view, text, sizeof(text) - 1), 0);
    json_view_remove(&view, json_view_whole(&view), "x");
    json_view_remove(&view, json_view_whole(&view), "nobody");
    assert_null(value_get(json_view_whole(&view), "x"));
    assert_non_null(value_get(value_get(json_view_whole(&view), "a"), "x"));
    value_print(json_view_whole(&view), &out);
    assert_string_equal(buf_str(&out), "{\"a\":{\"x\":2},\"b\":null}");
    tree = value_tree(json_view_whole(&view));
    assert_false(json_has(tree, "x"));
    json_free(tree);
    json_view_clear(&view);
    buf_clear(&out);
}

static void what_is_not_there_is_absent(void **state)
{
    int64_t number;

    (void)state;
    assert_int_equal(value_kind(NULL), JSON_ABSENT);
    assert_null(value_get(NULL, "a"));
    assert_null(value_text(NULL).data);
    assert_null(value_get_text(NULL, "a").data);
    assert_null(value_first(NULL));
    assert_false(value_integer(NULL, &number));
    assert_false(value_is_true(NULL));
    assert_int_equal(value_count(NULL), 0);
    assert_null(value_tree(NULL));
}

static void a_text_with_a_nul_is_no_word(void **state)
{
    static const char text[] = "{\"a\":\"b\\u0000\",\"b\":\"\",\"c\":1}";
    struct json_view view;
    const struct json_value *whole;

    (void)state;
    assert_int_equal(json_view_read(&view, text, sizeof(text) - 1), 0);
    whole = json_view_whole(&view);
    assert_int_equal(value_text(value_get(whole, "a")).len, 2);
    assert_null(value_get_text(whole, "a").data);
    assert_true(span_is(value_get_text(whole, "b"), ""));
    assert_null(value_get_text(whole, "c").data);
    json_view_clear(&view);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_view_takes_and_says_what_the_tree_does),
        cmocka_unit_test(what_is_damaged_is_damaged_for_both),
        cmocka_unit_test(values_of_every_shape_are_the_same_in_both),
        cmocka_unit_test(nesting_ends_at_the_same_depth),
        cmocka_unit_test(objects_with_many_members_have_the_last_of_each_name),
        cmocka_unit_test(sizes_end_where_those_of_a_tree_do),
        cmocka_unit_test(a_member_that_is_taken_out_is_gone),
        cmocka_unit_test(what_is_not_there_is_absent),
        cmocka_unit_test(a_text_with_a_nul_is_no_word),
    };

    return cmocka_run_group_tests_name("json_view", tests, NULL, NULL);
}
