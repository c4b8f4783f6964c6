/* The circuit breaker: stories of failures, probes and late answers, with the clock in hand. */
#include "worker/breaker.h"

#include <limits.h>

#include "tests/unit/unit.h"

enum step_kind { START, GOOD, BAD, GONE };

/* One call at an instant, and what is seen after it. `id`: a letter. START asks for admission. GOOD and BAD are answers
 * to a request that began at `started_ms`. */
struct step {
    int64_t now_ms;
    enum step_kind kind;
    char id;
    int64_t started_ms;
    bool is_admitted; /* START */
    enum breaker_state state;
    int allowance; /* at the same instant, after the call */
};

struct story {
    const char *about;
    struct step steps[24];
};

#define CLOSED  BREAKER_CLOSED, INT_MAX
#define OPEN    BREAKER_OPEN, 0
#define READY   BREAKER_OPEN, 1
#define WAITING BREAKER_HALF_OPEN, 0
#define FREE    BREAKER_HALF_OPEN, 1
#define END                                                                                                            \
    {                                                                                                                  \
        0, START, 0, 0, false, CLOSED                                                                                  \
    }

/* Threshold 3, cool-down 1000 doubling to 8000, a probe lapses after 5000. The random given is the one that makes a
 * cool-down its longest; see `longest`. */
static const struct breaker_config config = {.threshold = 3, .base_ms = 1000, .cap_ms = 8000, .probe_ms = 5000};

#define OPENED_AT_100                                                                                                  \
    {100, BAD, 'a', 50, false, CLOSED}, {100, BAD, 'b', 50, false, CLOSED},                                            \
    {                                                                                                                  \
        100, BAD, 'c', 50, false, OPEN                                                                                 \
    }

