/* JSON merge patch: every example of RFC 7396 (section 3 and appendix A), and what it must not do. */
#include "common/merge_patch.h"

#include <string.h>

#include "tests/unit/unit.h"

static const struct {
    const char *target, *patch, *result;
} cases[] = {
    /* Appendix A; the row whose patch is `null` is below: nothing that Herald reads is a bare null. */
    {"{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
    {"{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}"},
    {"{\"a\":\"b\"}", "{\"a\":null}", "{}"},
    {"{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}"},
    {"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
    {"{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}"},
    {"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}"},
    {"{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}"},
    {"[\"a\",\"b\"]", "[\"c\",\"d\"]", "[\"c\",\"d\"]"},
    {"{\"a\":\"b\"}", "[\"c\"]", "[\"c\"]"},
    {"{\"a\":\"foo\"}", "\"bar\"", "\"bar\""},
    {"{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}"},
    {"[1,2]", "{\"a\":\"b\",\"c\":null}", "{\"a\":\"b\"}"},
    {"{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}"},
    /* Section 3 */
    {"{\"title\":\"Goodbye!\",\"author\":{\"givenName\":\"John\",\"familyName\":\"Doe\"},\"tags\":[\"example\","
     "\"sample\"],"
     "\"content\":\"This will be unchanged\"}",
     "{\"title\":\"Hello!\",\"phoneNumber\":\"+01-123-456-7890\",\"author\":{\"familyName\":null},\"tags\":["
     "\"example\"]}",
     "{\"title\":\"Hello!\",\"author\":{\"givenName\":\"John\"},\"tags\":[\"example\"],"
     "\"content\":\"This will be unchanged\",\"phoneNumber\":\"+01-123-456-7890\"}"},
    /* And section 1 */
    {"{\"a\":\"b\",\"c\":{\"d\":\"e\",\"f\":\"g\"}}", "{\"a\":\"z\",\"c\":{\"f\":null}}",
     "{\"a\":\"z\",\"c\":{\"d\":\"e\"}}"},
    /* Ours */
    {"{\"a\":1}", "{}", "{\"a\":1}"},
    {"{\"a\":1}", "{\"b\":null}", "{\"a\":1}"},
    {"{\"a\":1}", "{\"a\":[null,{\"b\":null}]}", "{\"a\":[null,{\"b\":null}]}"}, /* within a list null is a value */
    {"{\"a\":{\"b\":1}}", "{\"a\":{\"b\":{\"c\":{\"d\":1}}}}", "{\"a\":{\"b\":{\"c\":{\"d\":1}}}}"},
    {"{\"n\":1.0,\"m\":12345678901}", "{\"o\":-0.5}", "{\"n\":1.0,\"m\":12345678901,\"o\":-0.5}"},
};

static struct json *parse(const char *text)
{
    struct json *json = NULL;
    struct reason why = {""};

    if (json_parse(&json, text, strlen(text), &why) != 0)
        fail_msg("%s: %s", text, why.text);
    return json;
}

static void assert_prints(const struct json *json, const char *expected)
{
    struct buf text;

    buf_init(&text, JSON_MAX_BYTES);
    json_print(json, &text);
    assert_string_equal(buf_str(&text), expected);
    buf_clear(&text);
}

static void patches_do_what_rfc_7396_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct json *patch = parse(cases[i].patch), *result = merge_patch(parse(cases[i].target), patch);

        assert_prints(result, cases[i].result);
        assert_prints(patch, cases[i].patch); /* unchanged, so that it can be used for the next message */
        json_free(result);
        result = merge_patch(parse(cases[i].target), patch);
        assert_prints(result, cases[i].result);
        json_free(result);
        json_free(patch);
    }
}

static void a_patch_applied_twice_changes_nothing_more(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct json *patch = parse(cases[i].patch);
        struct json *result = merge_patch(merge_patch(parse(cases[i].target), patch), patch);

        assert_prints(result, cases[i].result);
        json_free(result);
        json_free(patch);
    }
}

static void the_patch_null_makes_null_of_anything(void **state)
{
    (void)state;
    assert_null(merge_patch(parse("{\"a\":\"foo\"}"), NULL));
}

static void what_was_absent_is_made(void **state)
{
    struct json *patch = parse("{\"a\":{\"b\":1,\"c\":null}}"), *result = merge_patch(NULL, patch);

    (void)state;
    assert_prints(result, "{\"a\":{\"b\":1}}");
    json_free(result);
    json_free(patch);
}

static void one_patch_may_change_many_which_stay_each_their_own(void **state)
{
    struct json *patch = parse("{\"a\":{\"b\":[1]}}");
    struct json *one = merge_patch(parse("{}"), patch), *other = merge_patch(parse("{}"), patch);

    (void)state;
    json_set(json_edit(one, "a"), "x", json_new_integer(1));
    assert_prints(one, "{\"a\":{\"b\":[1],\"x\":1}}");
    assert_prints(other, "{\"a\":{\"b\":[1]}}");
    assert_prints(patch, "{\"a\":{\"b\":[1]}}");
    json_free(one);
    json_free(other);
    json_free(patch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patches_do_what_rfc_7396_says),
        cmocka_unit_test(a_patch_applied_twice_changes_nothing_more),
        cmocka_unit_test(the_patch_null_makes_null_of_anything),
        cmocka_unit_test(what_was_absent_is_made),
        cmocka_unit_test(one_patch_may_change_many_which_stay_each_their_own),
    };

    return cmocka_run_group_tests_name("merge patch", tests, NULL, NULL);
}
