/* The store against a real Redis. Putting messages in. */
#include "tests/lib/store_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

/* One of each kind, and what has NUL and bytes above 127 in it: lengths decide where an envelope ends, not what is in
 * it. */
static void test_a_batch_of_every_kind_comes_apart_as_it_was_put_together(void **state)
{
    struct fixture *fixture = *state;
    const char binary[] = "b\0\xff\n";
    const int64_t later_ms = clock_wall_ms() + 100000;
    const struct store_message messages[] = {
        {{1}, PRIORITY_NORMAL, 0, span_of("n1"), span_of("sms:+1")},
        {{2}, PRIORITY_HIGH, 0, span_of("h1"), span_of("")},
        {{1}, PRIORITY_LOW, 0, span_of("n1 again"), span_of("sms:+1")},
        {{3}, PRIORITY_LOW, 1, span_of("l1"), span_of("sms:+3")},
        {{0}, PRIORITY_NORMAL, 0, {binary, sizeof(binary)}, {NULL, 0}},
        {{4}, PRIORITY_NORMAL, later_ms, span_of("d1"), span_of("sms:+4")},
        {{5}, PRIORITY_NORMAL, 0, span_of("out"), span_of("sms:+5")},
    };
    struct enqueued result = {.rc = 1};
    struct redis_reply *reply;
    size_t len = 0;

    call(fixture, "SADD", KEY ":suppressed", "sms:+5");
    store_enqueue(fixture->store, NULL, messages, COUNT_OF(messages), on_enqueued, &result);
    drain(fixture->store);
    assert_string_equal(result.answers, "110111s");
    store_enqueue(fixture->store, NULL, messages, COUNT_OF(messages), on_enqueued, &result);
    drain(fixture->store);
    assert_string_equal(result.answers, "000000s");
    assert_int_equal(ask(fixture, "LLEN", KEY ":ready"), 2);
    assert_int_equal(ask(fixture, "LLEN", KEY ":ready:high"), 1);
    assert_int_equal(ask(fixture, "LLEN", KEY ":ready:low"), 1);
    assert_int_equal(ask(fixture, "ZSCORE", KEY ":delayed", "d1"), later_ms);
    reply = redis_server_call(fixture->server, "LINDEX", KEY ":ready", "0", NULL);
    assert_non_null(redis_reply_text(reply, &len));
    assert_int_equal(len, sizeof(binary));
    assert_memory_equal(redis_reply_text(reply, &len), binary, sizeof(binary));
    redis_reply_free(reply);
    assert_int_equal(counted(fixture, "duplicates"), 1 + 6);
    assert_sum(fixture, 5);
}

/* All of one kind and new but for one: the short way in and the long one have to agree. */
static void test_a_long_batch_with_one_twin_in_it_is_enqueued_but_for_that(void **state)
{
    struct fixture *fixture = *state;
    struct store_message messages[200];
    char texts[200][8];
    struct enqueued result = {.rc = 1};

    for (size_t i = 0; i < COUNT_OF(messages); i++) {
        (void)snprintf(texts[i], sizeof(texts[i]), "%zu", i == 199 ? 7 : i);
        messages[i] = (struct store_message){.priority = PRIORITY_NORMAL, .envelope = span_of(texts[i])};
        store_key_of("spring", messages[i].envelope, messages[i].key);
    }
    store_enqueue(fixture->store, "spring", messages, 199, on_enqueued, &result);
    drain(fixture->store);
    assert_null(strchr(result.answers, '0'));
    assert_string_equal(reserve(fixture->store, "w1", 0, 3), "0 1 2"); /* first in, first out */
    assert_sum(fixture, 199);
    (void)open_fixture_again(fixture);
    store_enqueue(fixture->store, "spring", messages, 200, on_enqueued, &result);
    drain(fixture->store);
    assert_int_equal(strlen(result.answers), 200);
    assert_ptr_equal(strchr(result.answers, '0'), result.answers + 199);
    assert_string_equal(reserve(fixture->store, "w1", 0, 3), "0 1 2");
    assert_sum(fixture, 199);
    assert_int_equal(counted(fixture, "duplicates"), 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_a_key_is_accepted_once_within_a_campaign_and_once_outside),
        TEST(test_a_campaign_counts_for_itself),
        TEST(test_a_key_outside_campaigns_is_remembered_for_its_time_and_not_for_ever),
        TEST(test_the_batch_goes_to_the_list_of_its_priority_or_waits_until_it_is_due),
        TEST(test_whoever_has_opted_out_is_not_enqueued_and_his_key_is_not_remembered),
        TEST(test_a_batch_of_every_kind_comes_apart_as_it_was_put_together),
        TEST(test_a_long_batch_with_one_twin_in_it_is_enqueued_but_for_that),
    };

    return run_store_tests("store_enqueue", tests, COUNT_OF(tests));
}
