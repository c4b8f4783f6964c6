/* The store against a real Redis. A worker's steps: taking messages, and giving each an end, once. */
#include "tests/lib/store_fixture.h"

#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"

/* --- taking --- */

static void test_due_ones_come_first_then_high_normal_and_low_each_in_order(void **state)
{
    struct store *store = ((struct fixture *)*state)->store;

    (void)enqueue(store, NULL, PRIORITY_LOW, 0, "l1 l2");
    (void)enqueue(store, NULL, PRIORITY_NORMAL, 0, "n1 n2");
    (void)enqueue(store, NULL, PRIORITY_HIGH, 0, "h1 h2");
    add_delayed(*state, 2000, "d2");
    add_delayed(*state, 1000, "d1");
    add_delayed(*state, clock_wall_ms() + 60000, "d3");
    assert_string_equal(reserve(store, "w1", 0, 3), "d1 d2 h1");
    assert_string_equal(reserve(store, "w2", 0, 4), "h2 n1 n2 l1");
    assert_string_equal(reserve(store, "w1", 3, 9), "l2");
    assert_string_equal(reserve(store, "w1", 12, 9), "");
}

static void test_a_plain_LPUSH_by_any_client_is_taken_and_counted_as_accepted_when_it_is_settled(void **state)
{
    struct fixture *fixture = *state;
    struct store_settle item = item_of("t1", "b");

    call(fixture, "LPUSH", KEY ":ready", "a");
    call(fixture, "LPUSH", KEY ":ready", "b");
    assert_string_equal(reserve(fixture->store, "w1", 0, 2), "a b");
    item.is_new = true;
    item.campaign = "spring";
    assert_int_equal(settle_item(fixture->store, STORE_SENT, "w1", &item), 0);
    assert_int_equal(counted(fixture, "accepted"), 1);
    item = item_of("t0", "a");
    item.is_new = true;
    assert_int_equal(settle_item(fixture->store, STORE_BURY, "w1", &item), 0);
    assert_sum(fixture, 2);
    assert_int_equal(ask(fixture, "HGET", KEY ":campaign:spring", "accepted"), 1);
    assert_int_equal(ask(fixture, "HGET", KEY ":campaign:spring", "sent"), 1);
}

static void test_the_window_grants_its_limit_and_says_when_there_is_more(void **state)
{
    struct store *store = ((struct fixture *)*state)->store;
    const struct rate rate = {3, 400};
    struct taken *taken;
    int64_t start_ms = clock_mono_ms();

    (void)enqueue(store, NULL, PRIORITY_NORMAL, 0, "a b c d e");
    taken = reserve_within(store, "w1", 0, 2, rate);
    assert_string_equal(taken->texts, "a b");
    taken = reserve_within(store, "w2", 0, 2, rate);
    assert_string_equal(taken->texts, "c");
    taken = reserve_within(store, "w1", 2, 2, rate);
    assert_int_equal(taken->seen.count, 0);
    assert_in_range(taken->seen.window_ms, 1, 412);
    /* Grants may be used for 10 ms and count from then on, so the window is full for 410 ms and not a moment less. */
    for (int64_t first = 4;; first += 2) {
        taken = reserve_within(store, "w1", first, 2, rate);
        if (taken->seen.count > 0)
            break;
        (void)usleep(1000);
    }
    assert_true(clock_mono_ms() - start_ms >= 409);
    assert_string_equal(taken->texts, "d e");
}

/* Each sender has a margin of its own: one with a narrow one must not take the grants of one with a wide one for
 * leftovers. */
static void test_a_window_is_full_whatever_the_margins_of_those_who_share_it(void **state)
{
    struct store *store = ((struct fixture *)*state)->store;
    const struct rate rate = {2, 1000};
    struct taken wide, narrow;

    (void)enqueue(store, NULL, PRIORITY_NORMAL, 0, "a b c d");
    start_reserve(store, "w1", 0, 2, rate, 10000, &wide);
    start_reserve(store, "w2", 0, 2, rate, 5, &narrow);
    drain(store);
    assert_string_equal(wide.texts, "a b");
    assert_int_equal(narrow.rc, 0);
    assert_int_equal(narrow.seen.count, 0);
}

