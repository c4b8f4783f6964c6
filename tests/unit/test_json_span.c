/* Members found in the text of an object, whatever stands around them. */
#include "common/json_span.h"

#include "tests/unit/unit.h"

static const struct {
    const char *object, *name, *value; /* NULL: there is none */
} cases[] = {
    {"{\"a\":1}", "a", "1"},
    {"{\"a\":1,\"b\":{\"a\":2},\"c\":[1,{\"c\":3}]}", "c", "[1,{\"c\":3}]"},
    {"{\"b\":{\"a\":2},\"a\":1}", "a", "1"},
    {" { \"a\" : \"x\" , \"b\" : null } ", "a", "\"x\""},
    {" { \"a\" : \"x\" , \"b\" : null } ", "b", "null"},
    {"{\"a\":\"}\\\",\\\\\",\"b\":true}", "b", "true"},
    {"{\"a\\\"b\":1,\"b\":2}", "b", "2"},
    {"{\"ab\":1,\"a\":2}", "a", "2"},
    {"{\"a\":{}}", "a", "{}"},
    {"{\"a\":[]}", "a", "[]"},
    {"{\"a\":\"\"}", "a", "\"\""},
    {"{\"a\":1}", "b", NULL},
    {"{}", "a", NULL},
    {"", "a", NULL},
    {"[\"a\",1]", "a", NULL},
    {"{\"a\"", "a", NULL},
    {"{\"a\":", "a", NULL},
    {"{\"a\":1", "a", NULL},
    {"{\"a\":\"x", "a", NULL},
    {"{\"a\":\"x\\", "a", NULL},
    {"{\"a\"1}", "a", NULL},
    {"{\"a\":}", "a", NULL},
    {"{a:1}", "a", NULL},
    {"{\"b\":1 \"a\":2}", "a", NULL},
    {"{\"b\":1}}\"a\":2}", "a", NULL},
};

static void members_are_found_by_their_name_in_the_outermost_object_only(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct span value = json_span(span_of(cases[i].object), cases[i].name);

        if (cases[i].value ? !span_is(value, cases[i].value) : value.data != NULL)
            fail_msg("%s in %s: '%.*s'", cases[i].name, cases[i].object, (int)value.len, value.data ? value.data : "-");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(members_are_found_by_their_name_in_the_outermost_object_only)};

    return cmocka_run_group_tests_name("json span", tests, NULL, NULL);
}
