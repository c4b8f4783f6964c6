/* Pages of what Genesys says it has sent: what is asked, and what hostile answers come to. */
#include "producer/provider_page.h"

#include <stdio.h>
#include <string.h>

#include "common/timestamp.h"
#include "tests/unit/unit.h"

static void requests_are_the_tutorials_and_the_platforms(void **state)
{
    struct provider_request request;
    int64_t from_ms = 0, to_ms = 0;

    (void)state;
    assert_true(timestamp_parse("2024-01-08T00:00:00Z", &from_ms) && timestamp_parse("2024-01-15T00:00:00Z", &to_ms));
    provider_request_init(&request);
    provider_request_fill(&request, PROVIDER_MESSAGES, from_ms, to_ms, 3);
    assert_string_equal(request.method, "GET");
    assert_string_equal(buf_str(&request.full),
                        "/api/v2/messaging/messages?status=queued,sent,delivered,read,failed&createdDate="
                        "2024-01-08T00:00:00.000Z,2024-01-15T00:00:00.000Z&pageSize=100&pageNumber=3");
    assert_int_equal(request.body.len, 0);
    provider_request_fill(&request, PROVIDER_ANALYTICS, from_ms, to_ms, 2);
    assert_string_equal(request.method, "POST");
    assert_string_equal(buf_str(&request.full), "/api/v2/analytics/conversations/details/query");
    assert_non_null(
        strstr(buf_str(&request.body), "\"interval\":\"2024-01-08T00:00:00.000Z/2024-01-15T00:00:00.000Z\""));
    assert_non_null(strstr(buf_str(&request.body), "\"paging\":{\"pageSize\":100,\"pageNumber\":2}"));
    provider_request_clear(&request);
}

struct seen {
    char text[4096];
    int stop_after, count;
};

static bool note(void *context, const struct provider_message *message)
{
    struct seen *seen = context;
    size_t len = strlen(seen->text);

    (void)snprintf(seen->text + len, sizeof(seen->text) - len, "%s|%s|%s|%s|%s|%s|%lld,%lld,%lld;", message->id,
                   message->conversation_id, channel_name(message->channel), message->to, message->from,
                   delivery_name(message->delivery), (long long)message->created_ms, (long long)message->sent_ms,
                   (long long)message->delivered_ms);
    return ++seen->count != seen->stop_after;
}

#define ENTITY(more) "{\"id\":\"m1\",\"createdDate\":\"1970-01-01T00:00:01Z\"" more "}"
#define SESSION(more)                                                                                                  \
    "{\"conversations\":[{\"conversationId\":\"c1\",\"conversationStart\":\"1970-01-01T00:00:01Z\",\"participants\":[" \
    "{"                                                                                                                \
    "\"sessions\":[{\"mediaType\":\"message\",\"direction\":\"outbound\"" more "}]}]}],\"totalHits\":"