static void test_a_grant_that_was_not_used_can_be_given_back(void **state)
{
    struct store *store = ((struct fixture *)*state)->store;
    const struct rate rate = {2, 60000};
    struct store_settle item = item_of("t0", "a");

    (void)enqueue(store, NULL, PRIORITY_NORMAL, 0, "a b c");
    assert_string_equal(reserve_within(store, "w1", 0, 5, rate)->texts, "a b");
    item.give_back = true;
    assert_int_equal(settle_item(store, STORE_RELEASE, "w1", &item), 0);
    assert_string_equal(reserve_within(store, "w1", 5, 5, rate)->texts, "a");
    item = item_of("t1", "b");
    assert_int_equal(settle_item(store, STORE_RELEASE, "w1", &item), 0); /* this one was used */
    assert_int_equal(reserve_within(store, "w1", 10, 5, rate)->seen.count, 0);
    item = item_of("t5", "a");
    item.give_back = true;
    item.delay_ms = 100000;
    assert_int_equal(settle_item(store, STORE_DEFER, "w1", &item), 0);
    assert_string_equal(reserve_within(store, "w1", 15, 5, rate)->texts, "b");
    item = item_of("t15", "b");
    item.give_back = true;
    assert_int_equal(settle_item(store, STORE_BURY, "w1", &item), 0);
    assert_string_equal(reserve_within(store, "w1", 20, 5, rate)->texts, "c");
    assert_sum(*state, 3);
}

static void test_a_paused_org_hands_out_nothing_and_the_longer_pause_counts(void **state)
{
    struct store *store = ((struct fixture *)*state)->store;
    struct store_status *status;
    struct taken *taken;

    (void)enqueue(store, NULL, PRIORITY_NORMAL, 0, "a");
    store_hold(store, 60000, "a long one");
    store_hold(store, 10, "a short one");
    drain(store);
    taken = reserve_within(store, "w1", 0, 1, UNLIMITED);
    assert_int_equal(taken->seen.count, 0);
    assert_in_range(taken->seen.hold_ms, 50000, 60000);
    status = read_status(*state);
    assert_string_equal(status->hold_reason, "a long one");
    free(status);
    call((struct fixture *)*state, "DEL", KEY ":hold");
    assert_string_equal(reserve(store, "w1", 1, 1), "a");
}

static void test_a_pause_ends_by_itself(void **state)
{
    struct store *store = ((struct fixture *)*state)->store;
    int64_t start_ms = clock_mono_ms();

    (void)enqueue(store, NULL, PRIORITY_NORMAL, 0, "a");
    store_hold(store, 100, "short");
    for (int64_t first = 0; reserve_within(store, "w1", first, 1, UNLIMITED)->seen.count == 0; first++)
        (void)usleep(2000);
    assert_true(clock_mono_ms() - start_ms >= 99);
}

/* --- giving each message an end, once --- */

static void test_each_settling_happens_once_however_often_it_is_asked_for(void **state)
{
    static const char *const ends[] = {
        [STORE_SENT] = "sent", [STORE_DEFER] = "retries", [STORE_BURY] = "dead", [STORE_RELEASE] = "returned"};
    struct fixture *fixture = *state;
    char before[64], after[64];

    for (int move = 0; move < STORE_MOVE_COUNT; move++) {
        struct store_settle item = item_of("t0", "a");

        (void)open_fixture_again(fixture);
        (void)enqueue(fixture->store, "spring", PRIORITY_NORMAL, 0, "a b");
        assert_string_equal(reserve_within(fixture->store, "w1", 0, 2, (struct rate){100, 60000})->texts, "a b");
        item.campaign = "spring";
        item.delay_ms = 50000;
        item.give_back = true;
        assert_int_equal(settle_item(fixture->store, (enum store_move)move, "w1", &item), 0);
        assert_int_equal(counted(fixture, ends[move]), 1);
        assert_sum(fixture, 2);
        snapshot(fixture, before);
        for (int again = 0; again < 3; again++)
            assert_int_equal(settle_item(fixture->store, (enum store_move)move, "w1", &item), 0);
        snapshot(fixture, after);
        assert_string_equal(before, after);
    }
}

static void test_settling_a_ticket_that_is_gone_moves_nothing(void **state)
{
    struct fixture *fixture = *state;
    char before[64], after[64];

    (void)enqueue(fixture->store, NULL, PRIORITY_NORMAL, 0, "a");
    (void)reserve(fixture->store, "w1", 0, 1);
    snapshot(fixture, before);
    assert_int_equal(settle(fixture->store, STORE_DEFER, "w1", "t7", "a"), 0);
    assert_int_equal(settle(fixture->store, STORE_BURY, "w2", "t0", "a"), 0);
    assert_int_equal(settle(fixture->store, STORE_RELEASE, "w1", "t8", "a"), 0);
    snapshot(fixture, after);
    assert_string_equal(before, after);
}

