/* What is made of the depths in Redis: how old the oldest message is, and how many could be sent now. */
#include "common/org_metrics.h"

#include "tests/unit/unit.h"

#define WALL_MS INT64_C(1768473000000)

static void what_could_be_sent_is_what_waits_and_the_window_has_room_for(void **state)
{
    static const struct {
        int64_t high, normal, low, due, used, hold_ms, limit, expected;
    } cases[] = {
        {0, 0, 0, 0, 0, 0, 300, 0},       {1, 2, 3, 4, 0, 0, 300, 10},      {0, 1000, 0, 0, 0, 0, 300, 300},
        {0, 1000, 0, 0, 280, 0, 300, 20}, {0, 1000, 0, 0, 300, 0, 300, 0},  {0, 1000, 0, 0, 310, 0, 300, 0},
        {0, 5, 0, 0, 280, 0, 300, 5},     {0, 1000, 0, 7, 999, 0, 0, 1007}, {0, 1000, 0, 0, 0, 1, 300, 0},
        {0, 1000, 0, 0, 0, 1, 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct store_gauges gauges = {
            .ready = {cases[i].high, cases[i].normal, cases[i].low},
            .due = cases[i].due,
            .window_used = cases[i].used,
            .hold_ms = cases[i].hold_ms,
        };

        if (org_metrics_sendable(&gauges, cases[i].limit) != cases[i].expected)
            fail_msg("case %zu: %lld", i, (long long)org_metrics_sendable(&gauges, cases[i].limit));
    }
}

static void a_message_is_as_old_as_it_says_or_as_long_as_it_was_seen(void **state)
{
    struct org_metrics org = {.print = {""}};
    struct store_gauges gauges = {.wall_ms = WALL_MS};

    (void)state;
    org_metrics_look(&org, &gauges, 1000);
    assert_true(org_metrics_oldest_s(&org, &gauges, PRIORITY_NORMAL, 5000) == 0); /* nothing is there */
    gauges.oldest_print[PRIORITY_NORMAL][0] = 'a';
    org_metrics_look(&org, &gauges, 10000);
    assert_true(org_metrics_oldest_s(&org, &gauges, PRIORITY_NORMAL, 12500) == 2.5);
    org_metrics_look(&org, &gauges, 20000); /* it is still the same */
    assert_true(org_metrics_oldest_s(&org, &gauges, PRIORITY_NORMAL, 20000) == 10);
    gauges.oldest_at_ms[PRIORITY_NORMAL] = WALL_MS - 60000;
    assert_true(org_metrics_oldest_s(&org, &gauges, PRIORITY_NORMAL, 20000) == 60);
    gauges.oldest_at_ms[PRIORITY_NORMAL] = WALL_MS - 1000; /* accepted by a clock that goes ahead */
    assert_true(org_metrics_oldest_s(&org, &gauges, PRIORITY_NORMAL, 20000) == 10);
    gauges.oldest_print[PRIORITY_NORMAL][0] = 'b';
    gauges.oldest_at_ms[PRIORITY_NORMAL] = 0;
    org_metrics_look(&org, &gauges, 21000); /* another is next */
    assert_true(org_metrics_oldest_s(&org, &gauges, PRIORITY_NORMAL, 21000) == 0);
    assert_true(org_metrics_oldest_s(&org, &gauges, PRIORITY_HIGH, 21000) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_could_be_sent_is_what_waits_and_the_window_has_room_for),
        cmocka_unit_test(a_message_is_as_old_as_it_says_or_as_long_as_it_was_seen),
    };

    return cmocka_run_group_tests_name("org_metrics", tests, NULL, NULL);
}
