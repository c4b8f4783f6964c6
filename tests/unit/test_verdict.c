/* The answer table of the design, row by row, and what a message's own facts change about it. */
#include "worker/verdict.h"

#include <limits.h>
#include <string.h>

#include "tests/unit/unit.h"

/* Columns: transport, status, fresh token, then what is expected of a young message under `resend`. */
struct row_case {
    const char *name;
    enum transport transport;
    long status;
    bool fresh_token;
    enum outcome outcome;
    enum org_action org_action;
    enum breaker_mark breaker_mark;
    bool burns_attempt, is_unknown;
};

#define A                TRANSPORT_ANSWERED
#define SENT             OUTCOME_SENT, ORG_NONE, BREAKER_SUCCESS, true, false
#define RETURNED(action) OUTCOME_RETURNED, action, BREAKER_IGNORE, false, false
#define COUNTED          OUTCOME_DEFERRED, ORG_COUNT_FORBIDDEN, BREAKER_IGNORE, false, false
#define DEFERRED_FREE    OUTCOME_DEFERRED, ORG_NONE, BREAKER_FAILURE, false, false
#define DEFERRED_BURNT   OUTCOME_DEFERRED, ORG_NONE, BREAKER_FAILURE, true, false
#define UNKNOWN          OUTCOME_DEFERRED, ORG_NONE, BREAKER_FAILURE, true, true
#define REJECTED         OUTCOME_DEAD, ORG_NONE, BREAKER_SUCCESS, true, false

static const struct row_case row_cases[] = {
    /* 2xx: sent */
    {"sent", A, 200, false, SENT},
    {"sent", A, 201, false, SENT},
    {"sent", A, 202, false, SENT},
    {"sent", A, 204, true, SENT},
    {"sent", A, 299, false, SENT},
    /* 429: the org pauses, the message returns to the front, no attempt burnt */
    {"rate_limited", A, 429, false, RETURNED(ORG_PAUSE_RATE)},
    {"rate_limited", A, 429, true, RETURNED(ORG_PAUSE_RATE)},
    /* 401: token dropped and fetched once, message tried again; a fresh token gets it too: org paused */
    {"token_refused", A, 401, false, RETURNED(ORG_DROP_TOKEN)},
    {"credentials_refused", A, 401, true, RETURNED(ORG_PAUSE_DENIED)},
    /* 403: to be counted */
    {"forbidden", A, 403, false, COUNTED},
    {"forbidden", A, 403, true, COUNTED},
    /* other 4xx about the message: dead */
    {"rejected", A, 400, false, REJECTED},
    {"rejected", A, 402, false, REJECTED},
    {"rejected", A, 404, false, REJECTED},
    {"rejected", A, 405, false, REJECTED},
    {"rejected", A, 409, false, REJECTED},
    {"rejected", A, 410, false, REJECTED},
    {"rejected", A, 413, false, REJECTED},
    {"rejected", A, 415, false, REJECTED},
    {"rejected", A, 422, true, REJECTED},
    {"rejected", A, 499, false, REJECTED},
    /* 408, 5xx: deferred, counted by the breaker; all but 408 and 503 unknown */
    {"request_timeout", A, 408, false, DEFERRED_BURNT},
    {"server_error", A, 500, false, UNKNOWN},
    {"server_error", A, 501, false, UNKNOWN},
    {"server_error", A, 502, false, UNKNOWN},
    {"unavailable", A, 503, false, DEFERRED_FREE},
    {"server_error", A, 504, false, UNKNOWN},
    {"server_error", A, 505, false, UNKNOWN},
    {"server_error", A, 599, false, UNKNOWN},
    /* 3xx: our configuration */
    {"redirected", A, 301, false, DEFERRED_FREE},
    {"redirected", A, 302, false, DEFERRED_FREE},
    {"redirected", A, 304, false, DEFERRED_FREE},
    {"redirected", A, 307, false, DEFERRED_FREE},
    {"redirected", A, 399, false, DEFERRED_FREE},
    /* no final status */
    {"no_status", A, 0, false, UNKNOWN},
    {"no_status", A, 100, false, UNKNOWN},
    {"no_status", A, 101, false, UNKNOWN},
    {"no_status", A, 199, false, UNKNOWN},
    {"no_status", A, 600, false, UNKNOWN},
    {"no_status", A, -200, false, UNKNOWN},
    {"no_status", A, LONG_MIN, false, UNKNOWN},
    {"no_status", A, LONG_MAX, true, UNKNOWN},
    /* connect, TLS, DNS failure before the request left: whatever status is left over in the result */
    {"not_sent", TRANSPORT_NOT_SENT, 0, false, DEFERRED_FREE},
    {"not_sent", TRANSPORT_NOT_SENT, 200, true, DEFERRED_FREE},
    /* timeout or reset after it left */
    {"no_answer", TRANSPORT_UNKNOWN, 0, false, UNKNOWN},
    {"no_answer", TRANSPORT_UNKNOWN, 200, false, UNKNOWN},
    {"no_answer", (enum transport)99, 200, false, UNKNOWN},
    /* kept back by us: nobody's failure */
    {"withheld", TRANSPORT_WITHHELD, 0, false, RETURNED(ORG_NONE)},
    {"withheld", TRANSPORT_WITHHELD, 200, true, RETURNED(ORG_NONE)},
};

