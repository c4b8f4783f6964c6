/* What becomes of a callback after each kind of answer, and what that says of its host. */
#include "worker/callback_verdict.h"

#include "tests/unit/unit.h"

#define HOUR_MS INT64_C(3600000)

static const struct callback_limits limits = {
    .attempts_max = 5, .age_max_ms = 24 * HOUR_MS, .retry_base_ms = 1000, .retry_cap_ms = HOUR_MS};

#define ANSWER(number) .attempt = {.transport = TRANSPORT_ANSWERED, .status = (number), .retry_after_ms = -1}
#define SILENCE(kind)  .attempt = {.transport = (kind), .retry_after_ms = -1}

static const struct verdict_case {
    const char *about;
    struct callback_attempt attempt;
    enum store_callback_outcome outcome;
    enum store_callback_verdict host;
    enum callback_failure failure;
    bool is_unburnt;
} cases[] = {
    {"200", ANSWER(200), STORE_CALLBACK_DONE, STORE_HOST_UP},
    {"204", ANSWER(204), STORE_CALLBACK_DONE, STORE_HOST_UP},
    {"299", ANSWER(299), STORE_CALLBACK_DONE, STORE_HOST_UP},
    {"199", ANSWER(199), STORE_CALLBACK_LATER, STORE_HOST_DOWN},
    {"301", ANSWER(301), STORE_CALLBACK_DEAD, STORE_HOST_UP, CALLBACK_REJECTED},
    {"307", ANSWER(307), STORE_CALLBACK_DEAD, STORE_HOST_UP, CALLBACK_REJECTED},
    {"400", ANSWER(400), STORE_CALLBACK_LATER, STORE_HOST_UP},
    {"401", ANSWER(401), STORE_CALLBACK_LATER, STORE_HOST_UP},
    {"404", ANSWER(404), STORE_CALLBACK_LATER, STORE_HOST_UP},
    {"410", ANSWER(410), STORE_CALLBACK_DEAD, STORE_HOST_UP, CALLBACK_REJECTED},
    {"429", ANSWER(429), STORE_CALLBACK_LATER, STORE_HOST_UNJUDGED},
    {"500", ANSWER(500), STORE_CALLBACK_LATER, STORE_HOST_DOWN},
    {"503", ANSWER(503), STORE_CALLBACK_LATER, STORE_HOST_DOWN},
    {"600", ANSWER(600), STORE_CALLBACK_LATER, STORE_HOST_DOWN},
    {"no connection", SILENCE(TRANSPORT_NOT_SENT), STORE_CALLBACK_LATER, STORE_HOST_DOWN},
    {"no answer", SILENCE(TRANSPORT_UNKNOWN), STORE_CALLBACK_LATER, STORE_HOST_DOWN},
    {"withdrawn at the stop", SILENCE(TRANSPORT_WITHHELD), STORE_CALLBACK_LATER, STORE_HOST_UNJUDGED,
     .is_unburnt = true},
    {"no address that is allowed",
     .attempt = {.transport = TRANSPORT_NOT_SENT, .is_forbidden = true, .retry_after_ms = -1}, STORE_CALLBACK_DEAD,
     STORE_HOST_UNJUDGED, CALLBACK_FORBIDDEN},
    {"the last attempt", .attempt = {.transport = TRANSPORT_UNKNOWN, .attempts = 4, .retry_after_ms = -1},
     STORE_CALLBACK_DEAD, STORE_HOST_DOWN, CALLBACK_EXHAUSTED},
    {"the last attempt succeeds",
     .attempt = {.transport = TRANSPORT_ANSWERED, .status = 200, .attempts = 4, .retry_after_ms = -1},
     STORE_CALLBACK_DONE, STORE_HOST_UP},
    {"too old",
     .attempt = {.transport = TRANSPORT_ANSWERED, .status = 404, .age_ms = 24 * HOUR_MS, .retry_after_ms = -1},
     STORE_CALLBACK_DEAD, STORE_HOST_UP, CALLBACK_EXHAUSTED},
    {"withdrawn although too old",
     .attempt = {.transport = TRANSPORT_WITHHELD, .age_ms = 25 * HOUR_MS, .retry_after_ms = -1}, STORE_CALLBACK_LATER,
     STORE_HOST_UNJUDGED, .is_unburnt = true},
};

static void each_answer_has_its_consequence(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct verdict_case *c = &cases[i];
        const struct callback_verdict verdict = callback_judge(&c->attempt, &limits, 12345);

        if (verdict.outcome != c->outcome || verdict.host != c->host || verdict.is_burnt == c->is_unburnt ||
            (c->outcome == STORE_CALLBACK_DEAD && verdict.failure != c->failure))
            fail_msg("%s: outcome %d, host %d, failure %d", c->about, (int)verdict.outcome, (int)verdict.host,
                     (int)verdict.failure);
    }
}

static int64_t delay_after(int64_t attempts, int64_t age_ms, long status, int64_t retry_after_ms, uint64_t random,
                           int64_t *ret_host_wait_ms)
{
    const struct callback_attempt attempt = {
        .transport = TRANSPORT_ANSWERED,
        .status = status,
        .attempts = attempts,
        .age_ms = age_ms,
        .retry_after_ms = retry_after_ms,
    };
    const struct callback_verdict verdict = callback_judge(&attempt, &limits, random);

    *ret_host_wait_ms = verdict.host_wait_ms;
    return verdict.delay_ms;
}

static void retries_come_later_and_later_and_not_before_the_host_wants_them(void **state)
{
    int64_t wait_ms;

    (void)state;
    assert_int_equal(delay_after(0, 0, 500, -1, 1000, &wait_ms), 1000); /* of 0 to 1000 */
    assert_int_equal(delay_after(0, 0, 500, -1, 1001, &wait_ms), 1);
    assert_int_equal(delay_after(2, 0, 500, -1, 4000, &wait_ms), 4000); /* of 0 to 4000 */
    assert_int_equal(wait_ms, 0);
    assert_int_equal(delay_after(2, 24 * HOUR_MS - 10, 500, -1, 4000, &wait_ms), 10); /* right before its end */
    assert_int_equal(delay_after(0, 0, 503, 60000, 500, &wait_ms), 60000);
    assert_int_equal(wait_ms, 60000);
    assert_int_equal(delay_after(0, 0, 429, 100, 500, &wait_ms), 500);
    assert_int_equal(wait_ms, 100);
    assert_int_equal(delay_after(0, 0, 500, 60000, 500, &wait_ms), 500); /* it is for those two */
    assert_int_equal(wait_ms, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_answer_has_its_consequence),
        cmocka_unit_test(retries_come_later_and_later_and_not_before_the_host_wants_them),
    };

    return cmocka_run_group_tests_name("callback_verdict", tests, NULL, NULL);
}
