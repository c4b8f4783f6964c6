/* The store against a real Redis. Workers that leave, the status, and waiting for work. */
#include "tests/lib/store_fixture.h"

#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"

/* --- workers and waiting --- */

static void test_a_worker_that_holds_messages_does_not_leave_and_an_empty_one_does(void **state)
{
    struct fixture *fixture = *state;

    (void)enqueue(fixture->store, NULL, PRIORITY_NORMAL, 0, "a");
    (void)reserve(fixture->store, "w1", 0, 1);
    store_leave(fixture->store, "w1");
    store_leave(fixture->store, "w2");
    drain(fixture->store);
    assert_true(ask(fixture, "ZSCORE", KEY ":workers", "w1") > 0);
    assert_int_equal(ask(fixture, "ZSCORE", KEY ":workers", "w2"), -1);
    assert_int_equal(ask(fixture, "EXISTS", KEY ":worker:w2"), 0);
    assert_sum(fixture, 1);
}

static void test_the_status_shows_a_workers_lease_beat_and_note(void **state)
{
    struct fixture *fixture = *state;
    struct store_status *status;

    beat(fixture->store, "w2", 5000, "circuit breaker open");
    drain(fixture->store);
    status = read_status(fixture);
    assert_int_equal(status->worker_total, 3);
    assert_string_equal(status->workers[0].id, "w2"); /* by the end of the lease */
    assert_string_equal(status->workers[0].note, "circuit breaker open");
    assert_in_range(status->workers[0].lease_left_ms, 1, 5000);
    assert_in_range(status->workers[0].beat_age_ms, 0, 5000);
    free(status);
}

static void note_call(void *context)
{
    int *calls = context;

    ++*calls;
}

static void pump_until(struct store *store, const int *calls, int64_t patience_ms)
{
    for (int64_t end = clock_mono_ms() + patience_ms; *calls == 0 && clock_mono_ms() < end;) {
        assert_int_equal(store_pump(store, NULL), 0);
        (void)usleep(200);
    }
}

static void test_a_watch_wakes_on_a_plain_LPUSH_to_its_list_and_leaves_the_message_there(void **state)
{
    static const char *const lists[] = {KEY ":ready:high", KEY ":ready", KEY ":ready:low"};
    struct fixture *fixture = *state;

    for (int i = 0; i < PRIORITY_COUNT; i++) {
        int calls = 0;

        store_watch(fixture->store, (enum priority)i, 30000, note_call, &calls);
        pump_until(fixture->store, &calls, 50);
        assert_int_equal(calls, 0);
        call(fixture, "LPUSH", lists[i], "a");
        call(fixture, "LPUSH", lists[i], "b");
        pump_until(fixture->store, &calls, 10000);
        assert_int_equal(calls, 1);
        assert_int_equal(ask(fixture, "LLEN", lists[i]), 2);
        assert_string_equal(reserve(fixture->store, "w1", 10 * i, 9), "a b");
    }
}

static void test_a_watch_ends_when_its_time_is_over_or_the_connection_breaks(void **state)
{
    struct fixture *fixture = *state;
    int calls = 0;

    store_watch(fixture->store, PRIORITY_NORMAL, 50, note_call, &calls);
    pump_until(fixture->store, &calls, 10000);
    assert_int_equal(calls, 1);
    calls = 0;
    store_watch(fixture->store, PRIORITY_NORMAL, 60000, note_call, &calls);
    pump_until(fixture->store, &calls, 50);
    call(fixture, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    for (int64_t end = clock_mono_ms() + 10000; calls == 0 && clock_mono_ms() < end;)
        (void)store_pump(fixture->store, NULL);
    assert_int_equal(calls, 1);
    drain(fixture->store);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_a_worker_that_holds_messages_does_not_leave_and_an_empty_one_does),
        TEST(test_the_status_shows_a_workers_lease_beat_and_note),
        TEST(test_a_watch_wakes_on_a_plain_LPUSH_to_its_list_and_leaves_the_message_there),
        TEST(test_a_watch_ends_when_its_time_is_over_or_the_connection_breaks),
    };

    return run_store_tests("store_org", tests, COUNT_OF(tests));
}
