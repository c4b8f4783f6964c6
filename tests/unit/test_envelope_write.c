/* Envelopes as they are written: carried through retries whole, made by producers, large and deep ones included. */
#include "common/envelope.h"

#include <stdlib.h>

#include "common/reason.h"
#include "tests/unit/unit.h"

#define NOW_MS INT64_C(1800000000000)
#define PAYLOAD                                                                                                        \
    "\"payload\":{\"fromAddress\":\"i\",\"toAddress\":\"u\",\"toAddressMessengerType\":\"open\",\"textBody\":\"Hi\"}," \
    "\"metadata\":{\"consentVerified\":true}"

static const struct envelope_rules rules = {.origins = "example.com"};

static int read(struct envelope *ret, const char *text, size_t len, struct refusal *why)
{
    *why = (struct refusal){.code = ""};
    return envelope_read(ret, text, len, &rules, NOW_MS, why);
}

static void read_fine(struct envelope *ret, const struct buf *text)
{
    struct refusal why;

    if (text->overflow || read(ret, buf_str(text), text->len, &why) != 0)
        fail_msg("%.200s: %s %s %s", buf_str(text), why.code, why.field, why.text);
}

static void unknown_fields_are_carried_as_they_came(void **state)
{
    static const char text[] = "{\"x-trace\":{\"a\":[1,2.50,null,\"\xc3\xa9\\u0001\"],\"n\":-9223372036854775808},"
                               "\"v\":1,\"id\":\"o\"," PAYLOAD ",\"\":false}";
    struct envelope e;
    struct refusal why;
    struct buf out;

    (void)state;
    buf_init(&out, 10000);
    assert_int_equal(read(&e, text, sizeof(text) - 1, &why), 0);
    envelope_write(&e, NULL, &out);
    assert_memory_equal(out.data, text, sizeof(text) - 2);
    assert_string_equal(out.data + sizeof(text) - 2, ",\"herald\":{}}");
    envelope_clear(&e);
    buf_clear(&out);
}

static void progress_and_history_survive_being_written_and_read(void **state)
{
    const struct attempt_record record = {.at_ms = 5,
                                          .latency_ms = 7,
                                          .status = 500,
                                          .outcome = "deferred",
                                          .code = "internal",
                                          .message = "say \"x\"",
                                          .correlation_id = "c-1",
                                          .is_unknown = true};
    struct envelope e, again;
    struct refusal why;
    const struct json *entry;
    struct buf out;

    (void)state;
    buf_init(&out, 10000);
    assert_int_equal(read(&e, "{" PAYLOAD "}", sizeof("{" PAYLOAD "}") - 1, &why), 0);
    e.progress = (struct progress_state){
        .accepted_at_ms = NOW_MS, .attempts = 1, .unknowns = 2, .forbidden = 3, .deferrals = 4, .redelivered = 5};
    envelope_add_attempt(&e, &record);
    envelope_write(&e, "0-17", &out);
    read_fine(&again, &out);
    assert_string_equal(again.id, e.id);
    assert_memory_equal(&again.progress, &e.progress, sizeof(e.progress));
    assert_true(span_is(value_text(value_get(envelope_get(&again, "herald"), "ticket")), "0-17"));
    entry = json_at(envelope_history(&again), 0);
    assert_string_equal(json_get_text(entry, "message"), "say \"x\"");
    assert_string_equal(json_get_text(entry, "outcome"), "deferred");
    assert_true(json_is_true(json_get(entry, "unknown")));
    envelope_clear(&e);
    envelope_clear(&again);
    buf_clear(&out);
}

struct written_case {
    const char *text, *written;
};

static const struct written_case written_cases[] = {
    /* of two members with one name the last counts, in the place of the first; also when one is written otherwise */
    {"{\"id\":\"a\",\"x\":1,\"i\\u0064\":\"b\",\"x\":{\"y\":1,\"y\":2}," PAYLOAD "}",
     "{\"id\":\"b\",\"x\":{\"y\":2}," PAYLOAD ",\"herald\":{}}"},
    {"{\"id\":\"a\"," PAYLOAD ",\"herald\":{\"attempts\":1,\"attempts\":2,\"x\":[1]},\"y\":0}",
     "{\"id\":\"a\"," PAYLOAD ",\"herald\":{\"attempts\":2,\"x\":[1]},\"y\":0}"},
    {"{\"redelivered\":2,\"id\":\"a\"," PAYLOAD "}", "{\"id\":\"a\"," PAYLOAD ",\"herald\":{\"redelivered\":2}}"},
    {"{\"redelivered\":2,\"redelivered\":[],\"id\":\"a\"," PAYLOAD "}", "{\"id\":\"a\"," PAYLOAD ",\"herald\":{}}"},
    {" { \"id\" : \"a\" ,\n\"n\" : [ -0, 1.50, 1E5, null ] , " PAYLOAD " } ",
     "{\"id\":\"a\",\"n\":[0,1.50,1E5,null]," PAYLOAD ",\"herald\":{}}"},
    {"{\"id\":\"a\",\"t\":\"\\/\\u00e9\\ud83d\\ude00\\ud83d\\u0008\\u007f\\u0001\"," PAYLOAD "}",
     "{\"id\":\"a\",\"t\":\"/\xc3\xa9\xf0\x9f\x98\x80\xef\xbf\xbd\\b\x7f\\u0001\"," PAYLOAD ",\"herald\":{}}"},
};

