/* Repeated warnings: the first at once, then ever more rarely, and none uncounted. */
#include "common/log_spacing.h"

#include <stdlib.h>

#include "tests/unit/unit.h"

static bool admit(struct log_spacing *spacing, uint64_t key, int64_t now_ms, uint64_t *held)
{
    return log_spacing_admit(spacing, key, 1, "it happens", now_ms, held);
}

static void what_comes_again_and_again_is_written_at_growing_intervals(void **state)
{
    static const struct {
        int64_t at_ms;
        bool is_written;
        uint64_t held;
    } steps[] = {
        {0, true, 0},      {1, false, 0},     {999, false, 0},     {1000, true, 2},    {1001, false, 0},
        {2999, false, 0},  {3000, true, 2},   {6999, false, 0},    {7000, true, 1},    {15000, true, 0},
        {31000, true, 0},  {63000, true, 0},  {127000, true, 0},   {255000, true, 0},  {510999, false, 0},
        {511000, true, 1}, {811000, true, 0}, {1110999, false, 0}, {1111000, true, 1},
    };
    struct log_spacing spacing = {.entries = {{0}}};

    (void)state;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        uint64_t held;
        bool is_written = admit(&spacing, 7, steps[i].at_ms, &held);

        if (is_written != steps[i].is_written || held != steps[i].held)
            fail_msg("at %lld: written %d, held %llu", (long long)steps[i].at_ms, is_written, (unsigned long long)held);
    }
}

static void two_texts_do_not_hold_each_other_back(void **state)
{
    struct log_spacing spacing = {.entries = {{0}}};
    uint64_t held;

    (void)state;
    assert_true(admit(&spacing, 1, 0, &held));
    assert_true(admit(&spacing, 2, 0, &held));
    assert_false(admit(&spacing, 1, 1, &held));
    assert_false(admit(&spacing, 2, 1, &held));
}

static void what_was_quiet_for_long_begins_anew(void **state)
{
    struct log_spacing spacing = {.entries = {{0}}};
    uint64_t held;
    int64_t later_ms = LOG_SPACING_FIRST_MS + LOG_SPACING_FORGET_MS;

    (void)state;
    assert_true(admit(&spacing, 1, 0, &held));
    assert_true(admit(&spacing, 1, later_ms + 1, &held));
    assert_false(admit(&spacing, 1, later_ms + LOG_SPACING_FIRST_MS, &held)); /* the first interval, not the second */
    assert_true(admit(&spacing, 1, later_ms + LOG_SPACING_FIRST_MS + 1, &held));
    assert_int_equal(held, 1);
}

static void what_is_held_back_is_told_when_its_interval_ends_though_nothing_more_comes(void **state)
{
    struct log_spacing spacing = {.entries = {{0}}};
    struct log_spacing_due due;
    uint64_t held;

    (void)state;
    assert_true(log_spacing_due_ms(&spacing) == INT64_MAX);
    assert_true(admit(&spacing, 1, 0, &held));
    assert_false(log_spacing_next(&spacing, 5000, true, &due));
    assert_false(admit(&spacing, 1, 10, &held));
    assert_false(admit(&spacing, 1, 20, &held));
    assert_int_equal(log_spacing_due_ms(&spacing), 1000);
    assert_false(log_spacing_next(&spacing, 999, false, &due));
    assert_true(log_spacing_next(&spacing, 1000, false, &due));
    assert_string_equal(due.what, "it happens");
    assert_int_equal(due.held, 2);
    assert_int_equal(due.level, 1);
    assert_false(log_spacing_next(&spacing, 1000, false, &due));
    assert_false(admit(&spacing, 1, 2999, &held)); /* the interval has doubled */
    assert_false(log_spacing_next(&spacing, 2999, false, &due));
    assert_true(log_spacing_next(&spacing, 2999, true, &due)); /* the program ends */
    assert_int_equal(due.held, 1);
}

static void a_full_table_holds_nothing_back_and_forgets_in_time(void **state)
{
    struct log_spacing spacing = {.entries = {{0}}};
    uint64_t held;

    (void)state;
    for (uint64_t key = 1; key <= LOG_SPACING_PLACES; key++)
        assert_true(admit(&spacing, key, 0, &held));
    assert_true(admit(&spacing, 1000, 1, &held));
    assert_true(admit(&spacing, 1000, 2, &held)); /* there is no place to remember it */
    assert_false(admit(&spacing, 1, 3, &held));
    assert_true(admit(&spacing, 1000, LOG_SPACING_FIRST_MS + LOG_SPACING_FORGET_MS + 10, &held));
    assert_false(admit(&spacing, 1000, LOG_SPACING_FIRST_MS + LOG_SPACING_FORGET_MS + 11, &held));
}

static void none_is_lost_in_any_order(void **state)
{
    struct log_spacing spacing = {.entries = {{0}}};
    uint64_t met = 0, told = 0, held;
    struct log_spacing_due due;
    int64_t now_ms = 0;

    (void)state;
    srand(7);
    for (int i = 0; i < 200000; i++) {
        now_ms += rand() % 2000;
        met++;
        if (admit(&spacing, (uint64_t)(rand() % 100), now_ms, &held))
            told += 1 + held;
        while (rand() % 3 == 0 && log_spacing_next(&spacing, now_ms, false, &due))
            told += due.held;
    }
    while (log_spacing_next(&spacing, now_ms, true, &due))
        told += due.held;
    assert_int_equal(told, met);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_comes_again_and_again_is_written_at_growing_intervals),
        cmocka_unit_test(two_texts_do_not_hold_each_other_back),
        cmocka_unit_test(what_was_quiet_for_long_begins_anew),
        cmocka_unit_test(what_is_held_back_is_told_when_its_interval_ends_though_nothing_more_comes),
        cmocka_unit_test(a_full_table_holds_nothing_back_and_forgets_in_time),
        cmocka_unit_test(none_is_lost_in_any_order),
    };

    return cmocka_run_group_tests_name("log_spacing", tests, NULL, NULL);
}
