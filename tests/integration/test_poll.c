/* Which statuses are asked for, against a real Redis: how a message gets there and leaves, and grants out of the same
 * window as the messages'. */
#include "common/store_poll.h"

#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "tests/lib/fixture.h"

#define HOUR_MS INT64_C(3600000)

static int open_fixture(void **state)
{
    struct fixture *fixture = *state;

    (void)open_empty(state);
    store_set_poll_times(fixture->store, &(struct store_poll_times){20, HOUR_MS});
    call(fixture, "ZADD", KEY ":workers", "9999999999999", "w1");
    call(fixture, "ZADD", KEY ":workers", "9999999999999", "w2");
    return 0;
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, open_fixture, close_fixture)

/* --- short forms --- */

static void on_settled(void *context, int rc)
{
    *(int *)context = rc;
}

static int send_one(struct fixture *fixture, int number, const char *conversation)
{
    char ticket[16], id[16], provider[16];
    struct store_settle item = {
        .ticket = ticket,
        .id = id,
        .campaign = "",
        .attempts = 1,
        .provider_id = provider,
        .conversation_id = conversation,
        .correlation_id = "",
        .is_polled = true,
        .audit = span_of("{\"what\":\"attempt\"}"),
    };
    int rc = 1;

    (void)snprintf(ticket, sizeof(ticket), "t%d", number);
    (void)snprintf(id, sizeof(id), "m%d", number);
    (void)snprintf(provider, sizeof(provider), "p%d", number);
    call(fixture, "HSET", KEY ":inflight:w1", ticket, "N{}");
    store_settle(fixture->store, STORE_SENT, "w1", &item, 1, on_settled, &rc);
    drain(fixture->store);
    return rc;
}

static void send_in_own_conversations(struct fixture *fixture, int count)
{
    char conversation[16];

    for (int i = 0; i < count; i++) {
        (void)snprintf(conversation, sizeof(conversation), "c%d", i);
        assert_int_equal(send_one(fixture, i, conversation), 0);
    }
}

/* As many questions as are due: their time has come, as if it had passed. */
static void make_due(struct fixture *fixture)
{
    static const char script[] =
        "for _, c in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do redis.call('ZADD', KEYS[1], 1, c) end return 1";

    call(fixture, "EVAL", script, "1", KEY ":poll");
}

struct found {
    struct store_polled polled;
    int calls;
    char texts[STORE_POLL_MAX][512]; /* `conversation: ids` */
};

static void on_polled(void *context, const struct store_polled *polled)
{
    struct found *found = context;

    found->calls++;
    found->polled = *polled;
    for (size_t i = 0; i < polled->count; i++)
        (void)snprintf(found->texts[i], sizeof(found->texts[i]), "%s: %.*s",
                       polled->questions[i].conversation ? polled->questions[i].conversation : "?",
                       (int)polled->questions[i].ids.len, polled->questions[i].ids.data);
}

static struct store_poll ask_of(struct fixture *fixture, const char *worker, int64_t wanted, struct rate rate)
{
    struct store_poll ask_for = {
        .worker = worker, .prefix = "x-", .first = fixture->tickets, .wanted = wanted, .rate = rate, .margin_ms = 5};

    ask_for.lease_ms = 60000;
    fixture->tickets += wanted;
    return ask_for;
}

static const struct found *poll_as(struct fixture *fixture, const char *worker, int64_t wanted, struct rate rate)
{
    static struct found found;
    const struct store_poll ask_for = ask_of(fixture, worker, wanted, rate);

    found = (struct found){.calls = 0};
    store_poll(fixture->store, &ask_for, on_polled, &found);
    drain(fixture->store);
    assert_int_equal(found.calls, 1);
    return &found;
}

static const struct rate any = {0};

static const struct found *poll_any(struct fixture *fixture)
{
    return poll_as(fixture, "w1", STORE_POLL_MAX, any);
}

static void end_one(struct fixture *fixture, int64_t ticket, enum store_poll_again again, const char *conversation,
                    const char *asked, const char *ended)
{
    char text[STORE_TICKET_SIZE];
    const struct store_poll_end item = {
        .ticket = text,
        .again = again,
        .conversation = conversation,
        .asked = span_of(asked),
        .ended = span_of(ended),
    };

    (void)snprintf(text, sizeof(text), "x-%lld", (long long)ticket);
    store_poll_ends(fixture->store, "w1", &item, 1);
    drain(fixture->store);
}

