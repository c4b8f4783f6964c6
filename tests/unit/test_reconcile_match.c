/* Which letters Genesys has sent after all: what is found, and above all what is not. */
#include "producer/reconcile_match.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/envelope.h"
#include "tests/unit/unit.h"
#include "worker/letter.h"

#define AT   INT64_C(1700000000000)
#define DAY  MATCH_AFTER_MS
#define ANN  "+13175550199"
#define BOB  "+13175550188"
#define FROM "+13175550100"

/* An attempt at AT that took five seconds and that nobody knows of. */
#define TRIED "\"unknowns\":1,\"history\":[{\"at\":1700000000000,\"latency_ms\":5000,\"unknown\":true}]"
/* A worker that died had it, some time since ten seconds before AT. */
#define TAKEN_BACK "\"accepted_at\":1699999990000,\"redelivered\":1"
#define LETTER(to, from, own)                                                                                          \
    "{\"last\":{},\"envelope\":{\"payload\":{\"toAddress\":\"" to "\",\"fromAddress\":\"" from                         \
    "\",\"toAddressMessengerType\":\"sms\"},\"labels\":{\"template\":\"t\"},\"herald\":{" own "}}}"
#define MINE LETTER(ANN, FROM, TRIED)

struct document {
    const char *reason, *text;
};
struct shown {
    const char *to, *from;
    int64_t at_ms; /* after AT */
};

