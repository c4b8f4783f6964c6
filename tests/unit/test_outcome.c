/* What a client of the gateway is told: problems, and what became of one message and of many. */
#include "producer/gateway/outcome.h"

#include <string.h>

#include "common/json.h"
#include "common/refusal.h"
#include "tests/unit/unit.h"

#define HOSTILE "\"\\\n\x1b\x7f</script>"

static struct json *must_parse(const struct answer *answer)
{
    struct reason why = {""};
    struct json *json = NULL;

    assert_false(answer->body.overflow);
    if (json_parse(&json, answer->body.data, answer->body.len, &why) != 0)
        fail_msg("%s in %s", why.text, answer->body.data);
    assert_int_equal(answer->body.data[answer->body.len - 1], '\n');
    return json;
}

static struct outcome outcome_with(enum outcome_kind kind, const char *id)
{
    struct outcome outcome = {.kind = kind};

    outcome_set_id(&outcome, id);
    return outcome;
}

static struct outcome refused_with(const char *code, const char *field, const char *text)
{
    struct outcome outcome = {.kind = OUTCOME_ACCEPTED};
    struct refusal why;

    (void)refuse(&why, code, field, "%s", text);
    outcome_refuse(&outcome, &why);
    return outcome;
}

static void a_problem_is_whole_whatever_its_texts_hold(void **state)
{
    static char endless[2000];
    struct answer answer;
    struct json *json;

    (void)state;
    memset(endless, 'x', sizeof(endless) - 1);
    answer_init(&answer);
    answer_problem(&answer, 422, "field_invalid", "/a" HOSTILE, "%s", HOSTILE);
    assert_int_equal(answer.status, 422);
    assert_string_equal(answer.content_type, "application/problem+json");
    json = must_parse(&answer);
    assert_string_equal(json_get_text(json, "type"), "urn:herald:problem:field_invalid");
    assert_string_equal(json_get_text(json, "title"), "Unprocessable Content");
    assert_string_equal(json_get_text(json, "code"), "field_invalid");
    assert_string_equal(json_get_text(json, "detail"), HOSTILE);
    assert_string_equal(json_get_text(json, "pointer"), "/a" HOSTILE);
    json_free(json);

    answer_problem(&answer, 400, "json_invalid", "", "%s", endless); /* the one before it is gone */
    json = must_parse(&answer);
    assert_null(json_get(json, "pointer"));
    assert_int_equal(strlen(json_get_text(json, "detail")), 511);
    json_free(json);
    answer_clear(&answer);
    answer_clear(&answer);
}

static void each_status_has_its_phrase(void **state)
{
    static const int statuses[] = {200, 202, 204, 207, 400, 401, 403, 404, 405, 408, 409, 413, 415, 422, 431, 500, 503};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(statuses); i++)
        assert_string_not_equal(answer_phrase(statuses[i]), "Error");
    assert_string_equal(answer_phrase(299), "Error");
}

struct alone_case {
    struct outcome outcome;
    int status;
    const char *code, *pointer, *id;
    bool is_replayed, comes_again;
};