static int64_t card(struct fixture *fixture, const char *key)
{
    return ask(fixture, "ZCARD", key);
}

/* --- the way in and out --- */

static void test_a_sent_message_is_due_after_the_first_interval_and_leaves_with_its_end(void **state)
{
    struct fixture *fixture = *state;
    const struct found *found;

    assert_int_equal(send_one(fixture, 1, "c1"), 0);
    assert_int_equal(send_one(fixture, 2, "c1"), 0);
    make_due(fixture);
    found = poll_any(fixture);
    assert_int_equal(found->polled.count, 1);
    assert_string_equal(found->texts[0], "c1: p1 p2 ");
    end_one(fixture, found->polled.first, STORE_POLL_LATER, "c1", "p1 p2 ", "p1 ");
    end_one(fixture, found->polled.first, STORE_POLL_LATER, "c1", "p1 p2 ", "p1 "); /* its answer was lost */
    make_due(fixture);
    found = poll_any(fixture);
    assert_string_equal(found->texts[0], "c1: p2 ");
    end_one(fixture, found->polled.first, STORE_POLL_LATER, "c1", "p2 ", "p2 ");
    assert_int_equal(ask(fixture, "EXISTS", KEY ":poll", KEY ":poll:messages"), 0);
    assert_int_equal(poll_any(fixture)->polled.due_in_ms, -1);
}

static void test_the_same_answer_twice_is_asked_for_once_and_no_age_or_no_id_means_not_at_all(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(send_one(fixture, 1, "c1"), 0);
    assert_int_equal(send_one(fixture, 1, "c1"), 0);
    make_due(fixture);
    assert_string_equal(poll_any(fixture)->texts[0], "c1: p1 ");
    store_set_poll_times(fixture->store, &(struct store_poll_times){20, 0});
    assert_int_equal(send_one(fixture, 2, "c2"), 0);
    assert_int_equal(card(fixture, KEY ":poll"), 1);
}

static void test_a_question_without_an_end_is_due_again_after_its_lease_and_not_before(void **state)
{
    struct fixture *fixture = *state;
    const struct found *found;

    assert_int_equal(send_one(fixture, 1, "c1"), 0);
    make_due(fixture);
    assert_int_equal(poll_any(fixture)->polled.count, 1);
    found = poll_as(fixture, "w2", STORE_POLL_MAX, any);
    assert_int_equal(found->polled.count, 0);
    assert_true(found->polled.due_in_ms > 50000 && found->polled.due_in_ms <= 60000);
    make_due(fixture); /* w1 is dead, and the lease is over */
    assert_int_equal(poll_as(fixture, "w2", STORE_POLL_MAX, any)->polled.count, 1);
}

static void test_a_message_is_asked_for_at_its_double_age_and_not_beyond_the_age(void **state)
{
    static const char back[] =
        "return redis.call('HSET', KEYS[1], 'c1', (redis.call('TIME')[1] * 1000 - ARGV[1]) .. ' p1 ')";
    struct fixture *fixture = *state;
    const struct found *found;
    struct redis_reply *reply;

    assert_int_equal(send_one(fixture, 1, "c1"), 0);
    make_due(fixture);
    reply = redis_server_call(fixture->server, "EVAL", back, "1", KEY ":poll:messages", "600000", NULL);
    redis_reply_free(reply);
    found = poll_any(fixture);
    assert_int_equal(found->polled.count, 1);
    end_one(fixture, found->polled.first, STORE_POLL_LATER, "c1", "p1 ", "");
    found = poll_any(fixture);
    assert_true(found->polled.due_in_ms > 590000 && found->polled.due_in_ms < 610000);
    reply = redis_server_call(fixture->server, "EVAL", back, "1", KEY ":poll:messages", "3602000", NULL);
    redis_reply_free(reply);
    make_due(fixture);
    assert_int_equal(poll_any(fixture)->polled.count, 0);
    assert_int_equal(card(fixture, KEY ":poll"), 0);
    assert_int_equal(ask(fixture, "HGET", KEY ":counts", "unpolled"), 1);
}

static void test_what_nobody_asks_for_any_more_goes_away_by_itself(void **state)
{
    struct fixture *fixture = *state;

    send_in_own_conversations(fixture, 3);
    assert_in_range(ask(fixture, "PTTL", KEY ":poll"), HOUR_MS, 2 * HOUR_MS);
    assert_in_range(ask(fixture, "PTTL", KEY ":poll:messages"), HOUR_MS, 2 * HOUR_MS);
}

