/* JSON out of hostile bytes. */
#include "common/json.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

struct parse_case {
    const char *about;
    const char *text;
    const char *reason; /* NULL: it parses */
};

static const struct parse_case parse_cases[] = {
    {"an object", "{\"a\":1}", NULL},
    {"blanks around it", " \n{\"a\":1}\r\n ", NULL},
    {"a number alone", "12", NULL},
    {"nothing", "", "there is nothing in it"},
    {"only blanks", " \t\n", "there is nothing in it"},
    {"cut short", "{\"a\":", "ends before it is complete"},
    {"cut in a text", "{\"a\":\"b", "ends before it is complete"},
    {"two values", "{} {}", "something follows the JSON"},
    {"a single quote", "{'a':1}", "not JSON"},
    {"a comment", "{/* */}", "not JSON"},
    {"NaN", "{\"a\":NaN}", "not JSON"},
    {"Infinity", "{\"a\":Infinity}", "not JSON"},
    {"small nan", "{\"a\":nan}", "not JSON"},
    {"a plus sign", "{\"a\":+1}", "not JSON"},
    {"a leading zero", "{\"a\":01}", "not JSON"},
    {"a minus alone", "{\"a\":-}", "not JSON"},
    {"a comma at the end", "{\"a\":1,}", "not JSON"},
    {"a comma at the end of an array", "[1,]", "not JSON"},
    {"a lone surrogate", "{\"a\":\"\\ud800\"}", NULL},
    {"capital True", "{\"a\":True}", "not JSON"},
    {"the largest number", "{\"a\":9223372036854775807}", NULL},
    {"one more than the largest", "{\"a\":9223372036854775808}", "out of range"},
    {"a hundred digits", "{\"a\":-99999999999999999999999999999999999999999}", "out of range"},
    {"digits in a text", "{\"a\":\"99999999999999999999999999999999\"}", NULL},
    {"a long fraction", "{\"a\":0.99999999999999999999999999999999}", NULL},
    {"invalid UTF-8", "{\"a\":\"\xff\xfe\"}", "not JSON"},
    {"null", "null", "null is not a message"},
    {"an unescaped newline in a text", "{\"a\":\"\n\"}", "control character"},
};

static void parsing_takes_json_and_says_what_is_wrong_with_the_rest(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(parse_cases); i++) {
        const struct parse_case *c = &parse_cases[i];
        struct reason why = {""};
        struct json *value = NULL;
        int rc = json_parse(&value, c->text, strlen(c->text), &why);

        if (c->reason ? rc == 0 || !strstr(why.text, c->reason) : rc != 0)
            fail_msg("%s: returned %d, said '%s'", c->about, rc, why.text);
        json_free(value);
    }
}

static void a_nul_byte_is_refused_with_its_place(void **state)
{
    struct reason why = {""};
    struct json *value = NULL;

    (void)state;
    assert_int_equal(json_parse(&value, "{\"a\":\"b\0c\"}", 12, &why), ERR_INVALID);
    assert_non_null(strstr(why.text, "byte 7"));
}

static void nesting_is_bounded(void **state)
{
    struct reason why = {""};
    struct json *value = NULL;
    size_t len = 100000;
    char *deep = malloc(len);

    (void)state;
    memset(deep, '[', len);
    assert_int_equal(json_parse(&value, deep, len, &why), ERR_INVALID);
    assert_non_null(strstr(why.text, "nesting"));
    free(deep);
}

static void more_than_a_mebibyte_is_refused_unread(void **state)
{
    struct reason why = {""};
    struct json *value = NULL;
    char *large = calloc(JSON_MAX_BYTES + 1, 1);

    (void)state;
    assert_int_equal(json_parse(&value, large, JSON_MAX_BYTES + 1, &why), ERR_LIMIT);
    free(large);
}

static void printing_gives_back_what_was_read(void **state)
{
    static const char text[] = "{\"b\":[1,2.50,\"a/b\\u0000c\",null,true],\"a\":{\"x\":\"\xc3\xa9\"}}";
    struct json *value = NULL;
    struct buf buf;

    (void)state;
    buf_init(&buf, 1000);
    assert_int_equal(json_parse(&value, text, sizeof(text) - 1, NULL), 0);
    json_print(value, &buf);
    assert_string_equal(buf_str(&buf), text);
    json_free(value);
    buf_clear(&buf);
}

static void questions_to_the_wrong_kind_find_nothing(void **state)
{
    struct json *value = NULL;
    int64_t number = 7;

    (void)state;
    assert_int_equal(json_parse(&value, "{\"a\":\"x\",\"n\":null,\"z\":\"a\\u0000b\"}", 33, NULL), 0);
    assert_null(json_get(value, "missing"));
    assert_null(json_get(json_get(value, "a"), "b"));
    assert_null(json_get(value, "n"));
    assert_false(json_integer(json_get(value, "a"), &number));
    assert_int_equal(number, 7);
    assert_null(json_at(value, 0));
    assert_null(json_get_text(value, "z"));
    assert_int_equal(json_kind(NULL), JSON_ABSENT);
    json_free(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parsing_takes_json_and_says_what_is_wrong_with_the_rest),
        cmocka_unit_test(a_nul_byte_is_refused_with_its_place),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(more_than_a_mebibyte_is_refused_unread),
        cmocka_unit_test(printing_gives_back_what_was_read),
        cmocka_unit_test(questions_to_the_wrong_kind_find_nothing),
    };

    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