static const struct verdict_facts young = {.max_attempts = 8, .left_ms = INT64_MAX};

static struct verdict judge(enum transport transport, long status, const struct verdict_facts *facts)
{
    const struct attempt_result result = {.transport = transport, .status = status};

    return verdict_of(&result, facts);
}

static void every_row_of_the_answer_table_comes_to_what_the_design_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(row_cases); i++) {
        const struct row_case *c = &row_cases[i];
        const struct attempt_result result = {c->transport, c->status, c->fresh_token};
        struct verdict v = verdict_of(&result, &young);

        if (strcmp(v.name, c->name) != 0 || v.outcome != c->outcome || v.org_action != c->org_action ||
            v.breaker_mark != c->breaker_mark || v.burns_attempt != c->burns_attempt || v.is_unknown != c->is_unknown)
            fail_msg("%s %ld: %s, %s, action %d, mark %d, burns %d, unknown %d", c->name, c->status, v.name,
                     outcome_name(v.outcome), (int)v.org_action, (int)v.breaker_mark, v.burns_attempt, v.is_unknown);
        if (c->outcome == OUTCOME_DEAD)
            assert_string_equal(v.reason, "rejected");
        else
            assert_null(v.reason);
    }
}

static void every_status_there_is_has_a_verdict(void **state)
{
    (void)state;
    for (long status = -1; status <= 1000; status++) {
        struct verdict v = judge(A, status, &young);

        assert_non_null(v.name);
        assert_int_equal(v.outcome == OUTCOME_SENT, status >= 200 && status <= 299);
        assert_int_equal(v.outcome == OUTCOME_DEAD, v.reason != NULL);
        if (v.outcome == OUTCOME_RETURNED)
            assert_false(v.burns_attempt);
        if (v.is_unknown)
            assert_true(v.burns_attempt);
    }
}

struct facts_case {
    const char *about;
    enum transport transport;
    long status;
    struct verdict_facts facts;
    enum outcome outcome;
    const char *reason;
    bool is_unknown;
};

#define HOLD(before, max, left)                                                                                        \
    {                                                                                                                  \
        true, before, max, left                                                                                        \
    }
#define RESEND(before, max, left)                                                                                      \
    {                                                                                                                  \
        false, before, max, left                                                                                       \
    }
#define YOUNG INT64_MAX