static const struct {
    const char *name;
    struct document letters[3]; /* the first is the one that is asked about */
    struct shown messages[4];
    enum match_verdict expected;
} rows[] = {
    {"one message of the time", {{"outcome_unknown", MINE}}, {{ANN, FROM, 1000}}, MATCH_FOUND},
    {"a number in another form", {{"outcome_unknown", MINE}}, {{"13175550199", "13175550100", 1000}}, MATCH_FOUND},
    {"none", {{"outcome_unknown", MINE}}, {{NULL, NULL, 0}}, MATCH_NOT_THERE},
    {"to somebody else", {{"outcome_unknown", MINE}}, {{BOB, FROM, 1000}}, MATCH_NOT_THERE},
    {"from another sender", {{"outcome_unknown", MINE}}, {{ANN, "+13175550111", 1000}}, MATCH_NOT_THERE},
    {"from nobody knows whom", {{"outcome_unknown", MINE}}, {{ANN, "", 1000}}, MATCH_SEVERAL},
    {"before it was tried", {{"outcome_unknown", MINE}}, {{ANN, FROM, -MATCH_SLACK_MS - 1}}, MATCH_NOT_THERE},
    {"just not before", {{"outcome_unknown", MINE}}, {{ANN, FROM, -MATCH_SLACK_MS}}, MATCH_FOUND},
    {"just not after", {{"outcome_unknown", MINE}}, {{ANN, FROM, 5000 + MATCH_SLACK_MS}}, MATCH_FOUND},
    {"after it was tried", {{"outcome_unknown", MINE}}, {{ANN, FROM, 5001 + MATCH_SLACK_MS}}, MATCH_NOT_THERE},
    {"two of the time", {{"outcome_unknown", MINE}}, {{ANN, FROM, 1000}, {ANN, FROM, 2000}}, MATCH_SEVERAL},
    {"another one within a day",
     {{"outcome_unknown", MINE}},
     {{ANN, FROM, 1000}, {ANN, FROM, 5000 + MATCH_SLACK_MS + DAY}},
     MATCH_SEVERAL},
    {"another one later", {{"outcome_unknown", MINE}}, {{ANN, FROM, 1000}, {ANN, FROM, 2 * DAY}}, MATCH_FOUND},
    {"a message without an address", {{"outcome_unknown", MINE}}, {{ANN, FROM, 1000}, {"", FROM, 9}}, MATCH_NAMELESS},
    {"another letter of that time",
     {{"outcome_unknown", MINE}, {"outcome_unknown", MINE}},
     {{ANN, FROM, 1000}},
     MATCH_SEVERAL},
    {"a rival that died of something else",
     {{"outcome_unknown", MINE}, {"rejected", MINE}},
     {{ANN, FROM, 1000}},
     MATCH_SEVERAL},
    {"a letter that was surely never tried is no rival",
     {{"outcome_unknown", MINE}, {"rejected", LETTER(ANN, FROM, "\"attempts\":1")}},
     {{ANN, FROM, 1000}},
     MATCH_FOUND},
    {"one that a lost worker may have sent, and that died untried of something else",
     {{"outcome_unknown", MINE}, {"suppressed", LETTER(ANN, FROM, TAKEN_BACK)}},
     {{ANN, FROM, 1000}},
     MATCH_SEVERAL},
    {"and one of which only the mark of the taking back says so",
     {{"outcome_unknown", MINE},
      {"expired", "{\"envelope\":{\"redelivered\":1,\"payload\":{\"toAddress\":\"" ANN "\",\"fromAddress\":\"" FROM
                  "\"},\"herald\":{\"accepted_at\":1699999990000}}}"}},
     {{ANN, FROM, 1000}},
     MATCH_SEVERAL},
    {"and one that was tried in vain afterwards",
     {{"outcome_unknown", MINE}, {"rejected", LETTER(ANN, FROM, TAKEN_BACK ",\"attempts\":1")}},
     {{ANN, FROM, 1000}},
     MATCH_SEVERAL},
    {"and one that was replayed since",
     {{"outcome_unknown", MINE}, {"suppressed", LETTER(ANN, FROM, TAKEN_BACK ",\"replayed_at\":1700000050000")}},
     {{ANN, FROM, 1000}},
     MATCH_SEVERAL},
    {"and one whose outcome is unknown itself",
     {{"outcome_unknown", MINE},
      {"outcome_unknown", LETTER(ANN, FROM,
                                 TAKEN_BACK ",\"replayed_at\":1700000050000,\"unknowns\":1,\"history\":[{\"at\":"
                                            "1700000055000,\"latency_ms\":5,\"unknown\":true}]")}},
     {{ANN, FROM, -25000}},
     MATCH_SEVERAL},
    {"one that was taken back is no rival of the time before it was accepted",
     {{"outcome_unknown", MINE}, {"suppressed", LETTER(ANN, FROM, "\"accepted_at\":1700000100000,\"redelivered\":1")}},
     {{ANN, FROM, 1000}},
     MATCH_FOUND},
    {"and none when it was not taken back at all",
     {{"outcome_unknown", MINE}, {"suppressed", LETTER(ANN, FROM, "\"accepted_at\":1699999990000,\"redelivered\":0")}},
     {{ANN, FROM, 1000}},
     MATCH_FOUND},
    {"having been taken back before a replay widens no search",
     {{"outcome_unknown",
       LETTER(ANN, FROM, "\"redelivered\":1,\"accepted_at\":1699999000000,\"replayed_at\":1699999990000," TRIED)}},
     {{ANN, FROM, -900000}},
     MATCH_NOT_THERE},
    {"a letter to somebody else is no rival",
     {{"outcome_unknown", MINE}, {"outcome_unknown", LETTER(BOB, FROM, TRIED)}},
     {{ANN, FROM, 1000}},
     MATCH_FOUND},
    {"a letter from another sender is no rival",
     {{"outcome_unknown", MINE}, {"outcome_unknown", LETTER(ANN, "+13175550111", TRIED)}},
     {{ANN, FROM, 1000}},
     MATCH_FOUND},
    {"without an address", {{"outcome_unknown", LETTER("", FROM, TRIED)}}, {{ANN, FROM, 1000}}, MATCH_NO_PERSON},
    {"a worker died with it: any time from its acceptance on",
     {{"outcome_unknown", "{\"envelope\":{\"payload\":{\"toAddress\":\"" ANN "\",\"fromAddress\":\"" FROM
                          "\"},\"herald\":{\"accepted_at\":1699999000000}}}"}},
     {{ANN, FROM, -900000}},
     MATCH_FOUND},
    {"and none before",
     {{"outcome_unknown", "{\"envelope\":{\"payload\":{\"toAddress\":\"" ANN "\",\"fromAddress\":\"" FROM
                          "\"},\"herald\":{\"accepted_at\":1699999000000}}}"}},
     {{ANN, FROM, -1100000}},
     MATCH_NOT_THERE},
    {"an attempt that the history has lost: any time",
     {{"outcome_unknown", LETTER(ANN, FROM,
                                 "\"accepted_at\":1699999000000,\"unknowns\":2,\"history\":[{\"at\":"
                                 "1700000000000,\"latency_ms\":5,\"unknown\":true}]")}},
     {{ANN, FROM, -900000}},
     MATCH_FOUND},
};

static struct provider_message message_of(const struct shown *shown)
{
    struct provider_message message = {.channel = CHANNEL_SMS, .created_ms = AT + shown->at_ms};
    struct refusal refusal;
    struct span person;

    (void)snprintf(message.id, sizeof(message.id), "p");
    (void)snprintf(message.from, sizeof(message.from), "%s", shown->from);
    if (*shown->to) {
        assert_int_equal(channel_read_address(CHANNEL_SMS, span_of(shown->to), "", &person, &refusal), 0);
        (void)channel_person(CHANNEL_SMS, person, message.to);
    }
    return message;
}

static const struct match_letter *first_letter(const struct matcher *matcher)
{
    for (size_t i = 0; i < matcher->count; i++) {
        if (strcmp(matcher->letters[i]->letter.ticket, "1-0") == 0)
            return matcher->letters[i];
    }
    fail_msg("the letter is not there");
    return NULL;
}