static void test_a_conversation_with_more_messages_than_one_question_takes_is_asked_in_turns(void **state)
{
    struct fixture *fixture = *state;
    const struct found *found;
    int count = 0;

    for (int i = 0; i < STORE_POLL_IDS_MAX + 3; i++)
        assert_int_equal(send_one(fixture, i, "c1"), 0);
    make_due(fixture);
    found = poll_any(fixture);
    for (size_t i = 0; i < found->polled.questions[0].ids.len; i++)
        count++;
    assert_true(strncmp(found->texts[0], "c1: p0 p1 p2 ", 13) == 0 && count > 300);
    {
        static char asked[2048]; /* p0 to p99 */
        size_t used = 0;

        for (int i = 0; i < STORE_POLL_IDS_MAX; i++)
            used += (size_t)snprintf(asked + used, sizeof(asked) - used, "p%d ", i);
        end_one(fixture, found->polled.first, STORE_POLL_LATER, "c1", asked, "");
    }
    make_due(fixture);
    found = poll_any(fixture);
    assert_true(strncmp(found->texts[0], "c1: p100 p101 p102 p0 p1 ", 25) == 0);
}

static void test_one_conversation_holds_a_bounded_number_of_messages(void **state)
{
    struct fixture *fixture = *state;
    static char text[70001];

    memset(text, '7', 40);
    for (size_t i = 0; i + 20 < sizeof(text); i += 20)
        (void)snprintf(text + i, 21, "9999999999999 p%04d ", (int)(i / 20) % 10000);
    call(fixture, "HSET", KEY ":poll:messages", "c1", text);
    call(fixture, "ZADD", KEY ":poll", "1", "c1");
    assert_int_equal(send_one(fixture, 1, "c1"), 0);
    assert_int_equal(ask(fixture, "HGET", KEY ":counts", "unpolled"), 1);
    assert_int_equal(ask(fixture, "HSTRLEN", KEY ":poll:messages", "c1"), (int64_t)strlen(text));
}

/* --- grants --- */

static void push(struct fixture *fixture, int count)
{
    for (int i = 0; i < count; i++)
        call(fixture, "LPUSH", KEY ":ready", "{}");
}

static void on_reserved(void *context, const struct store_reserved *reserved)
{
    *(struct store_reserved *)context = *reserved;
}

static struct store_reserved reserve(struct fixture *fixture, int64_t wanted, struct rate rate)
{
    const struct store_reserve ask_for = {
        .worker = "w1", .prefix = "r-", .first = fixture->tickets, .wanted = wanted, .rate = rate, .margin_ms = 5};
    struct store_reserved reserved = {.rc = 1};

    fixture->tickets += wanted;
    store_reserve(fixture->store, &ask_for, on_reserved, &reserved);
    drain(fixture->store);
    assert_int_equal(reserved.rc, 0);
    return reserved;
}

static void test_messages_and_questions_never_have_more_grants_than_the_window(void **state)
{
    const struct rate rate = {20, 60000};
    struct fixture *fixture = *state;
    size_t granted = 0;

    send_in_own_conversations(fixture, 40);
    make_due(fixture);
    push(fixture, 40);
    for (int i = 0; i < 40; i++) {
        granted += poll_as(fixture, i % 2 ? "w1" : "w2", 3, rate)->polled.count;
        granted += reserve(fixture, 3, rate).count;
        assert_int_equal(card(fixture, KEY ":window"), granted);
        assert_true(granted <= 20);
    }
    assert_int_equal(granted, 20);
    assert_int_equal(card(fixture, KEY ":poll:window"), 2);
}

static void test_while_messages_wait_questions_get_at_most_one_grant_of_ten_and_are_not_starved(void **state)
{
    const struct rate rate = {20, 300};
    struct fixture *fixture = *state;
    int64_t messages = 0, questions = 0, began_ms = clock_mono_ms(), until_ms = began_ms + PATIENCE_MS;

    send_in_own_conversations(fixture, 60);
    push(fixture, 400);
    while (messages + questions < 300 && clock_mono_ms() < until_ms) {
        make_due(fixture);
        messages += (int64_t)reserve(fixture, 20, rate).count; /* as greedy as a sender can be, and always first */
        questions += (int64_t)poll_as(fixture, "w1", 4, rate)->polled.count;
    }
    assert_true(messages + questions >= 300);
    assert_true(questions <= 2 * ((clock_mono_ms() - began_ms) / 300 + 1));
    assert_true(questions >= 10); /* 14 to 18 of 300 were seen: of the tenth, messages that are as greedy take a half */
}