static const struct facts_case facts_cases[] = {
    {"500 under hold", A, 500, HOLD(0, 8, YOUNG), OUTCOME_DEAD, "outcome_unknown", true},
    {"502 under hold", A, 502, HOLD(0, 8, YOUNG), OUTCOME_DEAD, "outcome_unknown", true},
    {"504 under hold", A, 504, HOLD(0, 8, YOUNG), OUTCOME_DEAD, "outcome_unknown", true},
    {"silence under hold", TRANSPORT_UNKNOWN, 0, HOLD(0, 8, YOUNG), OUTCOME_DEAD, "outcome_unknown", true},
    {"no status under hold", A, 0, HOLD(0, 8, YOUNG), OUTCOME_DEAD, "outcome_unknown", true},
    {"unknown counts before attempts", A, 500, HOLD(7, 8, YOUNG), OUTCOME_DEAD, "outcome_unknown", true},
    {"unknown counts before age", A, 500, HOLD(0, 8, 0), OUTCOME_DEAD, "outcome_unknown", true},
    {"503 under hold is known", A, 503, HOLD(0, 8, YOUNG), OUTCOME_DEFERRED, NULL, false},
    {"408 under hold is known", A, 408, HOLD(0, 8, YOUNG), OUTCOME_DEFERRED, NULL, false},
    {"not sent under hold is known", TRANSPORT_NOT_SENT, 0, HOLD(0, 8, YOUNG), OUTCOME_DEFERRED, NULL, false},
    {"429 under hold", A, 429, HOLD(0, 8, YOUNG), OUTCOME_RETURNED, NULL, false},
    {"sent under hold", A, 202, HOLD(0, 8, YOUNG), OUTCOME_SENT, NULL, false},

    {"the last but one attempt", A, 500, RESEND(6, 8, YOUNG), OUTCOME_DEFERRED, NULL, true},
    {"the last attempt", A, 500, RESEND(7, 8, YOUNG), OUTCOME_DEAD, "attempts_exhausted", true},
    {"the last attempt, silence", TRANSPORT_UNKNOWN, 0, RESEND(7, 8, YOUNG), OUTCOME_DEAD, "attempts_exhausted", true},
    {"the last attempt, 408", A, 408, RESEND(7, 8, YOUNG), OUTCOME_DEAD, "attempts_exhausted", false},
    {"one attempt only", A, 500, RESEND(0, 1, YOUNG), OUTCOME_DEAD, "attempts_exhausted", true},
    {"no attempt at all counts as one", A, 500, RESEND(0, 0, YOUNG), OUTCOME_DEAD, "attempts_exhausted", true},
    {"more attempts than allowed", A, 500, RESEND(UINT_MAX, 8, YOUNG), OUTCOME_DEAD, "attempts_exhausted", true},
    {"sent at the last attempt", A, 200, RESEND(7, 8, YOUNG), OUTCOME_SENT, NULL, false},
    {"rejected at the last attempt", A, 400, RESEND(7, 8, YOUNG), OUTCOME_DEAD, "rejected", false},

    {"an outage burns nothing: 503", A, 503, RESEND(7, 8, YOUNG), OUTCOME_DEFERRED, NULL, false},
    {"an outage burns nothing: not sent", TRANSPORT_NOT_SENT, 0, RESEND(99, 8, 1), OUTCOME_DEFERRED, NULL, false},
    {"a wrong URL burns nothing", A, 302, RESEND(7, 8, YOUNG), OUTCOME_DEFERRED, NULL, false},
    {"wrong credentials bury nobody", A, 401, RESEND(7, 8, YOUNG), OUTCOME_RETURNED, NULL, false},
    {"a full window buries nobody", A, 429, RESEND(7, 8, YOUNG), OUTCOME_RETURNED, NULL, false},

    {"a millisecond left", A, 503, RESEND(0, 8, 1), OUTCOME_DEFERRED, NULL, false},
    {"nothing left: 503", A, 503, RESEND(0, 8, 0), OUTCOME_DEAD, "expired", false},
    {"nothing left: not sent", TRANSPORT_NOT_SENT, 0, RESEND(0, 8, INT64_MIN), OUTCOME_DEAD, "expired", false},
    {"nothing left: 429", A, 429, RESEND(0, 8, 0), OUTCOME_DEAD, "expired", false},
    {"nothing left: 500", A, 500, RESEND(0, 8, 0), OUTCOME_DEAD, "expired", true},
    {"nothing left and no attempt either", A, 500, RESEND(7, 8, 0), OUTCOME_DEAD, "attempts_exhausted", true},
    {"nothing left, but sent", A, 200, RESEND(0, 8, 0), OUTCOME_SENT, NULL, false},
    {"nothing left, but rejected", A, 400, RESEND(0, 8, 0), OUTCOME_DEAD, "rejected", false},
};