static void test_a_late_answer_to_a_message_that_was_taken_away_is_recorded_and_counted_as_late_once(void **state)
{
    struct fixture *fixture = *state;

    (void)enqueue(fixture->store, NULL, PRIORITY_NORMAL, 0, "a");
    (void)reserve(fixture->store, "w1", 0, 1);
    assert_int_equal(settle(fixture->store, STORE_RELEASE, "w1", "t0", "a"), 0);
    for (int again = 0; again < 3; again++)
        assert_int_equal(settle(fixture->store, STORE_SENT, "w1", "t0", "a"), 0);
    assert_int_equal(counted(fixture, "late"), 1);
    assert_int_equal(counted(fixture, "sent"), 0);
    assert_int_equal(ask(fixture, "HEXISTS", KEY ":message:a", "provider_id"), 1);
    assert_sum(fixture, 1);
}

static void test_messages_given_back_stand_at_the_front_of_their_lists_in_the_order_they_were_taken(void **state)
{
    struct store *store = ((struct fixture *)*state)->store;
    struct store_settle items[4];
    static const char *const tickets[] = {"t0", "t1", "t2", "t3"};
    int rc = 1;

    (void)enqueue(store, NULL, PRIORITY_NORMAL, 0, "n1 n2 n3");
    (void)enqueue(store, NULL, PRIORITY_HIGH, 0, "h1");
    (void)enqueue(store, NULL, PRIORITY_LOW, 0, "l1");
    assert_string_equal(reserve(store, "w1", 0, 4), "h1 n1 n2 n3");
    (void)enqueue(store, NULL, PRIORITY_NORMAL, 0, "n4");
    for (size_t i = 0; i < COUNT_OF(items); i++)
        items[i] = item_of(tickets[i], "");
    store_settle(store, STORE_RELEASE, "w1", items, COUNT_OF(items), on_settled, &rc);
    drain(store);
    assert_int_equal(rc, 0);
    assert_string_equal(reserve(store, "w2", 0, 9), "h1 n1 n2 n3 l1 n4"); /* each its share, then what is left */
    assert_sum(*state, 6);
}

static void test_two_like_messages_are_both_kept_when_each_is_put_off_under_its_own_ticket(void **state)
{
    struct fixture *fixture = *state;
    struct store_settle one = item_of("t0", "same t0"), two = item_of("t1", "same t1");

    call(fixture, "LPUSH", KEY ":ready", "same");
    call(fixture, "LPUSH", KEY ":ready", "same");
    assert_string_equal(reserve(fixture->store, "w1", 0, 2), "same same");
    one.is_new = two.is_new = true;
    one.delay_ms = two.delay_ms = 1000;
    assert_int_equal(settle_item(fixture->store, STORE_DEFER, "w1", &one), 0);
    assert_int_equal(settle_item(fixture->store, STORE_DEFER, "w1", &two), 0);
    assert_int_equal(ask(fixture, "ZCARD", KEY ":delayed"), 2);
    assert_sum(fixture, 2);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_due_ones_come_first_then_high_normal_and_low_each_in_order),
        TEST(test_a_plain_LPUSH_by_any_client_is_taken_and_counted_as_accepted_when_it_is_settled),
        TEST(test_the_window_grants_its_limit_and_says_when_there_is_more),
        TEST(test_a_window_is_full_whatever_the_margins_of_those_who_share_it),
        TEST(test_a_grant_that_was_not_used_can_be_given_back),
        TEST(test_a_paused_org_hands_out_nothing_and_the_longer_pause_counts),
        TEST(test_a_pause_ends_by_itself),
        TEST(test_each_settling_happens_once_however_often_it_is_asked_for),
        TEST(test_settling_a_ticket_that_is_gone_moves_nothing),
        TEST(test_a_late_answer_to_a_message_that_was_taken_away_is_recorded_and_counted_as_late_once),
        TEST(test_messages_given_back_stand_at_the_front_of_their_lists_in_the_order_they_were_taken),
        TEST(test_two_like_messages_are_both_kept_when_each_is_put_off_under_its_own_ticket),
    };

    return run_store_tests("store_flight", tests, COUNT_OF(tests));
}