static void one_message_is_answered_by_what_became_of_it(void **state)
{
    struct alone_case cases[] = {
        {outcome_with(OUTCOME_ACCEPTED, "m1"), 202, NULL, NULL, "m1", false, false},
        {outcome_with(OUTCOME_REPEATED, "m1"), 202, NULL, NULL, "m1", true, false},
        {outcome_with(OUTCOME_REPEATED, ""), 202, NULL, NULL, NULL, true, false},
        {outcome_with(OUTCOME_FULL, ""), 503, "backlog_full", NULL, NULL, false, true},
        {outcome_with(OUTCOME_UNKNOWN, "m1"), 503, "redis_away", NULL, NULL, false, true},
        {refused_with("text_missing", "/payload/textBody", "must"), 422, "text_missing", "/payload/textBody", NULL,
         false, false},
        {refused_with("json_invalid", "", "ends"), 400, "json_invalid", NULL, NULL, false, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct alone_case *c = &cases[i];
        struct answer answer;
        struct json *json;

        answer_init(&answer);
        outcome_write_alone(&c->outcome, &answer);
        json = must_parse(&answer);
        assert_int_equal(answer.status, c->status);
        assert_int_equal(answer.is_replayed, c->is_replayed);
        assert_int_equal(answer.retry_after_s > 0, c->comes_again);
        if (c->code)
            assert_string_equal(json_get_text(json, "code"), c->code);
        else
            assert_string_equal(json_get_text(json, "status"), "accepted");
        assert_int_equal(json_get(json, "pointer") != NULL, c->pointer != NULL);
        if (c->pointer)
            assert_string_equal(json_get_text(json, "pointer"), c->pointer);
        assert_int_equal(json_get(json, "id") != NULL, c->id != NULL);
        json_free(json);
        answer_clear(&answer);
        outcome_clear(&c->outcome);
        outcome_clear(&c->outcome);
    }
}

struct many_case {
    enum outcome_kind kinds[3];
    int status;
    bool is_replayed, comes_again;
};

static const struct many_case many_cases[] = {
    {{OUTCOME_ACCEPTED, OUTCOME_ACCEPTED, OUTCOME_ACCEPTED}, 202, false, false},
    {{OUTCOME_ACCEPTED, OUTCOME_REPEATED, OUTCOME_ACCEPTED}, 202, false, false},
    {{OUTCOME_REPEATED, OUTCOME_REPEATED, OUTCOME_REPEATED}, 202, true, false},
    {{OUTCOME_ACCEPTED, OUTCOME_REFUSED, OUTCOME_ACCEPTED}, 207, false, false},
    {{OUTCOME_REFUSED, OUTCOME_REFUSED, OUTCOME_REFUSED}, 422, false, false},
    {{OUTCOME_FULL, OUTCOME_FULL, OUTCOME_FULL}, 503, false, true},
    {{OUTCOME_UNKNOWN, OUTCOME_FULL, OUTCOME_UNKNOWN}, 503, false, true},
    {{OUTCOME_ACCEPTED, OUTCOME_FULL, OUTCOME_FULL}, 207, false, true},
    {{OUTCOME_REFUSED, OUTCOME_UNKNOWN, OUTCOME_REFUSED}, 207, false, true},
};

static void many_messages_are_answered_one_by_one_and_by_one_status(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(many_cases); i++) {
        const struct many_case *c = &many_cases[i];
        struct outcome outcomes[3];
        struct answer answer;
        struct json *json;
        int64_t sum = 0, number = 0;

        for (size_t k = 0; k < 3; k++)
            outcomes[k] = c->kinds[k] == OUTCOME_REFUSED ? refused_with("field_invalid", "/id", HOSTILE)
                                                         : outcome_with(c->kinds[k], "m1");
        answer_init(&answer);
        outcomes_write(outcomes, 3, &answer);
        json = must_parse(&answer);
        if (answer.status != c->status || answer.is_replayed != c->is_replayed ||
            (answer.retry_after_s > 0) != c->comes_again)
            fail_msg("case %zu: %d %s", i, answer.status, answer.body.data);
        assert_int_equal(json_count(json_get(json, "items")), 3);
        for (size_t k = 0; k < 3; k++) {
            static const char *const pointers[] = {"/0/id", "/1/id", "/2/id"};

            if (c->kinds[k] == OUTCOME_REFUSED)
                assert_string_equal(json_get_text(json_at(json_get(json, "items"), k), "pointer"), pointers[k]);
        }
        for (size_t k = 0; k < 3; k++) {
            static const char *const sums[] = {"accepted", "refused", "put_off"};

            assert_true(json_integer(json_get(json, sums[k]), &number));
            sum += number;
        }
        assert_int_equal(sum, 3);
        json_free(json);
        answer_clear(&answer);
        for (size_t k = 0; k < 3; k++)
            outcome_clear(&outcomes[k]);
    }
}

static void what_the_store_said_becomes_an_outcome(void **state)
{
    static const struct {
        int rc;
        enum store_accepted answer;
        enum outcome_kind kind;
        const char *id;
    } cases[] = {
        {0, STORE_TAKEN, OUTCOME_ACCEPTED, "own"},
        {0, STORE_TAKEN_ONCE, OUTCOME_REPEATED, "first"},
        {0, STORE_KEY_REUSED, OUTCOME_REFUSED, ""},
        {0, STORE_FULL, OUTCOME_FULL, ""},
        {ERR_UNREACHABLE, STORE_TAKEN, OUTCOME_UNKNOWN, "own"},
        {ERR_STATE, STORE_TAKEN, OUTCOME_UNKNOWN, "own"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct store_acceptance answer = {.answer = cases[i].answer, .id = "first"};
        struct outcome outcome = outcome_with(OUTCOME_ACCEPTED, "own");

        outcome_of(&outcome, cases[i].rc, cases[i].rc == 0 ? &answer : NULL);
        assert_int_equal(outcome.kind, cases[i].kind);
        assert_string_equal(outcome.id, cases[i].id);
        outcome_clear(&outcome);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_problem_is_whole_whatever_its_texts_hold),
        cmocka_unit_test(each_status_has_its_phrase),
        cmocka_unit_test(one_message_is_answered_by_what_became_of_it),
        cmocka_unit_test(many_messages_are_answered_one_by_one_and_by_one_status),
        cmocka_unit_test(what_the_store_said_becomes_an_outcome),
    };

    return cmocka_run_group_tests_name("outcome", tests, NULL, NULL);
}