static void what_was_read_is_written_as_a_tree_would_be(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(written_cases); i++) {
        const struct written_case *c = &written_cases[i];
        struct envelope e;
        struct refusal why;
        struct buf out;

        buf_init(&out, 10000);
        if (read(&e, c->text, strlen(c->text), &why) != 0)
            fail_msg("%s: %s %s", c->text, why.code, why.field);
        envelope_write(&e, NULL, &out);
        assert_string_equal(buf_str(&out), c->written);
        envelope_clear(&e);
        buf_clear(&out);
    }
}

/* It is put in front of whatever was pushed, and is no part of what is sent. */
static void a_bare_payload_that_was_taken_back_is_sent_and_written_without_saying_so(void **state)
{
    static const char text[] = "{\"redelivered\":3,\"fromAddress\":\"i\",\"toAddress\":\"u\",\"herald\":1,"
                               "\"toAddressMessengerType\":\"open\",\"textBody\":\"Hi\",\"id\":7,"
                               "\"metadata\":{\"consentVerified\":true}}";
    static const char sent[] = "{\"fromAddress\":\"i\",\"toAddress\":\"u\",\"herald\":1,"
                               "\"toAddressMessengerType\":\"open\",\"textBody\":\"Hi\",\"id\":7}";
    struct envelope e, again;
    struct refusal why;
    struct buf out;

    (void)state;
    buf_init(&out, 10000);
    assert_int_equal(read(&e, text, sizeof(text) - 1, &why), 0);
    assert_int_equal(e.progress.redelivered, 3);
    route_body(e.route, envelope_payload(&e), &out);
    assert_string_equal(buf_str(&out), sent);
    buf_reset(&out);
    envelope_remove(&e, "herald"); /* which a bare payload's is not */
    envelope_write(&e, NULL, &out);
    read_fine(&again, &out);
    assert_string_equal(again.id, e.id);
    assert_int_equal(again.progress.redelivered, 3);
    buf_reset(&out);
    route_body(again.route, envelope_payload(&again), &out);
    assert_string_equal(buf_str(&out), sent);
    envelope_clear(&e);
    envelope_clear(&again);
    buf_clear(&out);
}

static void the_history_keeps_the_last_attempts_only(void **state)
{
    struct attempt_record record = {.outcome = "deferred", .code = "", .message = "", .correlation_id = ""};
    struct envelope e;
    struct refusal why;
    int64_t at = 0;

    (void)state;
    assert_int_equal(read(&e, "{" PAYLOAD "}", sizeof("{" PAYLOAD "}") - 1, &why), 0);
    for (record.at_ms = 1; record.at_ms <= 100; record.at_ms++) {
        envelope_add_attempt(&e, &record);
        assert_true(json_count(envelope_history(&e)) <= ENVELOPE_HISTORY_MAX);
    }
    for (size_t i = 0; i < ENVELOPE_HISTORY_MAX; i++) {
        assert_true(json_integer(json_get(json_at(envelope_history(&e), i), "at"), &at));
        assert_int_equal(at, 101 - ENVELOPE_HISTORY_MAX + i);
    }
    envelope_clear(&e);
}

/* What a retry needs: the message with the longest history there is, written and read again and again. */
static void age(struct envelope *e, struct buf *out)
{
    char message[200];
    const struct attempt_record record = {.at_ms = NOW_MS,
                                          .latency_ms = 99999,
                                          .status = 500,
                                          .outcome = "deferred",
                                          .code = message,
                                          .message = message,
                                          .correlation_id = message};

    memset(message, 'm', sizeof(message) - 1);
    message[sizeof(message) - 1] = '\0';
    e->progress.accepted_at_ms = NOW_MS;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < ENVELOPE_HISTORY_MAX; i++)
            envelope_add_attempt(e, &record);
        buf_reset(out);
        envelope_write(e, "1-1234567890", out);
        envelope_clear(e);
        read_fine(e, out);
    }
}

