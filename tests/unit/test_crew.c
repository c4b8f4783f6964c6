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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_call_is_for_one_and_for_who_fell_asleep_last, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_lists_are_watched_while_somebody_sleeps_and_nobody_is_on_the_way, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(one_that_rises_by_itself_is_not_called_and_may_sleep_again, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("crew", tests, NULL, NULL);
}