static void test_a_small_window_gives_one_grant_of_ten_over_several_windows(void **state)
{
    const struct rate rate = {1, 20};
    struct fixture *fixture = *state;
    int64_t messages = 0, questions = 0, began_ms = clock_mono_ms(), until_ms = began_ms + 10000;

    send_in_own_conversations(fixture, 4);
    push(fixture, 100);
    while (messages < 60 && clock_mono_ms() < until_ms) {
        make_due(fixture);
        messages += (int64_t)reserve(fixture, 20, rate).count;
        questions += (int64_t)poll_as(fixture, "w1", 4, rate)->polled.count;
    }
    assert_int_equal(messages, 60);
    assert_in_range(questions, 1, (clock_mono_ms() - began_ms) / (10 * 20) + 1);
}

static void test_while_none_waits_all_but_a_tenth_is_for_questions(void **state)
{
    const struct rate rate = {20, 60000};
    struct fixture *fixture = *state;
    size_t count = 0;

    send_in_own_conversations(fixture, 30);
    make_due(fixture);
    for (int i = 0; i < 8; i++)
        count += poll_as(fixture, "w1", 4, rate)->polled.count;
    assert_int_equal(count, 18);
    assert_true(poll_as(fixture, "w1", 4, rate)->polled.window_ms > 0);
    push(fixture, 5);
    assert_int_equal(reserve(fixture, 5, rate).count, 2);
    assert_int_equal(ask(fixture, "EXISTS", KEY ":poll:claim"), 0);
}

static void test_a_grant_that_was_not_used_goes_back_and_its_question_is_due_at_once(void **state)
{
    const struct rate rate = {20, 60000};
    struct fixture *fixture = *state;
    const struct found *found;

    send_in_own_conversations(fixture, 1);
    make_due(fixture);
    found = poll_as(fixture, "w1", 1, rate);
    assert_int_equal(found->polled.count, 1);
    assert_int_equal(card(fixture, KEY ":window"), 1);
    end_one(fixture, found->polled.first, STORE_POLL_UNUSED, "c0", "p0 ", "");
    assert_int_equal(card(fixture, KEY ":window") + card(fixture, KEY ":poll:window"), 0);
    found = poll_as(fixture, "w1", 1, rate);
    assert_int_equal(found->polled.count, 1);
    end_one(fixture, found->polled.first, STORE_POLL_SOON, "c0", "p0 ", "");
    assert_int_equal(card(fixture, KEY ":window"), 1);
    assert_int_equal(poll_as(fixture, "w1", 1, rate)->polled.count, 1);
}

static void test_a_claim_of_a_poller_that_is_gone_ends(void **state)
{
    const struct rate rate = {1, 50};
    struct fixture *fixture = *state;
    int64_t until_ms = clock_mono_ms() + PATIENCE_MS;

    send_in_own_conversations(fixture, 1);
    make_due(fixture);
    push(fixture, 2);
    assert_int_equal(reserve(fixture, 1, rate).count, 1);
    assert_int_equal(poll_as(fixture, "w1", 1, rate)->polled.count, 0); /* full: it claims the next grant, and dies */
    assert_in_range(ask(fixture, "PTTL", KEY ":poll:claim"), 1, 1100);
    while (reserve(fixture, 1, rate).count == 0)
        assert_true(clock_mono_ms() < until_ms);
}

/* --- pauses, leases, and keys that are none --- */

static void test_a_pause_of_the_org_and_one_of_asking_hold_questions_and_the_latter_no_message(void **state)
{
    struct fixture *fixture = *state;
    const struct found *found;

    send_in_own_conversations(fixture, 1);
    make_due(fixture);
    push(fixture, 2);
    store_hold_polls(fixture->store, 60000, "not allowed");
    drain(fixture->store);
    found = poll_any(fixture);
    assert_int_equal(found->polled.count, 0);
    assert_true(found->polled.hold_ms > 50000 && found->polled.is_own_hold);
    assert_int_equal(reserve(fixture, 1, any).count, 1);
    call(fixture, "DEL", KEY ":poll:hold");
    store_hold(fixture->store, 60000, "too many");
    drain(fixture->store);
    found = poll_any(fixture);
    assert_true(found->polled.count == 0 && found->polled.hold_ms > 50000 && !found->polled.is_own_hold);
    assert_int_equal(reserve(fixture, 1, any).count, 0);
}

