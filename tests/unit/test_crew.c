/* Who of the senders sleeps, and who is called. */
#include "worker/crew.h"

#include "tests/unit/unit.h"

#define SLEEPERS 3

struct bedroom {
    struct settings settings;
    struct crew crew;
    struct http *https[SLEEPERS];
    struct sleeper sleepers[SLEEPERS];
};

static int set_up(void **state)
{
    static struct bedroom room;
    const struct http_config config = {.timeout_ms = 1000, .connect_timeout_ms = 1000, .max_requests = 1};
    struct reason why = {""};

    room = (struct bedroom){.settings = {.breaker_failures = 5}};
    assert_int_equal(http_global_init(&why), 0);
    crew_init(&room.crew, &room.settings, NULL);
    for (size_t i = 0; i < SLEEPERS; i++) {
        assert_int_equal(http_open(&room.https[i], &config, &why), 0);
        crew_join(&room.crew, room.https[i]);
        room.sleepers[i].http = room.https[i];
    }
    *state = &room;
    return 0;
}

static int tear_down(void **state)
{
    struct bedroom *room = *state;

    for (size_t i = 0; i < SLEEPERS; i++) {
        crew_leave(&room->crew, room->https[i]);
        http_close(room->https[i]);
    }
    crew_clear(&room->crew);
    http_global_clear();
    return 0;
}

static void a_call_is_for_one_and_for_who_fell_asleep_last(void **state)
{
    struct bedroom *room = *state;

    for (size_t i = 0; i < SLEEPERS; i++)
        crew_sleep(&room->crew, &room->sleepers[i]);
    for (size_t i = SLEEPERS; i-- > 0;) {
        crew_call(&room->crew);
        for (size_t j = 0; j < SLEEPERS; j++)
            assert_int_equal(atomic_load(&room->sleepers[j].is_called), j >= i);
    }
    crew_call(&room->crew); /* nobody is left: nothing happens */
    assert_int_equal(atomic_load(&room->crew.called), SLEEPERS);
}

static void the_lists_are_watched_while_somebody_sleeps_and_nobody_is_on_the_way(void **state)
{
    struct bedroom *room = *state;
    struct crew *crew = &room->crew;

    assert_false(crew_wants_watch(crew));
    crew_sleep(crew, &room->sleepers[0]);
    crew_sleep(crew, &room->sleepers[1]);
    assert_true(crew_wants_watch(crew));
    crew_call(crew);
    assert_false(crew_wants_watch(crew));
    crew_rise(crew, &room->sleepers[1]); /* it has looked */
    assert_true(crew_wants_watch(crew));
    assert_false(atomic_load(&room->sleepers[1].is_called)); /* one call, one look */
    crew_rise(crew, &room->sleepers[1]);                     /* awake already */
    assert_true(crew_wants_watch(crew));
    crew_rise(crew, &room->sleepers[0]); /* by itself, without a call */
    assert_false(crew_wants_watch(crew));
    atomic_store(&crew->is_stopping, true);
    crew_sleep(crew, &room->sleepers[0]);
    assert_false(crew_wants_watch(crew));
}

static void one_that_rises_by_itself_is_not_called_and_may_sleep_again(void **state)
{
    struct bedroom *room = *state;
    struct crew *crew = &room->crew;

    for (size_t i = 0; i < SLEEPERS; i++)
        crew_sleep(crew, &room->sleepers[i]);
    crew_rise(crew, &room->sleepers[1]); /* from between the others */
    crew_call(crew);
    crew_call(crew);
    crew_call(crew);
    assert_false(atomic_load(&room->sleepers[1].is_called));
    assert_true(atomic_load(&room->sleepers[0].is_called));
    crew_sleep(crew, &room->sleepers[1]);
    crew_call(crew);
    assert_true(atomic_load(&room->sleepers[1].is_called));
}

/* What was on its way from Redis when the 429 came belongs to the pause as well, whatever older requests still hear. */
static void nothing_starts_in_a_pause_that_genesys_asked_for(void **state)
{
    struct crew *crew = &((struct bedroom *)*state)->crew;
    const struct crew_end end = {.id_hash = 1, .started_ms = 900, .now_ms = 1000};
    struct verdict refused = {.outcome = OUTCOME_RETURNED,
                              .org_action = ORG_PAUSE_RATE,
                              .breaker_mark = BREAKER_IGNORE},
                   sent = {.outcome = OUTCOME_SENT, .org_action = ORG_NONE, .breaker_mark = BREAKER_SUCCESS};

    for (int has_retry_after = 0; has_retry_after < 2; has_retry_after++) {
        int64_t pause_ms;

        crew->rate_until_ms = crew->struck_ms = 0;
        for (uint64_t id = 1; id <= 3; id++)
            assert_true(crew_note_start(crew, id, 950));
        pause_ms = crew_note_end(crew, &end, &refused, has_retry_after ? 60000 : -1);
        assert_true(pause_ms > 0);
        assert_false(crew_note_start(crew, 4, 1000));
        (void)crew_note_end(crew, &end, &sent, -1); /* it had left before */
        assert_false(crew_note_start(crew, 5, 1000 + pause_ms - 1));
        assert_true(crew_note_start(crew, 6, 1000 + pause_ms));
        (void)crew_note_end(crew, &end, &sent, -1);
        (void)crew_note_end(crew, &end, &sent, -1);
    }
}

static void one_request_finds_out_whether_genesys_still_refuses_us(void **state)
{
    struct crew *crew = &((struct bedroom *)*state)->crew;
    const struct crew_end end = {.id_hash = 1, .started_ms = 1000, .now_ms = 1010};
    struct verdict sent = {.outcome = OUTCOME_SENT, .org_action = ORG_NONE, .breaker_mark = BREAKER_SUCCESS};

    crew->denials = 1;
    assert_true(crew_note_start(crew, 1, 1000));
    assert_false(crew_note_start(crew, 2, 1000));
    (void)crew_note_end(crew, &end, &sent, -1);
    assert_true(crew_note_start(crew, 2, 1010));
    assert_true(crew_note_start(crew, 3, 1010));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_call_is_for_one_and_for_who_fell_asleep_last, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_lists_are_watched_while_somebody_sleeps_and_nobody_is_on_the_way, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(nothing_starts_in_a_pause_that_genesys_asked_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_request_finds_out_whether_genesys_still_refuses_us, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_rises_by_itself_is_not_called_and_may_sleep_again, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("crew", tests, NULL, NULL);
}
