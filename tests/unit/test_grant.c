/* How long a rate grant may wait. */
#include "worker/grant.h"

#include "tests/unit/unit.h"

struct grant_case {
    const char *about;
    struct rate org, sender;
    int64_t margin_ms, life_ms;
};

static const struct grant_case cases[] = {
    {"no window at all", {0, 0}, {0, 0}, 1, INT64_MAX},
    {"the platform's default", {300, 60000}, {0, 0}, 250, 30250},
    {"ten seconds", {300, 10000}, {0, 0}, 50, 5050},
    {"one second", {20, 1000}, {0, 0}, 5, 505},
    {"a very short one", {1, 10}, {0, 0}, 1, 6},
    {"a day", {1000, 24 * 3600 * 1000}, {0, 0}, 250, 250 + 12 * 3600 * 1000},
    {"only the sender's", {0, 0}, {1, 1000}, 5, 505},
    {"the sender's is shorter", {300, 60000}, {1, 1000}, 5, 505},
    {"the org's is shorter", {10, 1000}, {1, 60000}, 5, 505},
};

static void the_shorter_window_decides_how_long_a_grant_may_wait(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct grant got;

        grant_init(&got, &cases[i].org, &cases[i].sender);
        if (got.margin_ms != cases[i].margin_ms || got.life_ms != cases[i].life_ms)
            fail_msg("%s: margin %lld, life %lld", cases[i].about, (long long)got.margin_ms, (long long)got.life_ms);
    }
}

static void a_late_batch_widens_the_margin_once_and_many_in_time_narrow_it_again(void **state)
{
    const struct rate org = {20, 1000}, none = {0, 0};
    struct grant grant;

    (void)state;
    grant_init(&grant, &org, &none);
    for (int i = 0; i < 64; i++)
        grant_note_late(&grant, 7000);
    assert_int_equal(grant.margin_ms, 10);
    assert_int_equal(grant.life_ms, 510);
    for (int i = 0; i < 100; i++)
        grant_note_late(&grant, 8000 + i);
    assert_int_equal(grant.margin_ms, 10000);
    for (int i = 0; i < 1000; i++)
        grant_note_reserve(&grant);
    assert_in_range(grant.margin_ms, 5, 9);
}

static void a_quick_answer_is_the_quickest_of_the_last_two_hundred(void **state)
{
    const struct rate none = {0};
    struct grant grant;

    (void)state;
    grant_init(&grant, &none, &none);
    for (int i = 0; i < 100; i++)
        assert_int_equal(grant_note_answer(&grant, i == 70 ? 12 : 30), 0); /* the first ones may all have been slow */
    for (int i = 0; i < 100; i++)
        assert_int_equal(grant_note_answer(&grant, 40), 12);
    assert_int_equal(grant_note_answer(&grant, 50), 40); /* it has become slower for good */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_shorter_window_decides_how_long_a_grant_may_wait),
        cmocka_unit_test(a_quick_answer_is_the_quickest_of_the_last_two_hundred),
        cmocka_unit_test(a_late_batch_widens_the_margin_once_and_many_in_time_narrow_it_again),
    };

    return cmocka_run_group_tests_name("grant", tests, NULL, NULL);
}
