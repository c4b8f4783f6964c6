/* How long a rate grant may wait. */
#include "worker/grant.h"

#include "tests/unit/unit.h"

struct grant_case {
    const char *about;
    struct rate org, sender;
    struct grant expected;
};

static const struct grant_case cases[] = {
    {"no window at all", {0, 0}, {0, 0}, {1, INT64_MAX}},
    {"the platform's default", {300, 60000}, {0, 0}, {250, 30000}},
    {"ten seconds", {300, 10000}, {0, 0}, {50, 5000}},
    {"one second", {20, 1000}, {0, 0}, {5, 500}},
    {"a very short one", {1, 10}, {0, 0}, {1, 5}},
    {"a day", {1000, 24 * 3600 * 1000}, {0, 0}, {250, 12 * 3600 * 1000}},
    {"only the sender's", {0, 0}, {1, 1000}, {5, 500}},
    {"the sender's is shorter", {300, 60000}, {1, 1000}, {5, 500}},
    {"the org's is shorter", {10, 1000}, {1, 60000}, {5, 500}},
};

static void the_shorter_window_decides_how_long_a_grant_may_wait(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct grant got = grant_of(&cases[i].org, &cases[i].sender);

        if (got.margin_ms != cases[i].expected.margin_ms || got.life_ms != cases[i].expected.life_ms)
            fail_msg("%s: margin %lld, life %lld", cases[i].about, (long long)got.margin_ms, (long long)got.life_ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_shorter_window_decides_how_long_a_grant_may_wait),
    };

    return cmocka_run_group_tests_name("grant", tests, NULL, NULL);
}