static const struct {
    const char *name;
    enum provider_api api;
    int64_t page;
    const char *body, *expected; /* NULL: refused */
    bool has_more;
    int64_t total, skipped;
} pages[] = {
    {"the tutorial's", PROVIDER_MESSAGES, 1,
     "{\"pageNumber\":1,\"pageSize\":100,\"total\":245,\"hasMore\":true,\"entities\":[" ENTITY(
         ",\"channelType\":\"messaging:whatsapp\",\"status\":\"delivered\",\"sentDate\":\"1970-01-01T00:00:02Z\","
         "\"deliveredDate\":\"1970-01-01T00:00:05Z\"") "]}",
     "m1||whatsapp|||delivered|1000,2000,5000;", true, 245, 0},
    {"with addresses", PROVIDER_MESSAGES, 1,
     "{\"entities\":[" ENTITY(
         ",\"channelType\":\"messaging:sms\",\"status\":\"failed\",\"to\":[{\"address\":\"+13175550199\"}],"
         "\"from\":{\"address\":\"+13175550100\"}") "]}",
     "m1||sms|sms:+13175550199|+13175550100|failed|1000,0,0;", false, -1, 0},
    {"two recipients are nobody's", PROVIDER_MESSAGES, 1,
     "{\"entities\":[" ENTITY(
         ",\"channelType\":\"messaging:sms\",\"to\":[{\"address\":\"+13175550199\"},{\"address\":\"+1\"}]") "]}",
     "m1||sms|||pending|1000,0,0;", false, -1, 0},
    {"without anything that can be used", PROVIDER_MESSAGES, 1,
     "{\"entities\":[{},null,7,\"x\",[],{\"id\":\"m\"},{\"id\":5,\"createdDate\":\"1970-01-01T00:00:01Z\"}],"
     "\"hasMore\":true}",
     "", true, -1, 7},
    {"an empty page that says there is more", PROVIDER_MESSAGES, 5, "{\"entities\":[],\"hasMore\":true,\"total\":9}",
     "", false, 9, 0},
    {"hasMore that is no boolean", PROVIDER_MESSAGES, 1,
     "{\"entities\":[" ENTITY("") "],\"hasMore\":\"yes\",\"total\":-4}", "m1||none|||pending|1000,0,0;", false, -1, 0},
    {"an entity list that is none", PROVIDER_MESSAGES, 1, "{\"entities\":{}}", NULL, false, 0, 0},
    {"no JSON", PROVIDER_MESSAGES, 1, "<html>", NULL, false, 0, 0},
    {"an array", PROVIDER_MESSAGES, 1, "[]", NULL, false, 0, 0},
    {"nothing", PROVIDER_ANALYTICS, 1, "", NULL, false, 0, 0},
    {"analytics", PROVIDER_ANALYTICS, 1,
     SESSION(
         ",\"messageType\":\"sms\",\"addressTo\":\"+13175550199\",\"addressFrom\":\"+13175550100\",\"deliveryStatus\":"
         "\"DeliverySuccess\",\"deliveryStatusChangeDate\":\"1970-01-01T00:00:05Z\"") "101}",
     "c1|c1|sms|sms:+13175550199|+13175550100|delivered|1000,0,5000;", true, 101, 0},
    {"its last page", PROVIDER_ANALYTICS, 2, SESSION(",\"messageType\":\"webmessaging\"") "101}",
     "c1|c1|web|||pending|1000,0,0;", false, 101, 0},
    {"no conversations at all", PROVIDER_ANALYTICS, 1, "{\"totalHits\":0}", "", false, 0, 0},
    {"an incoming call", PROVIDER_ANALYTICS, 1,
     "{\"conversations\":[{\"conversationId\":\"c1\",\"conversationStart\":\"1970-01-01T00:00:01Z\",\"participants\":[{"
     "\"sessions\":[{"
     "\"mediaType\":\"voice\",\"direction\":\"inbound\"}]}]}],\"totalHits\":1}",
     "", false, 1, 1},
};

static void a_page_is_read_or_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(pages); i++) {
        struct seen seen = {.text = ""};
        struct provider_answer answer;
        struct reason why = {""};
        int rc = provider_page_read(pages[i].api, pages[i].page, span_of(pages[i].body), note, &seen, &answer, &why);

        if ((rc == 0) != (pages[i].expected != NULL) || (rc != 0 && !why.text[0]))
            fail_msg("%s: %d %s", pages[i].name, rc, why.text);
        if (rc == 0 && (strcmp(seen.text, pages[i].expected) != 0 || answer.has_more != pages[i].has_more ||
                        answer.total != pages[i].total || answer.skipped != pages[i].skipped))
            fail_msg("%s: %s more %d total %lld skipped %lld", pages[i].name, seen.text, answer.has_more,
                     (long long)answer.total, (long long)answer.skipped);
    }
}

static void a_reader_that_has_enough_is_told_no_more(void **state)
{
    static const char body[] = "{\"hasMore\":true,\"entities\":[" ENTITY("") "," ENTITY("") "," ENTITY("") "]}";
    struct seen seen = {.text = "", .stop_after = 2};
    struct provider_answer answer;

    (void)state;
    assert_int_equal(provider_page_read(PROVIDER_MESSAGES, 1, span_of(body), note, &seen, &answer, NULL), 0);
    assert_int_equal(seen.count, 2);
    assert_false(answer.has_more);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_the_tutorials_and_the_platforms),
        cmocka_unit_test(a_page_is_read_or_refused),
        cmocka_unit_test(a_reader_that_has_enough_is_told_no_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