static void the_largest_message_can_still_be_retried_and_a_larger_one_is_refused(void **state)
{
    for (int extra = 0; extra < 2; extra++) {
        struct envelope e;
        struct refusal why;
        struct buf text;

        (void)state;
        buf_init(&text, 8 * JSON_MAX_BYTES);
        buf_text(&text, "{" PAYLOAD ",\"x\":\"");
        while (text.len < ENVELOPE_MAX_BYTES - 2 + (size_t)extra)
            buf_char(&text, 'x');
        buf_text(&text, "\"}");
        if (extra == 0) {
            read_fine(&e, &text);
            age(&e, &text);
        } else {
            assert_int_equal(read(&e, text.data, text.len, &why), ERR_INVALID);
            assert_string_equal(why.code, "json_invalid");
        }
        envelope_clear(&e);
        buf_clear(&text);
    }
}

static void a_text_of_a_megabyte_is_a_refusal_that_names_it(void **state)
{
    struct envelope e;
    struct refusal why;
    struct buf text;

    (void)state;
    buf_init(&text, 2 * JSON_MAX_BYTES);
    buf_text(&text, "{\"id\":\"big\",\"payload\":{\"fromAddress\":\"i\",\"toAddress\":\"u\",\"toAddressMessengerType\":"
                    "\"open\",\"textBody\":\"");
    while (text.len < 900000)
        buf_text(&text, "\xf0\x9f\x98\x80");
    buf_text(&text, "\"},\"metadata\":{\"consentVerified\":true}}");
    assert_int_equal(read(&e, text.data, text.len, &why), ERR_INVALID);
    assert_string_equal(why.code, "text_too_long");
    assert_string_equal(why.field, "/payload/textBody");
    assert_string_equal(e.id, "big");
    envelope_clear(&e);
    while (text.len <= JSON_MAX_BYTES)
        buf_text(&text, " more than a mebibyte ");
    assert_int_equal(read(&e, text.data, text.len, &why), ERR_INVALID);
    assert_string_equal(why.code, "json_invalid");
    envelope_clear(&e);
    buf_clear(&text);
}

static void nest(struct buf *text, const char *before, int depth)
{
    buf_reset(text);
    buf_text(text, before);
    for (int i = 1; i < depth; i++)
        buf_char(text, '[');
    for (int i = 1; i < depth; i++)
        buf_char(text, ']');
    buf_char(text, '}');
}

/* The same payload is one deeper once it has been wrapped, and two deeper in a dead letter. */
static void the_deepest_message_can_still_be_retried_and_a_deeper_one_is_refused(void **state)
{
    static const char bare[] = "{\"fromAddress\":\"i\",\"toAddress\":\"u\",\"toAddressMessengerType\":\"open\","
                               "\"textBody\":\"Hi\",\"metadata\":{\"consentVerified\":true},\"x\":";
    struct envelope e;
    struct refusal why;
    struct buf text;

    (void)state;
    buf_init(&text, 100000);
    for (int wrapped = 0; wrapped < 2; wrapped++) {
        int deepest = wrapped ? ENVELOPE_MAX_DEPTH : ENVELOPE_MAX_DEPTH - 1;

        nest(&text, wrapped ? "{" PAYLOAD ",\"x\":" : bare, deepest);
        read_fine(&e, &text);
        age(&e, &text);
        envelope_clear(&e);
        for (int deeper = deepest + 1; deeper < 2000; deeper += deeper < 40 ? 1 : 487) {
            nest(&text, wrapped ? "{" PAYLOAD ",\"x\":" : bare, deeper);
            assert_int_equal(read(&e, text.data, text.len, &why), ERR_INVALID);
            assert_string_equal(why.code, "json_invalid");
            assert_false(envelope_is_writable(&e)); /* its dead letter shows the bytes as they came */
            envelope_clear(&e);
        }
    }
    buf_clear(&text);
}

static void a_refused_envelope_can_be_written_whatever_its_own_member_was(void **state)
{
    struct envelope e;
    struct refusal why;
    struct buf out;

    (void)state;
    buf_init(&out, 1000);
    assert_int_equal(read(&e, "{\"herald\":[1],\"a\":2,\"id\":\"o\"}", 29, &why), ERR_INVALID);
    envelope_write(&e, NULL, &out);
    assert_string_equal(buf_str(&out), "{\"herald\":{},\"a\":2,\"id\":\"o\"}");
    envelope_clear(&e);
    buf_clear(&out);
}

