/* Borrowed bytes: putting two behind each other. */
#include "common/span.h"

#include <string.h>

#include "tests/unit/unit.h"

static const struct join_case {
    const char *about, *head, *tail, *joined;
    size_t size;
} cases[] = {
    {"both fit", "https://h", "/path", "https://h/path", 64},
    {"both fit exactly", "ab", "cd", "abcd", 5},
    {"the tail is cut", "ab", "cd", "abc", 4},
    {"the head is cut and there is no tail", "abcd", "ef", "abc", 4},
    {"the head fits exactly", "abc", "d", "abc", 4},
    {"no head", "", "abc", "abc", 8},
    {"no tail", "abc", "", "abc", 8},
    {"an absent head", NULL, "abc", "abc", 8},
    {"an absent tail", "abc", NULL, "abc", 8},
    {"nothing", NULL, NULL, "", 1},
    {"room for the NUL alone", "a", "b", "", 1},
};

static void two_texts_are_joined_and_cut_to_the_room_there_is(void **state)
{
    char out[66];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        size_t size = cases[i].size;

        memset(out, '#', sizeof(out));
        assert_int_equal(span_join(out, size, span_of(cases[i].head), span_of(cases[i].tail)), strlen(cases[i].joined));
        if (strcmp(out, cases[i].joined) != 0)
            fail_msg("%s: `%s` instead of `%s`", cases[i].about, out, cases[i].joined);
        assert_int_equal(out[size], '#');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(two_texts_are_joined_and_cut_to_the_room_there_is)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