static void test_without_a_lease_nothing_is_handed_out(void **state)
{
    struct fixture *fixture = *state;

    send_in_own_conversations(fixture, 1);
    make_due(fixture);
    call(fixture, "ZADD", KEY ":workers", "1", "w1");
    assert_true(poll_any(fixture)->polled.has_no_lease);
    assert_int_equal(poll_as(fixture, "w2", 1, any)->polled.count, 1);
}

static void test_keys_of_a_wrong_type_stop_the_step_before_it_changes_anything(void **state)
{
    static const char *const keys[] = {KEY ":poll", KEY ":poll:messages", KEY ":window", KEY ":poll:window"};
    struct fixture *fixture = *state;

    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        (void)close_fixture(state);
        (void)open_fixture(state);
        call(fixture, "LPUSH", keys[i], "x");
        assert_int_equal(poll_any(fixture)->polled.rc, ERR_STATE);
        if (i < 2) {
            assert_int_equal(send_one(fixture, 1, "c1"), ERR_STATE);
            assert_int_equal(ask(fixture, "HLEN", KEY ":inflight:w1"), 1);
            assert_int_equal(ask(fixture, "EXISTS", KEY ":counts"), 0);
        }
        call(fixture, "DEL", keys[i], KEY ":inflight:w1");
    }
}

static void test_what_others_wrote_there_is_no_question_and_goes_away(void **state)
{
    struct fixture *fixture = *state;
    const struct found *found;

    call(fixture, "ZADD", KEY ":poll", "1", "../../etc");
    call(fixture, "ZADD", KEY ":poll", "1", "alone");
    redis_reply_free(
        redis_server_call(fixture->server, "HSET", KEY ":poll:messages", "../../etc", "9999999999999 p1 ", NULL));
    found = poll_any(fixture);
    assert_int_equal(found->polled.count, 1);
    assert_string_equal(found->texts[0], "?: p1 ");
    assert_int_equal(card(fixture, KEY ":poll"), 1); /* `alone` had no message */
}

static void test_a_clock_of_Redis_that_was_set_back_does_not_keep_questions_waiting(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(send_one(fixture, 1, "c1"), 0);
    call(fixture, "ZADD", KEY ":poll", "9999999999999", "c1");
    assert_int_equal(poll_any(fixture)->polled.count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_sent_message_is_due_after_the_first_interval_and_leaves_with_its_end),
        TEST(test_the_same_answer_twice_is_asked_for_once_and_no_age_or_no_id_means_not_at_all),
        TEST(test_a_question_without_an_end_is_due_again_after_its_lease_and_not_before),
        TEST(test_a_message_is_asked_for_at_its_double_age_and_not_beyond_the_age),
        TEST(test_what_nobody_asks_for_any_more_goes_away_by_itself),
        TEST(test_a_conversation_with_more_messages_than_one_question_takes_is_asked_in_turns),
        TEST(test_one_conversation_holds_a_bounded_number_of_messages),
        TEST(test_messages_and_questions_never_have_more_grants_than_the_window),
        TEST(test_while_messages_wait_questions_get_at_most_one_grant_of_ten_and_are_not_starved),
        TEST(test_a_small_window_gives_one_grant_of_ten_over_several_windows),
        TEST(test_while_none_waits_all_but_a_tenth_is_for_questions),
        TEST(test_a_grant_that_was_not_used_goes_back_and_its_question_is_due_at_once),
        TEST(test_a_claim_of_a_poller_that_is_gone_ends),
        TEST(test_a_pause_of_the_org_and_one_of_asking_hold_questions_and_the_latter_no_message),
        TEST(test_without_a_lease_nothing_is_handed_out),
        TEST(test_keys_of_a_wrong_type_stop_the_step_before_it_changes_anything),
        TEST(test_what_others_wrote_there_is_no_question_and_goes_away),
        TEST(test_a_clock_of_Redis_that_was_set_back_does_not_keep_questions_waiting),
    };

    return run_store_tests("poll", tests, COUNT_OF(tests));
}