static void add(struct matcher *matcher, const char *ticket, const char *reason, struct span document)
{
    struct store_letter letter = {.channel = "sms", .id = "m", .at_ms = AT + 60000};
    int rc = 0;

    (void)snprintf(letter.ticket, sizeof(letter.ticket), "%s", ticket);
    (void)snprintf(letter.reason, sizeof(letter.reason), "%s", reason);
    (void)matcher_add(matcher, &letter, document, &rc);
    assert_int_equal(rc, 0);
}

static void only_what_cannot_be_anything_else_is_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct matcher matcher = {.letters = NULL};
        enum match_verdict found;

        for (size_t l = 0; l < COUNT_OF(rows[i].letters) && rows[i].letters[l].text; l++) {
            char ticket[32];

            (void)snprintf(ticket, sizeof(ticket), "%zu-0", l + 1);
            add(&matcher, ticket, rows[i].letters[l].reason, span_of(rows[i].letters[l].text));
        }
        matcher_begin(&matcher);
        for (size_t m = 0; m < COUNT_OF(rows[i].messages) && rows[i].messages[m].to; m++) {
            struct provider_message message = message_of(&rows[i].messages[m]);

            matcher_see(&matcher, &message);
        }
        found = matcher_verdict(&matcher, first_letter(&matcher));
        if (found != rows[i].expected)
            fail_msg("%s: %s", rows[i].name, match_verdict_text(found));
        matcher_clear(&matcher);
    }
}

static void the_letter_that_a_worker_writes_of_one_that_was_taken_back_is_a_rival(void **state)
{
    static const char *const texts[] = {
        "{\"redelivered\":1,\"v\":1,\"id\":\"x\",\"payload\":{\"toAddress\":\"" ANN "\",\"fromAddress\":\"" FROM
        "\",\"toAddressMessengerType\":\"sms\",\"textBody\":\"Hello\"},\"metadata\":{\"consentVerified\":true},"
        "\"herald\":{\"accepted_at\":1699999990000}}",
        "{\"redelivered\":1,\"toAddress\":\"" ANN "\",\"fromAddress\":\"" FROM
        "\",\"toAddressMessengerType\":\"sms\",\"textBody\":\"Hello\"}",
    };
    const struct letter untried = {
        .reason = "suppressed", .field = "", .detail = "the person has opted out", .at_ms = AT + 60000};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct matcher matcher = {.letters = NULL};
        const struct provider_message message = message_of(&(struct shown){ANN, FROM, 1000});
        struct envelope envelope;
        struct refusal why;
        struct buf document;

        buf_init(&document, JSON_MAX_BYTES);
        (void)envelope_read(&envelope, texts[i], strlen(texts[i]), &(struct envelope_rules){NULL}, AT - 10000, &why);
        if (envelope.progress.accepted_at_ms == 0)
            envelope.progress.accepted_at_ms = AT - 10000; /* as admit.c does */
        letter_write(&untried, &envelope, span_of(texts[i]), &document);
        envelope_clear(&envelope);
        add(&matcher, "1-0", "outcome_unknown", span_of(MINE));
        add(&matcher, "2-0", "suppressed", (struct span){document.data, document.len});
        buf_clear(&document);
        matcher_begin(&matcher);
        matcher_see(&matcher, &message);
        assert_int_equal(matcher_verdict(&matcher, first_letter(&matcher)), MATCH_SEVERAL);
        matcher_clear(&matcher);
    }
}

static void documents_that_are_none_do_not_matter(void **state)
{
    static const char *const texts[] = {"",
                                        "null",
                                        "[]",
                                        "{",
                                        "{\"envelope\":7}",
                                        "{\"raw\":\"x\"}",
                                        "{\"envelope\":{\"herald\":{\"history\":[{\"unknown\":true,\"at\":\"x\"}]}}}",
                                        "{\"envelope\":{\"herald\":{\"redelivered\":-1,\"history\":[{\"unknown\":true,"
                                        "\"at\":-9223372036854775808}]}}}",
                                        "{\"envelope\":{\"redelivered\":[],\"herald\":{\"redelivered\":\"1\"}}}"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct matcher matcher = {.letters = NULL};
        const struct store_letter letter = {.ticket = "1-0", .reason = "rejected", .id = "m", .channel = "sms"};
        int rc = 0;

        assert_false(matcher_add(&matcher, &letter, span_of(texts[i]), &rc));
        assert_int_equal(rc, 0);
        matcher_clear(&matcher);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_cannot_be_anything_else_is_found),
        cmocka_unit_test(the_letter_that_a_worker_writes_of_one_that_was_taken_back_is_a_rival),
        cmocka_unit_test(documents_that_are_none_do_not_matter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