static const struct story stories[] = {
    {"three different messages in a row open it", {OPENED_AT_100, END}},
    {"one message, however often, does not",
     {{1, BAD, 'a', 0, false, CLOSED},
      {2, BAD, 'a', 1, false, CLOSED},
      {3, BAD, 'a', 2, false, CLOSED},
      {4, BAD, 'b', 3, false, CLOSED},
      {5, BAD, 'a', 4, false, CLOSED},
      END}},
    {"a success between starts the run again",
     {{1, BAD, 'a', 0, false, CLOSED},
      {2, BAD, 'b', 0, false, CLOSED},
      {3, GOOD, 'x', 0, false, CLOSED},
      {4, BAD, 'c', 0, false, CLOSED},
      {5, BAD, 'd', 0, false, CLOSED},
      {6, BAD, 'e', 0, false, OPEN},
      END}},
    {"everything starts while it is closed",
     {{1, START, 'a', 0, true, CLOSED}, {1, START, 'b', 0, true, CLOSED}, {1, GONE, 'a', 0, false, CLOSED}, END}},
    {"nothing starts during the cool-down",
     {OPENED_AT_100, {101, START, 'd', 0, false, OPEN}, {1099, START, 'd', 0, false, OPEN}, END}},
    {"then one probe at a time, and its success closes",
     {OPENED_AT_100,
      {1100, GONE, 'z', 0, false, READY},
      {1100, START, 'd', 0, true, WAITING},
      {1101, START, 'e', 0, false, WAITING},
      {1200, GOOD, 'd', 1100, false, CLOSED},
      {1201, START, 'e', 0, true, CLOSED},
      END}},
    {"a probe that fails opens it for twice as long, up to the cap",
     {OPENED_AT_100,
      {1100, START, 'd', 0, true, WAITING},
      {1200, BAD, 'd', 1100, false, OPEN},
      {3199, START, 'e', 0, false, OPEN},
      {3200, START, 'e', 0, true, WAITING},
      {3300, BAD, 'e', 3200, false, OPEN},
      {7299, START, 'f', 0, false, OPEN},
      {7300, START, 'f', 0, true, WAITING},
      {7400, BAD, 'f', 7300, false, OPEN},
      {15400, START, 'g', 0, true, WAITING},
      {15500, BAD, 'g', 15400, false, OPEN},
      {23499, START, 'h', 0, false, OPEN},
      {23500, START, 'h', 0, true, WAITING},
      END}},
    {"once closed, the next opening is short again",
     {OPENED_AT_100,
      {1100, START, 'd', 0, true, WAITING},
      {1200, BAD, 'd', 1100, false, OPEN},
      {3200, START, 'e', 0, true, WAITING},
      {3300, GOOD, 'e', 3200, false, CLOSED},
      {3400, BAD, 'f', 3300, false, CLOSED},
      {3400, BAD, 'g', 3300, false, CLOSED},
      {3400, BAD, 'h', 3300, false, OPEN},
      {4400, START, 'i', 0, true, WAITING},
      END}},
    {"a probe that is withdrawn makes room for another at once",
     {OPENED_AT_100,
      {1100, START, 'd', 0, true, WAITING},
      {1150, GONE, 'e', 0, false, WAITING},
      {1150, GONE, 'd', 0, false, FREE},
      {1150, START, 'e', 0, true, WAITING},
      {1200, GOOD, 'e', 1150, false, CLOSED},
      END}},
    {"a probe that is never heard of lapses",
     {OPENED_AT_100,
      {1100, START, 'd', 0, true, WAITING},
      {6099, START, 'e', 0, false, WAITING},
      {6100, START, 'e', 0, true, WAITING},
      {6200, BAD, 'd', 1100, false, WAITING},
      {6300, GOOD, 'd', 1100, false, WAITING},
      {6400, GOOD, 'e', 6100, false, CLOSED},
      END}},
    {"one that has lapsed still counts while no other is out",
     {OPENED_AT_100, {1100, START, 'd', 0, true, WAITING}, {6500, GOOD, 'd', 1100, false, CLOSED}, END}},
    {"a late success does not close it while open", {OPENED_AT_100, {200, GOOD, 'x', 50, false, OPEN}, END}},
    {"a late failure makes the cool-down no longer",
     {OPENED_AT_100,
      {900, BAD, 'x', 50, false, OPEN},
      {1099, BAD, 'y', 50, false, OPEN},
      {1100, START, 'd', 0, true, WAITING},
      END}},
    {"nor is a cool-down that is over begun again",
     {OPENED_AT_100, {1200, BAD, 'x', 50, false, READY}, {1200, START, 'd', 0, true, WAITING}, END}},
    {"late answers do not speak for the probe",
     {OPENED_AT_100,
      {1100, START, 'd', 0, true, WAITING},
      {1101, GOOD, 'x', 50, false, WAITING},
      {1102, BAD, 'y', 50, false, WAITING},
      {1103, GONE, 'y', 0, false, WAITING},
      {1104, GOOD, 'd', 1100, false, CLOSED},
      END}},
    {"requests that hung during the outage do not open it again when they run out of time",
     {OPENED_AT_100,
      {1100, START, 'd', 0, true, WAITING},
      {1200, GOOD, 'd', 1100, false, CLOSED},
      {1300, BAD, 'p', 60, false, CLOSED},
      {1300, BAD, 'q', 70, false, CLOSED},
      {1300, BAD, 'r', 80, false, CLOSED},
      {1300, BAD, 's', 1199, false, CLOSED},
      {1400, BAD, 't', 1200, false, CLOSED},
      {1400, BAD, 'u', 1201, false, CLOSED},
      {1400, BAD, 'v', 1202, false, OPEN},
      END}},
    {"nor do late successes hide a new run",
     {OPENED_AT_100,
      {1100, START, 'd', 0, true, WAITING},
      {1200, GOOD, 'd', 1100, false, CLOSED},
      {1300, BAD, 'p', 1250, false, CLOSED},
      {1300, BAD, 'q', 1250, false, CLOSED},
      {1300, GOOD, 'x', 60, false, CLOSED},
      {1400, BAD, 'r', 1250, false, OPEN},
      END}},
};

/* The random that makes the cool-down its longest: the wait is random % (half + 1), so half itself. */
static uint64_t longest(const struct breaker *breaker)
{
    uint64_t ceiling_ms = (uint64_t)config.base_ms << breaker->openings;

    if (ceiling_ms > (uint64_t)config.cap_ms)
        ceiling_ms = (uint64_t)config.cap_ms;
    return ceiling_ms - ceiling_ms / 2;
}

static bool take(struct breaker *breaker, const struct step *step)
{
    enum breaker_state before = breaker->state;
    struct breaker_change change = {before, before};
    bool is_admitted = false;

    switch (step->kind) {
    case START:
        is_admitted = breaker_note_probe(breaker, (uint64_t)step->id, step->now_ms, &change);
        break;
    case GOOD:
        breaker_success(breaker, (uint64_t)step->id, step->started_ms, step->now_ms, &change);
        break;
    case BAD:
        breaker_failure(breaker, (uint64_t)step->id, step->started_ms, step->now_ms, longest(breaker), &change);
        break;
    case GONE:
        breaker_probe_gone(breaker, (uint64_t)step->id);
        break;
    }
    return is_admitted == step->is_admitted && change.from == before && change.to == breaker->state;
}