static void attempts_age_and_hold_end_a_message_with_their_own_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(facts_cases); i++) {
        const struct facts_case *c = &facts_cases[i];
        struct verdict v = judge(c->transport, c->status, &c->facts);
        const char *reason = v.reason ? v.reason : "none";

        if (v.outcome != c->outcome || v.is_unknown != c->is_unknown || strcmp(reason, c->reason ? c->reason : "none"))
            fail_msg("%s: %s, reason %s, unknown %d", c->about, outcome_name(v.outcome), reason, v.is_unknown);
    }
}

static void what_the_organisation_does_stays_when_the_message_is_too_old(void **state)
{
    const struct verdict_facts old = {.max_attempts = 8, .left_ms = 0};

    (void)state;
    assert_int_equal(judge(A, 429, &old).org_action, ORG_PAUSE_RATE);
    assert_int_equal(judge(A, 401, &old).org_action, ORG_DROP_TOKEN);
    assert_int_equal(judge(A, 403, &old).org_action, ORG_COUNT_FORBIDDEN);
    assert_int_equal(judge(A, 503, &old).breaker_mark, BREAKER_FAILURE);
}

struct forbidden_case {
    enum forbidden_verdict forbidden;
    int64_t left_ms;
    enum outcome outcome;
    enum org_action org_action;
    const char *reason;
};

static const struct forbidden_case forbidden_cases[] = {
    {FORBIDDEN_WAIT, YOUNG, OUTCOME_DEFERRED, ORG_NONE, "none"},
    {FORBIDDEN_PAUSE, YOUNG, OUTCOME_RETURNED, ORG_PAUSE_DENIED, "none"},
    {FORBIDDEN_DEAD, YOUNG, OUTCOME_DEAD, ORG_NONE, "forbidden"},
    {FORBIDDEN_WAIT, 0, OUTCOME_DEAD, ORG_NONE, "expired"},
    {FORBIDDEN_PAUSE, 0, OUTCOME_DEAD, ORG_PAUSE_DENIED, "expired"},
    {FORBIDDEN_DEAD, 0, OUTCOME_DEAD, ORG_NONE, "expired"},
};

static void a_403_is_completed_by_what_its_neighbours_say_and_burns_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(forbidden_cases); i++) {
        const struct forbidden_case *c = &forbidden_cases[i];
        const struct verdict_facts facts = {.attempts_before = 7, .max_attempts = 8, .left_ms = c->left_ms};
        struct verdict v = judge(A, 403, &facts);

        verdict_add_forbidden(&v, c->forbidden);
        assert_int_equal(v.outcome, c->outcome);
        assert_int_equal(v.org_action, c->org_action);
        assert_string_equal(v.reason ? v.reason : "none", c->reason);
        assert_false(v.burns_attempt);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_of_the_answer_table_comes_to_what_the_design_says),
        cmocka_unit_test(every_status_there_is_has_a_verdict),
        cmocka_unit_test(attempts_age_and_hold_end_a_message_with_their_own_reason),
        cmocka_unit_test(what_the_organisation_does_stays_when_the_message_is_too_old),
        cmocka_unit_test(a_403_is_completed_by_what_its_neighbours_say_and_burns_nothing),
    };

    return cmocka_run_group_tests_name("verdict", tests, NULL, NULL);
}
