/* Whether a loop still turns. */
#include "common/pulse.h"

#include "tests/unit/unit.h"

static void a_loop_that_has_not_turned_for_long_is_still(void **state)
{
    struct pulse pulse = {0};

    (void)state;
    assert_false(pulse_is_still(&pulse, INT64_C(1) << 40)); /* it does not run */
    pulse_beat(&pulse, 1000);
    assert_false(pulse_is_still(&pulse, 1000));
    assert_false(pulse_is_still(&pulse, 1000 + PULSE_STILL_MS));
    assert_true(pulse_is_still(&pulse, 1001 + PULSE_STILL_MS));
    pulse_beat(&pulse, 2000);
    assert_false(pulse_is_still(&pulse, 1001 + PULSE_STILL_MS));
    pulse_end(&pulse);
    assert_false(pulse_is_still(&pulse, INT64_C(1) << 40)); /* it has ended, and nobody waits for it */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loop_that_has_not_turned_for_long_is_still),
    };

    return cmocka_run_group_tests_name("pulse", tests, NULL, NULL);
}
