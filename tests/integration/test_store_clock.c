/* The store against a real Redis. A clock of Redis that somebody sets. */
#include "tests/lib/store_fixture.h"

#include <stdio.h>

#include "common/clock.h"

/* --- a clock that is set --- */

#define HOUR_MS INT64_C(3600000)
#define YEAR_MS (365 * 24 * HOUR_MS)

/* From here on it is as if Redis' clock had been set so much forwards (or back) since the last tick. */
static void set_clock(struct fixture *fixture, int64_t by_ms)
{
    command_number(fixture, KEY ":clock", "wall", -by_ms);
}

static const int64_t jumps[] = {HOUR_MS, -HOUR_MS, YEAR_MS, -YEAR_MS, -HOUR_MS, HOUR_MS, 10000, -10000};

static void test_however_the_clock_jumps_the_window_stays_full(void **state)
{
    struct fixture *fixture = *state;
    const struct rate rate = {2, 60000};
    struct taken *taken;

    (void)enqueue(fixture->store, NULL, PRIORITY_NORMAL, 0, "a b c d");
    assert_int_equal(reserve_within(fixture->store, "w1", 0, 1, rate)->seen.count, 1);
    for (size_t i = 0; i < COUNT_OF(jumps); i++) {
        set_clock(fixture, jumps[i]);
        taken = reserve_within(fixture->store, "w1", 10 + 10 * (int64_t)i, 4, rate);
        assert_false(taken->seen.has_no_lease);
        assert_int_equal(taken->seen.count, i == 0); /* the second grant; and then no more, and not for long */
        if (i > 0)
            assert_in_range(taken->seen.window_ms, 50000, 60100);
    }
    assert_true(ask(fixture, "PTTL", KEY ":window") > YEAR_MS); /* Redis itself does not forget it either */
}

static void test_however_the_clock_jumps_a_pause_lasts_as_long_as_was_said(void **state)
{
    struct fixture *fixture = *state;

    for (size_t i = 0; i < COUNT_OF(jumps); i++) {
        call(fixture, "DEL", KEY ":hold");
        store_hold(fixture->store, 60000, "429");
        drain(fixture->store);
        set_clock(fixture, jumps[i]);
        assert_in_range(reserve_within(fixture->store, "w1", 10 * (int64_t)i, 1, UNLIMITED)->seen.hold_ms, 50000,
                        61000);
    }
}

static void on_reaped(void *context, int64_t taken)
{
    int64_t *answer = context;

    *answer = taken;
}

static int64_t reap(struct fixture *fixture, int64_t lease_ms)
{
    int64_t taken = -1;

    store_reap(fixture->store, lease_ms, on_reaped, &taken);
    drain(fixture->store);
    return taken;
}

static void test_however_the_clock_jumps_nobody_alive_is_reaped_and_the_dead_are(void **state)
{
    struct fixture *fixture = *state;

    (void)enqueue(fixture->store, NULL, PRIORITY_NORMAL, 0, "a b");
    assert_string_equal(reserve(fixture->store, "w1", 0, 1), "a");
    for (size_t i = 0; i < COUNT_OF(jumps); i++) {
        set_clock(fixture, jumps[i]);
        call(fixture, "DEL", KEY ":calm");
        assert_int_equal(reap(fixture, 60000), 0);
        set_clock(fixture, jumps[i]);
        beat(fixture->store, "w2", 60000, "");
        drain(fixture->store);
    }
    assert_int_equal(ask(fixture, "ZCARD", KEY ":workers"), 3);
    call(fixture, "DEL", KEY ":calm");
    beat(fixture->store, "w1", -1, ""); /* its lease is over */
    drain(fixture->store);
    call(fixture, "DEL", KEY ":calm");
    assert_int_equal(reap(fixture, 60000), 1);
}

static void test_what_was_put_off_by_a_clock_that_was_ahead_comes_forward_in_bounded_steps(void **state)
{
    enum { STRAYS = 1200 };
    struct fixture *fixture = *state;
    int64_t wall_ms = clock_wall_ms();
    char before[24], text[24];

    (void)snprintf(before, sizeof(before), "%lld", (long long)(wall_ms + HOUR_MS / 2));
    set_clock(fixture, -YEAR_MS);
    for (int i = 0; i < STRAYS; i++) { /* many at the same instant */
        (void)snprintf(text, sizeof(text), "m%d", i);
        add_delayed(fixture, wall_ms + YEAR_MS + 10000 + i / 700, text);
    }
    add_delayed(fixture, wall_ms + 2 * YEAR_MS, "far"); /* no clock that was a year ahead put it there */
    for (int tick = 1; tick <= 4; tick++) {
        assert_int_equal(reserve_within(fixture->store, "w1", tick, 1, UNLIMITED)->seen.count, 0);
        assert_int_equal(ask(fixture, "ZCOUNT", KEY ":delayed", "0", before),
                         tick * 500 < STRAYS ? tick * 500 : STRAYS);
    }
    assert_int_equal(ask(fixture, "HEXISTS", KEY ":clock", "stray_by"), 0);
}

static void test_however_the_clock_jumps_a_key_outside_campaigns_is_remembered(void **state)
{
    struct fixture *fixture = *state;

    assert_string_equal(enqueue(fixture->store, NULL, PRIORITY_NORMAL, 0, "a"), "1");
    for (size_t i = 0; i < COUNT_OF(jumps); i++) {
        char text[8];

        (void)snprintf(text, sizeof(text), "b%zu", i);
        set_clock(fixture, jumps[i]);
        (void)reserve_within(fixture->store, "w1", 10 * (int64_t)i, 1, UNLIMITED); /* a worker runs */
        assert_string_equal(enqueue(fixture->store, NULL, PRIORITY_NORMAL, 0, "a"), "0");
        assert_string_equal(enqueue(fixture->store, NULL, PRIORITY_NORMAL, 0, text), "1");
    }
    assert_string_equal(enqueue(fixture->store, NULL, PRIORITY_NORMAL, 0, "b0 b1 b2 b3 b4 b5 b6 b7"), "00000000");
}

static void test_a_worker_that_does_not_know_better_believes_the_clock_forwards_and_never_goes_back(void **state)
{
    struct fixture *fixture = *state;
    const struct rate rate = {1, 60000};
    struct store *newcomer;

    (void)enqueue(fixture->store, NULL, PRIORITY_NORMAL, 0, "a b");
    assert_int_equal(reserve_within(fixture->store, "w1", 0, 1, rate)->seen.count, 1);
    newcomer = open_store(redis_server_url(fixture->server));
    set_clock(fixture, -HOUR_MS);
    assert_int_equal(reserve_within(newcomer, "w2", 0, 1, rate)->seen.count, 0);
    store_close(newcomer);
    newcomer = open_store(redis_server_url(fixture->server)); /* all were away for an hour: the leases are over */
    set_clock(fixture, HOUR_MS);
    assert_true(reserve_within(newcomer, "w2", 1, 1, rate)->seen.has_no_lease);
    store_close(newcomer);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_however_the_clock_jumps_the_window_stays_full),
        TEST(test_however_the_clock_jumps_a_pause_lasts_as_long_as_was_said),
        TEST(test_however_the_clock_jumps_nobody_alive_is_reaped_and_the_dead_are),
        TEST(test_what_was_put_off_by_a_clock_that_was_ahead_comes_forward_in_bounded_steps),
        TEST(test_however_the_clock_jumps_a_key_outside_campaigns_is_remembered),
        TEST(test_a_worker_that_does_not_know_better_believes_the_clock_forwards_and_never_goes_back),
    };

    return run_store_tests("store_clock", tests, COUNT_OF(tests));
}
