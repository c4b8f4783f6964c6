/* What is read out of an answer: Genesys' own bodies, OAuth's, a proxy's, and hostile ones. */
#include "common/answer.h"

#include <stdlib.h>
#include <string.h>

#include "common/utf8.h"
#include "tests/unit/unit.h"

#define ID_63   "123456789012345678901234567890123456789012345678901234567890abc"
#define E_ACUTE "\xc3\xa9"

struct answer_case {
    const char *about;
    struct answer_raw raw; /* body_len is taken from the text */
    struct answer answer;  /* expected; a retry_after_ms of 0 stands for absent here */
};

static const struct answer_case cases[] = {
    {"agentless, 200",
     {.status = 200, .correlation_id = "c-1", .body = "{\"id\":\"m-1\",\"conversationId\":\"v-1\",\"message\":{}}"},
     {.message_id = "m-1", .conversation_id = "v-1", .correlation_id = "c-1"}},
    {"the tutorial's 201", {.status = 201, .body = "{\"id\":\"msg_9f8e\"}"}, {.message_id = "msg_9f8e"}},
    {"202 without a body", {.status = 202, .correlation_id = "c-1", .request_id = "r-1"}, {.correlation_id = "c-1"}},
    {"200 that is not JSON", {.status = 200, .body = "OK"}, {.message_id = ""}},
    {"200 with a message of its own",
     {.status = 200, .body = "{\"message\":\"x\",\"code\":\"y\"}"},
     {.message_id = ""}},
    {"the bot route, 200 without an id",
     {.status = 200, .request_id = "r-1", .id_from_request_id = true, .body = "{}"},
     {.message_id = "r-1"}},
    {"the bot route, 202 without a body",
     {.status = 202, .request_id = "r-1", .id_from_request_id = true},
     {.message_id = "r-1"}},
    {"the bot route with an id",
     {.status = 200, .request_id = "r-1", .id_from_request_id = true, .body = "{\"id\":\"m-1\"}"},
     {.message_id = "m-1"}},
    {"the bot route with neither: nothing is invented",
     {.status = 200, .id_from_request_id = true, .body = "{}"},
     {.message_id = ""}},
    {"the bot route, an error",
     {.status = 400, .request_id = "r-1", .id_from_request_id = true, .body = "{\"code\":\"bad.request\"}"},
     {.error_code = "bad.request"}},
    {"ids among others of the same name deeper down",
     {.status = 200, .body = "{\"to\":{\"id\":\"t-1\"},\"id\" : \"m-1\" ,\"all\":[{\"conversationId\":\"x\"}]}"},
     {.message_id = "m-1"}},
    {"ids with an escape",
     {.status = 200, .body = "{\"id\":\"m\\u002d1\",\"conversationId\":\"v\\/1\"}"},
     {.message_id = "m-1", .conversation_id = "v/1"}},
    {"a body that ends behind its id",
     {.status = 200, .body = "{\"id\":\"m-1\",\"conversationId\":\"v-"},
     {.message_id = "m-1"}},
    {"a body that ends within its id", {.status = 200, .body = "{\"id\":\"m-"}, {.message_id = ""}},
    {"ids of the wrong kind", {.status = 200, .body = "{\"id\":7,\"conversationId\":{\"id\":\"x\"}}"}, {.status = 0}},
    {"an id as long as can be", {.status = 200, .body = "{\"id\":\"" ID_63 "\"}"}, {.message_id = ID_63}},
    {"one character more", {.status = 200, .body = "{\"id\":\"" ID_63 "d\"}"}, {.message_id = ""}},
    {"an id with a newline", {.status = 200, .body = "{\"id\":\"a\\nb=c\"}"}, {.message_id = ""}},
    {"an id with a NUL", {.status = 200, .body = "{\"id\":\"a\\u0000b\"}"}, {.message_id = ""}},
    {"an id with a quote", {.status = 200, .body = "{\"id\":\"a\\\"b\"}"}, {.message_id = ""}},
    {"an id that is not ASCII", {.status = 200, .body = "{\"id\":\"a" E_ACUTE "\"}"}, {.message_id = ""}},
    {"a correlation id with a blank", {.status = 200, .correlation_id = "a b"}, {.correlation_id = ""}},
    {"a correlation id too long", {.status = 200, .correlation_id = ID_63 "d"}, {.correlation_id = ""}},

    {"an ErrorBody",
     {.status = 400,
      .body = "{\"message\":\"The to address is not valid.\",\"code\":\"invalid.value\",\"status\":400,"
              "\"contextId\":\"c-2\",\"details\":[],\"errors\":[]}"},
     {.error_code = "invalid.value", .error_message = "The to address is not valid.", .correlation_id = "c-2"}},
    {"the header counts before contextId",
     {.status = 400, .correlation_id = "c-1", .body = "{\"contextId\":\"c-2\"}"},
     {.correlation_id = "c-1"}},
    {"contextId where the header is no id",
     {.status = 400, .correlation_id = "c 1", .body = "{\"contextId\":\"c-2\"}"},
     {.correlation_id = "c-2"}},
    {"nested errors where code and message are absent",
     {.status = 400, .body = "{\"errors\":[{\"code\":\"n.1\",\"message\":\"first\"},{\"code\":\"n.2\"}]}"},
     {.error_code = "n.1", .error_message = "first"}},
    {"nested errors where the code is empty",
     {.status = 400, .body = "{\"code\":\"\",\"message\":\"m\",\"errors\":[{\"code\":\"n.1\",\"message\":\"first\"}]}"},
     {.error_code = "n.1", .error_message = "m"}},
    {"nested errors beside a code of its own",
     {.status = 409, .body = "{\"code\":\"general.conflict\",\"errors\":[{\"code\":\"n.1\"}]}"},
     {.error_code = "general.conflict"}},
    {"errors that are none", {.status = 400, .body = "{\"errors\":[null,7]}"}, {.error_code = ""}},
    {"errors that are an object", {.status = 400, .body = "{\"errors\":{\"code\":\"x\"}}"}, {.error_code = ""}},
    {"OAuth's error",
     {.status = 400, .body = "{\"error\":\"invalid_client\",\"description\":\"d\",\"error_description\":\"unknown\"}"},
     {.error_code = "invalid_client", .error_message = "unknown"}},
    {"OAuth's error with a description only",
     {.status = 401, .body = "{\"error\":\"invalid_client\",\"description\":\"d\"}"},
     {.error_code = "invalid_client", .error_message = "d"}},
    {"members of the wrong kind",
     {.status = 500, .body = "{\"message\":[1],\"code\":500,\"contextId\":true,\"error\":{\"message\":\"x\"}}"},
     {.status = 0}},
    {"an empty object", {.status = 500, .body = "{}"}, {.status = 0}},
    {"a code with blanks and controls", {.status = 400, .body = "{\"code\":\"a b\\n\\\"\"}"}, {.error_code = "a_b__"}},
    {"a code too long is cut", {.status = 400, .body = "{\"code\":\"" ID_63 "more\"}"}, {.error_code = ID_63}},
    {"a message with controls",
     {.status = 400, .body = "{\"message\":\" a\\r\\n\\tb \\u0000\\u001b[31m c\\u2028d\\u202ee\\u009bf \"}"},
     {.error_message = "a b [31m c d e f"}},
    {"a message with quotes keeps them",
     {.status = 400, .body = "{\"message\":\"'a' \\\"b\\\" \\\\ " E_ACUTE "\"}"},
     {.error_message = "'a' \"b\" \\ " E_ACUTE}},

    {"an empty body", {.status = 502, .body = ""}, {.status = 0}},
    {"no body", {.status = 502}, {.status = 0}},
    {"plain text", {.status = 502, .body = "Bad Gateway\nsecond line"}, {.error_message = "Bad Gateway"}},
    {"blank lines first",
     {.status = 502, .body = "\r\n \x01\x02 \n\tBad\tGateway\r\n"},
     {.error_message = "Bad Gateway"}},
    {"a proxy's page",
     {.status = 502, .body = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>x</body></html>"},
     {.error_message = "502 Bad Gateway"}},
    {"a page in XML",
     {.status = 403, .body = "<?xml version=\"1.0\"?>\n<Error><Code>AccessDenied</Code><Message>No</Message></Error>"},
     {.error_message = "AccessDenied No"}},
    {"a tag without an end", {.status = 502, .body = "<html a\nb c"}, {.error_message = ""}},
    {"a sign that is no tag", {.status = 502, .body = "1 < 2 > 0"}, {.error_message = "1 < 2 > 0"}},
    /* in parts: C11 has trigraphs */
    {"bytes that are not UTF-8",
     {.status = 502, .body = "a\xff\xc3(\xe2\x82"},
     {.error_message = "a?"
                       "?("
                       "??"}},
    {"JSON that is cut", {.status = 500, .body = "{\"message\":\"x"}, {.error_message = "{\"message\":\"x"}},
    {"JSON that is a text", {.status = 500, .body = "\"oops\""}, {.error_message = "\"oops\""}},
    {"JSON that is a list",
     {.status = 500, .body = "[{\"message\":\"x\"}]"},
     {.error_message = "[{\"message\":\"x\"}]"}},
    {"no status at all", {.status = 0, .body = "{\"id\":\"m-1\"}"}, {.message_id = ""}},

    {"Retry-After in seconds",
     {.status = 429, .retry_after = "42", .body = "{\"code\":\"too.many.requests.retry.after\"}"},
     {.error_code = "too.many.requests.retry.after", .retry_after_ms = 42000}},
    {"Retry-After as a date",
     {.status = 503, .retry_after = "Thu, 01 Jan 1970 00:01:40 GMT"},
     {.retry_after_ms = 99000}},
    {"Retry-After as garbage", {.status = 429, .retry_after = "later"}, {.status = 0}},
};

#define NOW_MS 1000

static void check_text(const char *about, const char *field, const char *is, const char *should_be)
{
    if (strcmp(is, should_be) != 0)
        fail_msg("%s: %s is '%s' instead of '%s'", about, field, is, should_be);
}

static void the_fields_of_an_answer_are_found_whoever_wrote_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct answer_case *c = &cases[i];
        int64_t wait_ms = c->answer.retry_after_ms ? c->answer.retry_after_ms : -1;
        struct answer_raw raw = c->raw;
        struct answer answer;

        raw.body_len = raw.body ? strlen(raw.body) : 0;
        memset(&answer, 'x', sizeof(answer));
        answer_read(&answer, &raw, NOW_MS);
        check_text(c->about, "message_id", answer.message_id, c->answer.message_id);
        check_text(c->about, "conversation_id", answer.conversation_id, c->answer.conversation_id);
        check_text(c->about, "error_code", answer.error_code, c->answer.error_code);
        check_text(c->about, "error_message", answer.error_message, c->answer.error_message);
        check_text(c->about, "correlation_id", answer.correlation_id, c->answer.correlation_id);
        if (answer.status != c->raw.status || answer.retry_after_ms != wait_ms)
            fail_msg("%s: status %ld, waits %lld", c->about, answer.status, (long long)answer.retry_after_ms);
    }
}