static void run_story(const struct story *story)
{
    struct breaker breaker;

    breaker_init(&breaker, &config);
    for (size_t i = 0; story->steps[i].id; i++) {
        const struct step *step = &story->steps[i];

        if (!take(&breaker, step))
            fail_msg("%s, step %zu: admission or change is wrong", story->about, i + 1);
        if (breaker.state != step->state || breaker_allowance(&breaker, step->now_ms) != step->allowance)
            fail_msg("%s, step %zu: %s, allows %d", story->about, i + 1, breaker_state_name(breaker.state),
                     breaker_allowance(&breaker, step->now_ms));
    }
}

static void failures_probes_and_late_answers_lead_where_they_should(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(stories); i++)
        run_story(&stories[i]);
}

static void open_it(struct breaker *breaker, const struct breaker_config *with, uint64_t random)
{
    breaker_init(breaker, with);
    for (uint64_t id = 1; breaker->state == BREAKER_CLOSED; id++)
        breaker_failure(breaker, id, 0, 100, random, NULL);
}

static void half_of_the_cool_down_is_certain_and_half_is_jitter(void **state)
{
    static const uint64_t randoms[] = {0, 1, 2, 250, 499, 500, 501, UINT64_MAX};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(randoms); i++) {
        struct breaker breaker;

        open_it(&breaker, &config, randoms[i]);
        assert_in_range(breaker_next_ms(&breaker), 600, 1100);
    }
}

static void the_next_instant_is_when_something_can_change(void **state)
{
    struct breaker breaker;

    (void)state;
    breaker_init(&breaker, &config);
    assert_true(breaker_next_ms(&breaker) == INT64_MIN);
    open_it(&breaker, &config, 500);
    assert_int_equal(breaker_next_ms(&breaker), 1100);
    assert_true(breaker_note_probe(&breaker, 7, 1234, NULL));
    assert_int_equal(breaker_next_ms(&breaker), 6234);
    breaker_probe_gone(&breaker, 7);
    assert_true(breaker_next_ms(&breaker) == INT64_MIN);
}

static void the_message_that_failed_last_is_poison_until_it_closes(void **state)
{
    struct breaker breaker;

    (void)state;
    breaker_init(&breaker, &config);
    breaker_failure(&breaker, 1, 0, 100, 0, NULL);
    assert_false(breaker_is_poison(&breaker, 1)); /* closed: nobody is */
    assert_false(breaker_is_poison(&breaker, 0));
    open_it(&breaker, &config, 0);
    assert_true(breaker_is_poison(&breaker, 3));
    assert_false(breaker_is_poison(&breaker, 1));
    breaker_failure(&breaker, 9, 0, 200, 0, NULL); /* late */
    assert_true(breaker_is_poison(&breaker, 3));
    assert_true(breaker_note_probe(&breaker, 4, 5000, NULL));
    assert_true(breaker_is_poison(&breaker, 3));
    breaker_failure(&breaker, 4, 5000, 5100, 0, NULL);
    assert_true(breaker_is_poison(&breaker, 4));
    assert_false(breaker_is_poison(&breaker, 3));
    assert_true(breaker_note_probe(&breaker, 5, 10000, NULL));
    breaker_success(&breaker, 5, 10000, 10100, NULL);
    assert_false(breaker_is_poison(&breaker, 4));
}

static void settings_out_of_bounds_are_taken_as_the_nearest(void **state)
{
    static const struct {
        unsigned threshold, opens_at;
    } cases[] = {{0, 1}, {1, 1}, {32, 32}, {33, 32}, {UINT_MAX, 32}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct breaker_config wild = {cases[i].threshold, INT64_MAX, INT64_MAX, INT64_MAX};
        struct breaker breaker;
        unsigned failures = 0;

        breaker_init(&breaker, &wild);
        while (breaker.state == BREAKER_CLOSED)
            breaker_failure(&breaker, failures++, 0, INT64_MAX - 5, UINT64_MAX, NULL);
        assert_int_equal(failures, cases[i].opens_at);
        assert_true(breaker_next_ms(&breaker) == INT64_MAX);
    }
}

static void every_state_has_a_name(void **state)
{
    (void)state;
    assert_string_equal(breaker_state_name(BREAKER_CLOSED), "closed");
    assert_string_equal(breaker_state_name(BREAKER_OPEN), "open");
    assert_string_equal(breaker_state_name(BREAKER_HALF_OPEN), "half_open");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failures_probes_and_late_answers_lead_where_they_should),
        cmocka_unit_test(half_of_the_cool_down_is_certain_and_half_is_jitter),
        cmocka_unit_test(the_next_instant_is_when_something_can_change),
        cmocka_unit_test(the_message_that_failed_last_is_poison_until_it_closes),
        cmocka_unit_test(settings_out_of_bounds_are_taken_as_the_nearest),
        cmocka_unit_test(every_state_has_a_name),
    };

    return cmocka_run_group_tests_name("breaker", tests, NULL, NULL);
}
