/* Doubling, the cap, the jitter, and no overflow anywhere. */
#include "worker/backoff.h"

#include <limits.h>
#include <stdbool.h>

#include "tests/unit/unit.h"

struct ceiling_case {
    const char *about;
    unsigned attempt;
    int64_t base_ms, cap_ms, ceiling_ms;
};

static const struct ceiling_case ceiling_cases[] = {
    {"the first failure", 1, 1000, 60000, 1000},
    {"the second", 2, 1000, 60000, 2000},
    {"the sixth", 6, 1000, 60000, 32000},
    {"the seventh meets the cap", 7, 1000, 60000, 60000},
    {"a cap that is a doubling", 4, 1000, 8000, 8000},
    {"an odd cap", 4, 1000, 7999, 7999},
    {"attempt 0 counts as 1", 0, 1000, 60000, 1000},
    {"the largest attempt", UINT_MAX, 1000, 60000, 60000},
    {"the largest cap", UINT_MAX, 1, INT64_MAX, INT64_MAX},
    {"the largest base", 2, INT64_MAX, INT64_MAX, INT64_MAX},
    {"a doubling that would overflow", 64, 3, INT64_MAX, INT64_MAX},
    {"just below it", 62, 1, INT64_MAX, INT64_C(1) << 61},
    {"a cap below the base", 1, 5000, 100, 100},
    {"no base", 1, 0, 60000, 1},
    {"no base doubles from the minimum", 3, 0, 60000, 4},
    {"a base below 0", 1, INT64_MIN, 60000, 1},
    {"no cap", 5, 1000, 0, 1},
    {"a cap below 0", 5, 1000, INT64_MIN, 1},
};

static void the_interval_doubles_up_to_its_cap(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(ceiling_cases); i++) {
        const struct ceiling_case *c = &ceiling_cases[i];
        int64_t ceiling_ms = backoff_ceiling_ms(c->attempt, c->base_ms, c->cap_ms);

        if (ceiling_ms != c->ceiling_ms)
            fail_msg("%s: %lld instead of %lld", c->about, (long long)ceiling_ms, (long long)c->ceiling_ms);
    }
}

static void every_wait_lies_in_the_interval(void **state)
{
    static const uint64_t randoms[] = {0, 1, 999, 1000, 1001, 12345678901234567u, UINT64_MAX - 1, UINT64_MAX};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(ceiling_cases); i++) {
        const struct ceiling_case *c = &ceiling_cases[i];

        for (size_t j = 0; j < COUNT_OF(randoms); j++) {
            int64_t wait_ms = backoff_ms(c->attempt, c->base_ms, c->cap_ms, randoms[j]);

            if (wait_ms < BACKOFF_MIN_MS || wait_ms > c->ceiling_ms)
                fail_msg("%s: %lld is outside", c->about, (long long)wait_ms);
        }
    }
}

static void full_jitter_reaches_both_ends_and_all_between(void **state)
{
    bool seen[9] = {false};

    (void)state;
    for (uint64_t random = 0; random < 9; random++)
        seen[backoff_ms(4, 1, 8, random)] = true;
    assert_false(seen[0]); /* never a busy loop */
    for (size_t wait_ms = 1; wait_ms <= 8; wait_ms++)
        assert_true(seen[wait_ms]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_interval_doubles_up_to_its_cap),
        cmocka_unit_test(every_wait_lies_in_the_interval),
        cmocka_unit_test(full_jitter_reaches_both_ends_and_all_between),
    };

    return cmocka_run_group_tests_name("backoff", tests, NULL, NULL);
}