static void read_body(struct answer *ret, const char *body, size_t len)
{
    const struct answer_raw raw = {.status = 500, .body = body, .body_len = len};

    answer_read(ret, &raw, NOW_MS);
}

static void a_long_message_is_cut_before_the_character_that_does_not_fit(void **state)
{
    (void)state;
    for (size_t lead = 0; lead < 4; lead++) {
        char body[600];
        struct answer answer;
        size_t len = 0;

        memset(body, 'a', lead);
        for (len = lead; len < 500; len += 4)
            memcpy(body + len, "\xf0\x9f\x98\x80", 4);
        read_body(&answer, body, len);
        assert_true(utf8_is_valid(answer.error_message, strlen(answer.error_message)));
        assert_in_range(strlen(answer.error_message), ANSWER_MESSAGE_MAX - 4, ANSWER_MESSAGE_MAX - 1);
    }
}

static void a_body_without_an_end_is_read_only_at_its_beginning(void **state)
{
    size_t len = (size_t)4 << 20;
    char *body = malloc(len);
    struct answer answer;

    (void)state;
    memset(body, ' ', len);
    memcpy(body + len - 5, "found", 5);
    read_body(&answer, body, len);
    assert_string_equal(answer.error_message, "");
    memset(body, '[', len);
    read_body(&answer, body, len);
    assert_int_equal(strlen(answer.error_message), ANSWER_MESSAGE_MAX - 1);
    memset(body, 0, len);
    read_body(&answer, body, len);
    assert_string_equal(answer.error_message, "");
    free(body);
}

static void the_body_ends_where_its_length_says(void **state)
{
    static const char text[] = "{\"message\":\"inside\"}outside";
    char *exact = malloc(20);
    struct answer answer;

    (void)state;
    memcpy(exact, text, 20); /* no NUL behind it: reading on would be seen by the sanitizer */
    read_body(&answer, exact, 20);
    assert_string_equal(answer.error_message, "inside");
    read_body(&answer, exact, 19);
    assert_string_equal(answer.error_message, "{\"message\":\"inside\"");
    read_body(&answer, exact, 0);
    assert_string_equal(answer.error_message, "");
    read_body(&answer, NULL, 20);
    assert_string_equal(answer.error_message, "");
    free(exact);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_fields_of_an_answer_are_found_whoever_wrote_it),
        cmocka_unit_test(a_long_message_is_cut_before_the_character_that_does_not_fit),
        cmocka_unit_test(a_body_without_an_end_is_read_only_at_its_beginning),
        cmocka_unit_test(the_body_ends_where_its_length_says),
    };

    return cmocka_run_group_tests_name("answer", tests, NULL, NULL);
}
