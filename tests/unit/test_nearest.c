/* The nearest name: which slips are forgiven, which of several names is taken, and when none is near enough. */
#include "common/nearest.h"

#include "tests/unit/unit.h"

static const char *const names[] = {"status", "settings", "campaign send", "dead list", "dead replay", "json", "a"};

static const struct nearest_case {
    const char *word, *name;
} cases[] = {
    {"status", "status"},
    {"statsu", "status"},   /* exchanged */
    {"satus", "status"},    /* left out */
    {"statuses", "status"}, /* added */
    {"stetus", "status"},   /* changed */
    {"setting", "settings"},
    {"campain send", "campaign send"},
    {"campaign snd", "campaign send"},
    {"dead rpelay", "dead replay"},
    {"dead lsit", "dead list"},
    {"jsn", "json"},
    {"sttus!", "status"},
    {"js", NULL}, /* two slips in two letters say nothing */
    {"send", NULL},
    {"dead", NULL},
    {"b", NULL},
    {"a", "a"},
    {"", NULL},
    {"\xc3\xa9tatus", "status"}, /* bytes count, not letters */
    {"\xff\xfe", NULL},
    {"0123456789012345678901234567890123456789", NULL},
    {"01234567890123456789012345678901234567890", NULL}, /* longer than any name may be */
};

static void the_name_with_the_fewest_slips_is_found_if_they_are_few(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct nearest nearest = {.word = span_of(cases[i].word)};

        for (size_t n = 0; n < COUNT_OF(names); n++)
            nearest_look_at(&nearest, names[n]);
        if (!cases[i].name && nearest.name)
            fail_msg("%s is near nothing, but was taken for %s", cases[i].word, nearest.name);
        if (cases[i].name)
            assert_string_equal(nearest.name, cases[i].name);
    }
}

static void a_name_that_is_too_long_is_passed_over(void **state)
{
    struct nearest nearest = {.word = span_of("0123456789012345678901234567890123456789")};

    (void)state;
    nearest_look_at(&nearest, "01234567890123456789012345678901234567890");
    assert_null(nearest.name);
    nearest_look_at(&nearest, "012345678901234567890123456789012345678");
    assert_int_equal(nearest.slips, 1);
}

static void the_nearest_however_far_is_found_for_who_wants_that(void **state)
{
    struct nearest nearest = {.word = span_of("stxxxxxxxx"), .is_any = true};

    (void)state;
    nearest_look_at(&nearest, "json");
    assert_string_equal(nearest.name, "json");
    nearest_look_at(&nearest, "status");
    assert_string_equal(nearest.name, "status");
    nearest_look_at(&nearest, "stimes"); /* as far: the first stays */
    assert_string_equal(nearest.name, "status");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_name_with_the_fewest_slips_is_found_if_they_are_few),
        cmocka_unit_test(a_name_that_is_too_long_is_passed_over),
        cmocka_unit_test(the_nearest_however_far_is_found_for_who_wants_that),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
