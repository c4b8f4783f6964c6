/* The store against a real Redis. Putting messages in. */
#include "tests/lib/store_fixture.h"

#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"

/* --- putting messages in --- */

static void test_a_key_is_accepted_once_within_a_campaign_and_once_outside(void **state)
{
    struct store *store = ((struct fixture *)*state)->store;

    assert_string_equal(enqueue(store, "spring", PRIORITY_NORMAL, 0, "a b a c"), "1101");
    assert_string_equal(enqueue(store, "spring", PRIORITY_NORMAL, 0, "c d"), "01");
    assert_string_equal(enqueue(store, "summer", PRIORITY_NORMAL, 0, "a"), "1");
    assert_string_equal(enqueue(store, NULL, PRIORITY_NORMAL, 0, "a a"), "10");
    assert_int_equal(counted(*state, "duplicates"), 3);
    assert_sum(*state, 6);
}

static void test_a_campaign_counts_for_itself(void **state)
{
    struct store *store = ((struct fixture *)*state)->store;
    struct store_counter counters[STORE_COUNTERS_MAX];
    struct reason why;
    size_t count = 0;

    (void)enqueue(store, "spring", PRIORITY_NORMAL, 0, "a b c");
    (void)enqueue(store, NULL, PRIORITY_NORMAL, 0, "d");
    assert_int_equal(store_read_campaign(store, "spring", counters, &count, PATIENCE_MS, &why), 0);
    assert_int_equal(store_counter(counters, count, "accepted"), 3);
    assert_int_equal(store_read_campaign(store, "autumn", counters, &count, PATIENCE_MS, &why), 0);
    assert_int_equal(count, 0);
}

static void test_a_key_outside_campaigns_is_remembered_for_its_time_and_not_for_ever(void **state)
{
    struct fixture *fixture = *state;
    int64_t start_ms = clock_mono_ms(), until_ms;

    store_set_limits(fixture->store, &(struct store_limits){60000, 900, 60000, 1000, false, 60000});
    assert_string_equal(enqueue(fixture->store, NULL, PRIORITY_NORMAL, 0, "a"), "1");
    for (;;) { /* seen again for as long as was promised */
        const char *answers = enqueue(fixture->store, NULL, PRIORITY_NORMAL, 0, "a");

        until_ms = clock_mono_ms() - start_ms;
        if (answers[0] == '1')
            break;
        assert_true(until_ms < 10000);
        (void)usleep(5000);
    }
    assert_true(until_ms >= 900);
    assert_true(ask(fixture, "EVAL",
                    "for _, name in ipairs(redis.call('KEYS', '*seen*')) do if redis.call('PTTL', name) < 0 then "
                    "return 0 end end return 1",
                    "0") == 1);
}

static void test_the_batch_goes_to_the_list_of_its_priority_or_waits_until_it_is_due(void **state)
{
    struct fixture *fixture = *state;
    struct store_status *status;

    (void)enqueue(fixture->store, NULL, PRIORITY_HIGH, 0, "h1 h2");
    (void)enqueue(fixture->store, NULL, PRIORITY_LOW, 1, "l1"); /* due long ago */
    (void)enqueue(fixture->store, NULL, PRIORITY_NORMAL, clock_wall_ms() + 100000, "d1");
    status = read_status(fixture);
    assert_int_equal(status->ready[PRIORITY_HIGH], 2);
    assert_int_equal(status->ready[PRIORITY_LOW], 1);
    assert_int_equal(status->delayed, 1);
    assert_in_range(status->due_in_ms, 90000, 100000);
    free(status);
    assert_sum(fixture, 4);
}

static void test_whoever_has_opted_out_is_not_enqueued_and_his_key_is_not_remembered(void **state)
{
    struct fixture *fixture = *state;
    struct store_message messages[] = {
        {.priority = PRIORITY_NORMAL, .envelope = span_of("a"), .person = span_of("open:ann")},
        {.priority = PRIORITY_NORMAL, .envelope = span_of("b"), .person = span_of("open:bob")},
        {.priority = PRIORITY_NORMAL, .envelope = span_of("c")},
    };
    struct enqueued result = {.rc = 1};

    for (size_t i = 0; i < COUNT_OF(messages); i++)
        store_key_of("spring", messages[i].envelope, messages[i].key);
    call(fixture, "SADD", KEY ":suppressed", "open:ann");
    store_enqueue(fixture->store, "spring", messages, COUNT_OF(messages), on_enqueued, &result);
    drain(fixture->store);
    assert_string_equal(result.answers, "s11");
    assert_sum(fixture, 2);
    assert_int_equal(counted(fixture, "duplicates"), 0);
    call(fixture, "SREM", KEY ":suppressed", "open:ann");
    store_enqueue(fixture->store, "spring", messages, COUNT_OF(messages), on_enqueued, &result);
    drain(fixture->store);
    assert_string_equal(result.answers, "100");
    assert_sum(fixture, 3);
    assert_int_equal(counted(fixture, "duplicates"), 2);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_a_key_is_accepted_once_within_a_campaign_and_once_outside),
        TEST(test_a_campaign_counts_for_itself),
        TEST(test_a_key_outside_campaigns_is_remembered_for_its_time_and_not_for_ever),
        TEST(test_the_batch_goes_to_the_list_of_its_priority_or_waits_until_it_is_due),
        TEST(test_whoever_has_opted_out_is_not_enqueued_and_his_key_is_not_remembered),
    };

    return run_store_tests("store_enqueue", tests, COUNT_OF(tests));
}