static void a_draft_reads_as_what_it_was_made_of(void **state)
{
    struct content content = {.channel = CHANNEL_OPEN,
                              .from = span_of("i"),
                              .to = span_of("u:\"1\""),
                              .text = span_of("Hi \"\n\xf0\x9f\x98\x80"),
                              .consent = CONSENT_GIVEN};
    struct envelope_draft draft = {
        .id = "o-1",
        .campaign = "spring",
        .route = &route_agentless,
        .priority = PRIORITY_HIGH,
        .on_unknown = ON_UNKNOWN_HOLD,
        .accepted_at_ms = NOW_MS,
        .send_at_ms = NOW_MS + 1,
        .expires_at_ms = NOW_MS + 2,
        .callback_url = "https://x/\"",
        .labels_json = "{\"team\":\"a\"}",
        .origin = {"https://example.com/\"", 21},
    };
    struct envelope e;
    struct buf out, common, again;

    (void)state;
    buf_init(&out, 10000);
    buf_init(&common, 10000);
    buf_init(&again, 10000);
    envelope_draft_write(&draft, &content, &out);
    envelope_draft_common(&draft, &common);
    draft.common = (struct span){common.data, common.len};
    envelope_draft_write(&draft, &content, &again);
    assert_string_equal(buf_str(&again), buf_str(&out));
    buf_clear(&common);
    buf_clear(&again);
    read_fine(&e, &out);
    assert_string_equal(e.id, "o-1");
    assert_string_equal(e.campaign, "spring");
    assert_int_equal(e.priority, PRIORITY_HIGH);
    assert_int_equal(e.on_unknown, ON_UNKNOWN_HOLD);
    assert_int_equal(e.progress.accepted_at_ms, NOW_MS);
    assert_int_equal(e.send_at_ms, NOW_MS + 1);
    assert_int_equal(e.expires_at_ms, NOW_MS + 2);
    assert_true(span_is(e.callback_url, "https://x/\""));
    assert_true(span_is(value_text(value_get(envelope_get(&e, "labels"), "team")), "a"));
    assert_true(span_is(e.content.to, "u:\"1\"") && span_is(e.content.text, "Hi \"\n\xf0\x9f\x98\x80"));
    envelope_clear(&e);
    buf_clear(&out);
}

static void a_draft_has_nothing_that_is_a_default(void **state)
{
    struct content content = {.channel = CHANNEL_SMS,
                              .from = span_of("+13175550100"),
                              .to = span_of("13175550199"),
                              .text = span_of("Hi"),
                              .consent = CONSENT_GIVEN};
    struct envelope_draft draft = {
        .id = "o", .route = &route_agentless, .priority = PRIORITY_NORMAL, .accepted_at_ms = 1};
    struct buf out;

    (void)state;
    buf_init(&out, 1000);
    envelope_draft_write(&draft, &content, &out);
    assert_string_equal(buf_str(&out),
                        "{\"v\":1,\"id\":\"o\",\"route\":\"agentless\",\"herald\":{\"accepted_at\":1},\"payload\":{"
                        "\"fromAddress\":\"+13175550100\",\"toAddress\":\"+13175550199\","
                        "\"toAddressMessengerType\":\"sms\",\"textBody\":\"Hi\"},"
                        "\"metadata\":{\"consentVerified\":true}}");
    buf_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_fields_are_carried_as_they_came),
        cmocka_unit_test(progress_and_history_survive_being_written_and_read),
        cmocka_unit_test(what_was_read_is_written_as_a_tree_would_be),
        cmocka_unit_test(a_bare_payload_that_was_taken_back_is_sent_and_written_without_saying_so),
        cmocka_unit_test(the_history_keeps_the_last_attempts_only),
        cmocka_unit_test(the_largest_message_can_still_be_retried_and_a_larger_one_is_refused),
        cmocka_unit_test(a_text_of_a_megabyte_is_a_refusal_that_names_it),
        cmocka_unit_test(the_deepest_message_can_still_be_retried_and_a_deeper_one_is_refused),
        cmocka_unit_test(a_refused_envelope_can_be_written_whatever_its_own_member_was),
        cmocka_unit_test(a_draft_reads_as_what_it_was_made_of),
        cmocka_unit_test(a_draft_has_nothing_that_is_a_default),
    };

    return cmocka_run_group_tests_name("envelope write", tests, NULL, NULL);
}
