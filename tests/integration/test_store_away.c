/* The store against a real Redis. Redis away, in every way: each step happens once. */
#include "tests/lib/store_fixture.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"

/* --- Redis away, in every way --- */

static void test_a_flushed_script_is_sent_again_with_its_text(void **state)
{
    struct fixture *fixture = *state;

    for (int i = 0; i < 3; i++) {
        char text[8];

        (void)snprintf(text, sizeof(text), "m%d", i);
        call(fixture, "SCRIPT", "FLUSH");
        assert_string_equal(enqueue(fixture->store, NULL, PRIORITY_NORMAL, 0, text), "1");
        call(fixture, "SCRIPT", "FLUSH");
        assert_string_equal(reserve(fixture->store, "w1", i, 1), text);
        call(fixture, "SCRIPT", "FLUSH");
        assert_int_equal(settle(fixture->store, STORE_BURY, "w1", i == 0 ? "t0" : i == 1 ? "t1" : "t2", text), 0);
    }
    assert_sum(fixture, 3);
}

static void test_a_killed_connection_loses_nothing_that_must_arrive(void **state)
{
    struct fixture *fixture = *state;
    struct enqueued results[50];

    for (size_t i = 0; i < COUNT_OF(results); i++) {
        char text[8];

        (void)snprintf(text, sizeof(text), "m%zu", i);
        start_enqueue(fixture->store, NULL, PRIORITY_NORMAL, 0, text, &results[i]);
        if (i % 5 == 0)
            (void)store_pump(fixture->store, NULL);
        if (i % 7 == 0)
            redis_reply_free(
                redis_server_call(fixture->server, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes", NULL));
    }
    drain(fixture->store);
    for (size_t i = 0; i < COUNT_OF(results); i++) {
        assert_int_equal(results[i].calls, 1);
        assert_int_equal(results[i].rc, 0);
    }
    assert_sum(fixture, COUNT_OF(results));
}

/* A store behind the proxy that is up, so that only what follows can be lost. */
static struct store *open_behind(struct redis_proxy *proxy)
{
    struct store *store = open_store(redis_proxy_url(proxy));

    drain(store);
    return store;
}

/* A grant that counts too early lets one request too many out, and a pause that others do not hear of many. */
static void test_a_late_grant_and_a_pause_are_told_though_the_connection_breaks(void **state)
{
    struct fixture *fixture = *state;
    struct redis_proxy *proxy = redis_proxy_start(fixture->server);
    struct store *store = open_behind(proxy);
    const struct span nobody = {NULL, 0};

    store_touch(store, "w1", "none", nobody, 0); /* Redis gets to know the scripts */
    store_hold(store, 1, "none");
    drain(store);
    call(fixture, "DEL", KEY ":hold");
    call(fixture, "ZADD", KEY ":window", "5", "w1/t1");
    redis_proxy_lose_request(proxy);
    store_touch(store, "w1", "t1", nobody, 0);
    drain(store);
    assert_true(redis_proxy_has_lost(proxy));
    assert_int_equal(ask(fixture, "ZCOUNT", KEY ":window", "6", "+inf"), 1);
    redis_proxy_lose_request(proxy);
    store_hold(store, 60000, "429");
    drain(store);
    assert_true(redis_proxy_has_lost(proxy));
    assert_int_equal(ask(fixture, "EXISTS", KEY ":hold"), 1);
    store_close(store);
    redis_proxy_stop(proxy);
}

typedef void (*lose_fn)(struct redis_proxy *proxy);

static void lose_each_step(struct fixture *fixture, lose_fn lose, bool reply_is_lost)
{
    struct redis_proxy *proxy = redis_proxy_start(fixture->server);
    struct store *store = open_behind(proxy);
    static struct taken taken;
    const char *const tickets[] = {"t0", "t1", "t2", "t3"};

    /* Redis gets to know the scripts first, else the answer that is lost is the one that says it does not. */
    (void)enqueue(store, NULL, PRIORITY_NORMAL, 0, "");
    (void)reserve(store, "w3", 0, 1);
    for (int move = 0; move < STORE_MOVE_COUNT; move++)
        assert_int_equal(settle(store, (enum store_move)move, "w3", "t9", "nothing"), 0);
    call(fixture, "DEL", KEY ":counts", KEY ":message:nothing");

    lose(proxy);
    (void)enqueue(store, NULL, PRIORITY_NORMAL, 0, "a b c d");
    assert_true(redis_proxy_has_lost(proxy));
    assert_sum(fixture, 4);

    lose(proxy);
    start_reserve(store, "w1", 0, 4, UNLIMITED, 0, &taken);
    drain(store);
    assert_int_equal(taken.calls, 1);
    assert_int_equal(taken.rc, ERR_UNREACHABLE);
    assert_int_equal(ask(fixture, "HLEN", KEY ":inflight:w1"), reply_is_lost ? 4 : 0);
    for (size_t i = 0; i < COUNT_OF(tickets); i++)
        assert_int_equal(settle(store, STORE_RELEASE, "w1", tickets[i], ""), 0);
    assert_int_equal(ask(fixture, "HLEN", KEY ":inflight:w1"), 0);
    assert_sum(fixture, 4);

    (void)reserve(store, "w1", 0, 4);
    for (int move = 0; move < STORE_MOVE_COUNT; move++) {
        lose(proxy);
        assert_int_equal(settle(store, (enum store_move)move, "w1", tickets[move], tickets[move]), 0);
        assert_true(redis_proxy_has_lost(proxy));
        assert_sum(fixture, 4);
        assert_int_equal(ask(fixture, "HLEN", KEY ":inflight:w1"), 3 - move);
    }
    assert_int_equal(counted(fixture, "sent"), 1);
    assert_int_equal(counted(fixture, "retries"), 1);
    assert_int_equal(counted(fixture, "dead"), 1);
    assert_int_equal(counted(fixture, "late"), 0);
    store_close(store);
    redis_proxy_stop(proxy);
}

static void test_every_step_whose_reply_is_lost_happens_once_and_a_lost_reserve_is_said(void **state)
{
    lose_each_step(*state, redis_proxy_lose_reply, true);
}

static void test_every_step_whose_request_is_lost_happens_once_and_a_lost_reserve_is_said(void **state)
{
    lose_each_step(*state, redis_proxy_lose_request, false);
}

static void test_without_a_server_the_reason_is_said_after_the_patience(void **state)
{
    struct store *store = open_store("unix:///nowhere/at/all");
    struct enqueued result;
    struct reason why = {""};
    int64_t start_ms = clock_mono_ms();

    (void)state;
    start_enqueue(store, NULL, PRIORITY_NORMAL, 0, "a", &result);
    assert_int_equal(store_finish(store, 0, 200, &why), ERR_UNREACHABLE);
    assert_true(clock_mono_ms() - start_ms >= 200);
    assert_true(strlen(why.text) > 0);
    assert_int_equal(result.calls, 0);
    assert_int_equal(store_pending(store), 1);
    store_close(store);
}

static void test_a_missing_password_is_said_at_once(void **state)
{
    struct fixture *fixture = *state;
    struct store *store = open_store(redis_server_url(fixture->server));
    struct reason why = {""};
    int rc;

    configure(fixture, "requirepass", "sesame");
    rc = store_finish(store, 0, PATIENCE_MS, &why);
    configure(fixture, "requirepass", "");
    assert_int_equal(rc, ERR_DENIED);
    assert_non_null(strstr(why.text, "password"));
    for (int64_t end = clock_mono_ms() + PATIENCE_MS; store_pump(store, &why) != 0 && clock_mono_ms() < end;)
        (void)usleep(1000);
    drain(store); /* it goes on once there is none */
    store_close(store);
}

/* What Redis cannot do now waits, says why, and happens once it can; and nobody knocks all the time meanwhile. */
static void wait_out(struct fixture *fixture, const char *expected, void (*trouble)(struct fixture *fixture),
                     void (*cure)(struct fixture *fixture))
{
    struct enqueued result;
    struct reason why = {""};
    int64_t connections, end_ms;
    int rc;

    assert_string_equal(enqueue(fixture->store, NULL, PRIORITY_NORMAL, 0, "before"), "1");
    assert_string_equal(reserve(fixture->store, "w1", 0, 1), "before");
    trouble(fixture);
    start_enqueue(fixture->store, NULL, PRIORITY_NORMAL, 0, "meanwhile", &result);
    rc = store_finish(fixture->store, 0, 300, &why);
    connections = -ask(fixture, "EVAL",
                       "return tonumber(string.match(redis.call('INFO', 'stats'), "
                       "'total_connections_received:(%d+)'))",
                       "0");
    for (end_ms = clock_mono_ms() + 1500; clock_mono_ms() < end_ms;) {
        (void)store_pump(fixture->store, NULL);
        (void)usleep(1000);
    }
    connections += ask(fixture, "EVAL",
                       "return tonumber(string.match(redis.call('INFO', 'stats'), "
                       "'total_connections_received:(%d+)'))",
                       "0");
    cure(fixture);
    assert_int_equal(rc, ERR_UNREACHABLE);
    assert_non_null(strstr(why.text, expected));
    assert_int_equal(result.calls, 0);
    assert_true(connections <= 8); /* backoff doubles from 200 ms on; without it there are 40 */
    drain(fixture->store);
    assert_int_equal(result.calls, 1);
    assert_string_equal(result.answers, "1");
    assert_int_equal(settle(fixture->store, STORE_SENT, "w1", "t0", "before"), 0);
    assert_sum(fixture, 2);
}

static void fill_memory(struct fixture *fixture)
{
    configure(fixture, "maxmemory-policy", "noeviction");
    configure(fixture, "maxmemory", "1");
}

static void free_memory(struct fixture *fixture)
{
    configure(fixture, "maxmemory", "0");
}

static void make_replica(struct fixture *fixture)
{
    call(fixture, "REPLICAOF", "127.0.0.1", "1");
}

static void make_master(struct fixture *fixture)
{
    call(fixture, "REPLICAOF", "NO", "ONE");
}

static void test_without_memory_a_step_waits_and_happens_when_there_is_memory_again(void **state)
{
    wait_out(*state, "OOM", fill_memory, free_memory);
}

static void test_on_a_read_only_replica_a_step_waits_and_happens_when_it_is_the_master(void **state)
{
    wait_out(*state, "READONLY", make_replica, make_master);
}

static void test_outcomes_reported_while_there_is_no_memory_are_recorded_once(void **state)
{
    struct fixture *fixture = *state;
    struct store_settle items[] = {item_of("t0", "a"), item_of("t1", "b"), item_of("t2", "c"), item_of("t3", "d")};
    int rcs[STORE_MOVE_COUNT] = {1, 1, 1, 1};

    (void)enqueue(fixture->store, NULL, PRIORITY_NORMAL, 0, "a b c d");
    (void)reserve(fixture->store, "w1", 0, 4);
    fill_memory(fixture);
    for (int move = 0; move < STORE_MOVE_COUNT; move++)
        store_settle(fixture->store, (enum store_move)move, "w1", &items[move], 1, on_settled, &rcs[move]);
    (void)store_finish(fixture->store, 0, 100, &(struct reason){""});
    free_memory(fixture);
    drain(fixture->store);
    for (int move = 0; move < STORE_MOVE_COUNT; move++)
        assert_int_equal(rcs[move], 0);
    assert_int_equal(ask(fixture, "HLEN", KEY ":inflight:w1"), 0);
    assert_sum(fixture, 4);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_a_flushed_script_is_sent_again_with_its_text),
        TEST(test_a_killed_connection_loses_nothing_that_must_arrive),
        TEST(test_a_late_grant_and_a_pause_are_told_though_the_connection_breaks),
        TEST(test_every_step_whose_reply_is_lost_happens_once_and_a_lost_reserve_is_said),
        TEST(test_every_step_whose_request_is_lost_happens_once_and_a_lost_reserve_is_said),
        TEST(test_without_a_server_the_reason_is_said_after_the_patience),
        TEST(test_a_missing_password_is_said_at_once),
        TEST(test_without_memory_a_step_waits_and_happens_when_there_is_memory_again),
        TEST(test_on_a_read_only_replica_a_step_waits_and_happens_when_it_is_the_master),
        TEST(test_outcomes_reported_while_there_is_no_memory_are_recorded_once),
    };

    return run_store_tests("store_away", tests, COUNT_OF(tests));
}
