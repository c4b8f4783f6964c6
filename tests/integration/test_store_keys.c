/* The store against a real Redis. Keys that hold something else, and names that could lead elsewhere. */
#include "tests/lib/store_fixture.h"

#include <stdio.h>
#include <string.h>

/* --- keys that somebody else has put something into --- */

static void test_a_key_of_a_wrong_type_loses_no_message_whichever_step_meets_it(void **state)
{
    static const char *const names[] = {"ready:high",      "ready",      "ready:low",   "delayed",       "dead:letters",
                                        "counts",          "audit",      "window",      "inflight:w1",   "message:a",
                                        "campaign:spring", "dead:index", "dead:counts", "dead:campaigns"};
    struct fixture *fixture = *state;

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        for (int step = 0; step < STORE_MOVE_COUNT + 2; step++) {
            char key[64], saved[64], before[64], after[64], after_all[64];
            struct store_settle item = item_of("t0", "a");
            bool is_there;
            int rc = 0;

            (void)open_fixture_again(fixture);
            (void)enqueue(fixture->store, "spring", PRIORITY_NORMAL, 0, "a b");
            (void)enqueue(fixture->store, "spring", PRIORITY_HIGH, 0, "h1");
            (void)enqueue(fixture->store, "spring", PRIORITY_LOW, 0, "l1");
            add_delayed(fixture, 1000, "d1");
            command_number(fixture, KEY ":counts", "accepted", 1);
            if (step < STORE_MOVE_COUNT)
                assert_string_equal(reserve_within(fixture->store, "w1", 0, 3, (struct rate){100, 60000})->texts,
                                    "d1 h1 a");
            (void)snprintf(key, sizeof(key), KEY ":%s", names[i]);
            (void)snprintf(saved, sizeof(saved), KEY ":saved");
            is_there = ask(fixture, "EXISTS", key) == 1;
            if (is_there)
                call(fixture, "RENAME", key, saved);
            call(fixture, "SET", key, "not what you think");
            snapshot(fixture, before);
            if (step < STORE_MOVE_COUNT) {
                item.ticket = "t2";
                item.campaign = "spring";
                item.give_back = true;
                item.delay_ms = 100000;
                rc = settle_item(fixture->store, (enum store_move)step, "w1", &item);
            } else if (step == STORE_MOVE_COUNT) {
                rc = reserve_within(fixture->store, "w1", 10, 9, (struct rate){100, 60000})->rc;
            } else {
                rc = strcmp(enqueue(fixture->store, "spring", PRIORITY_NORMAL, 0, "c"), "refused") == 0 ? -1 : 0;
            }
            snapshot(fixture, after);
            if (rc != 0)
                assert_string_equal(before, after); /* refused means: nothing has happened */
            call(fixture, "DEL", key);
            if (is_there)
                call(fixture, "RENAME", saved, key);
            snapshot(fixture, after_all);
            assert_int_equal(places_in_all(fixture), step == STORE_MOVE_COUNT + 1 && rc == 0 ? 6 : 5);
        }
    }
}

static void test_a_list_that_is_none_does_not_keep_the_others_from_being_sent(void **state)
{
    struct fixture *fixture = *state;
    struct taken *taken;

    (void)enqueue(fixture->store, NULL, PRIORITY_NORMAL, 0, "n1");
    add_delayed(fixture, 1000, "d1");
    call(fixture, "SET", KEY ":ready:high", "not a list");
    assert_string_equal(reserve(fixture->store, "w1", 0, 9), "d1 n1");
    taken = reserve_within(fixture->store, "w1", 9, 9, UNLIMITED);
    assert_int_equal(taken->rc, ERR_STATE); /* and it is said once there is nothing else to do */
}

static void test_names_of_orgs_that_could_lead_elsewhere_are_refused(void **state)
{
    static const char *const bad[] = {
        "",    "a b",      "a}b", "{a", "a:b",
        "a/b", "\xc3\xa9", "a\n", "a*", "0123456789012345678901234567890123456789012345678901234567890123456789"};
    struct store *store = NULL;
    struct reason why;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(store_open(&store, "redis://127.0.0.1", bad[i], &why), ERR_INVALID);
        assert_non_null(strstr(why.text, "--org"));
    }
    assert_null(store);
    assert_int_equal(store_open(&store, "redis://127.0.0.1", "a.b_c-D9", &why), 0);
    store_close(store);
}

static void test_two_orgs_share_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct store *other = NULL;
    struct reason why;

    assert_int_equal(store_open(&other, redis_server_url(fixture->server), "other", &why), 0);
    assert_string_equal(enqueue(fixture->store, "spring", PRIORITY_NORMAL, 0, "a"), "1");
    assert_string_equal(enqueue(other, "spring", PRIORITY_NORMAL, 0, "a"), "1");
    store_hold(other, 60000, "theirs");
    drain(other);
    assert_string_equal(reserve(fixture->store, "w1", 0, 9), "a");
    assert_sum(fixture, 1);
    store_close(other);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        TEST(test_a_key_of_a_wrong_type_loses_no_message_whichever_step_meets_it),
        TEST(test_a_list_that_is_none_does_not_keep_the_others_from_being_sent),
        TEST(test_names_of_orgs_that_could_lead_elsewhere_are_refused),
        TEST(test_two_orgs_share_nothing),
    };

    return run_store_tests("store_keys", tests, COUNT_OF(tests));
}
