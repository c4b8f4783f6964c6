/* Receipts out of Genesys' answer to a question about messages. */
#include "worker/status_list.h"

#include <stdio.h>
#include <string.h>

#include "producer/gateway/receipt.h"
#include "tests/unit/unit.h"

#define NOW_MS                      INT64_C(1768473100000)
#define EARLY                       "2026-01-15T10:30:00.000Z"
#define TIME                        "2026-01-15T10:30:00.123Z"
#define RECEIPT(status, time, more) "{\"status\":\"" status "\",\"channel\":{\"time\":\"" time "\"}" more "}"
#define MESSAGE(id, members)        "{\"entities\":[{\"id\":\"" id "\"," members "}]}"

/* What it comes to: `state@ms(code)` of each receipt, an `!` behind what opts out, and then the ids that are ended. */
static const struct {
    const char *asked, *body, *expected;
} cases[] = {
    {"p1 ", MESSAGE("p1", "\"status\":\"queued\",\"timestamp\":\"" TIME "\""), "queued@1768473000123 |"},
    {"p1 ", MESSAGE("p1", "\"status\":\"sent\",\"timestamp\":\"" TIME "\""), "sent@1768473000123 |"},
    {"p1 ", MESSAGE("p1", "\"status\":\"published\""), "sent@0 |"},
    /* the message's time is not that of what came later */
    {"p1 ", MESSAGE("p1", "\"status\":\"delivery-success\",\"timestamp\":\"" TIME "\""), "delivered@0 |"},
    {"p1 ", MESSAGE("p1", "\"status\":\"delivery-success\",\"messengerType\":\"sms\""), "delivered@0 |p1 "},
    {"p1 ", MESSAGE("p1", "\"status\":\"delivery-success\",\"messengerType\":\"whatsapp\""), "delivered@0 |"},
    {"p1 ", MESSAGE("p1", "\"status\":\"read\",\"messengerType\":\"open\""), "read@0 |p1 "},
    {"p1 ", MESSAGE("p1", "\"status\":\"failed\""), "failed@0 |p1 "},
    {"p1 ", MESSAGE("p1", "\"status\":\"removed\""), "|"},
    {"p1 ", MESSAGE("p1", "\"status\":7,\"normalizedReceipts\":{},\"messengerType\":[]"), "|"},
    /* receipts: each state once, with its earliest time */
    {"p1 ",
     MESSAGE("p1", "\"status\":\"delivery-success\",\"messengerType\":\"sms\",\"normalizedReceipts\":[" RECEIPT(
                       "Sent", EARLY, "") "," RECEIPT("Delivered", TIME, "") "," RECEIPT("Delivered", EARLY, "") "]"),
     "sent@1768473000000 delivered@1768473000000 |p1 "},
    {"p1 ", MESSAGE("p1", "\"normalizedReceipts\":[" RECEIPT("Delivered", TIME, ",\"isFinalReceipt\":true") "]"),
     "delivered@1768473000123 |p1 "},
    {"p1 ", MESSAGE("p1", "\"normalizedReceipts\":[" RECEIPT("Sent", TIME, ",\"isFinalReceipt\":true") "]"),
     "sent@1768473000123 |"},
    {"p1 ", MESSAGE("p1", "\"normalizedReceipts\":[" RECEIPT("Read", "2126-01-15T10:30:00Z", "") "]"), "read@0 |p1 "},
    {"p1 ",
     MESSAGE("p1",
             "\"status\":\"delivery-failed\",\"normalizedReceipts\":[" RECEIPT(
                 "Failed", TIME, ",\"reasons\":[{\"code\":\"GeneralError\"},{\"code\":\"RecipientOptedOut\"}]") "]"),
     "failed@1768473000123(RecipientOptedOut)! |p1 "},
    {"p1 ", MESSAGE("p1", "\"normalizedReceipts\":[" RECEIPT("Failed", TIME, ",\"reasons\":[{\"code\":\"A\"}]") "]"),
     "failed@1768473000123(A) |p1 "},
    {"p1 ", MESSAGE("p1", "\"normalizedReceipts\":[7,null,{},{\"status\":\"Typing\"}]"), "|"},
    /* only what was asked for, and each once */
    {"p1 p2 ", MESSAGE("p3", "\"status\":\"failed\""), "|"},
    {"p1 ", "{\"entities\":[{\"id\":\"p1\",\"status\":\"sent\"},{\"id\":\"p1\",\"status\":\"failed\"}]}", "sent@0 |"},
    {"p1 p2 ", "{\"entities\":[{\"id\":\"p2\",\"status\":\"failed\"},7,{\"id\":\"p1\",\"status\":\"queued\"}]}",
     "failed@0 queued@0 |p2 "},
    {"p1 ", "{\"entities\":[{\"id\":[],\"status\":\"sent\"},{\"status\":\"sent\"},[],null]}", "|"},
    {"", MESSAGE("p1", "\"status\":\"failed\""), "|"},
    {"p1 ", "{\"entities\":[]}", "|"},
    /* no such answer */
    {"p1 ", "", NULL},
    {"p1 ", "<html>", NULL},
    {"p1 ", "{\"entities\":[", NULL},
    {"p1 ", "{}", NULL},
    {"p1 ", "[]", NULL},
    {"p1 ", "{\"entities\":{\"id\":\"p1\"}}", NULL},
};

static void describe(const struct status_list *list, char out[512])
{
    size_t used = 0;

    for (size_t i = 0; i < list->count; i++) {
        const struct store_receipt *record = &list->receipts[i].record;

        used += (size_t)snprintf(out + used, 512 - used, "%s@%lld", delivery_name(record->delivery),
                                 (long long)record->at_ms);
        if (record->code[0])
            used += (size_t)snprintf(out + used, 512 - used, "(%s)", record->code);
        used += (size_t)snprintf(out + used, 512 - used, "%s ", record->opts_out ? "!" : "");
    }
    (void)snprintf(out + used, 512 - used, "|%s", buf_str(&list->ended));
}

static void test_answers_come_to_receipts_and_to_what_is_ended(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct status_list list;
        char found[512];
        int rc = status_list_read(&list, span_of(cases[i].asked), span_of(cases[i].body), NOW_MS);

        print_message("# %s\n", cases[i].body);
        assert_int_equal(rc, cases[i].expected ? 0 : ERR_INVALID);
        describe(&list, found);
        assert_string_equal(found, cases[i].expected ? cases[i].expected : "|");
        status_list_clear(&list);
    }
}

static void test_a_state_that_was_asked_for_and_an_event_without_an_id_are_the_same_receipt(void **state)
{
    struct status_list list;
    struct receipt event;
    struct refusal why;

    (void)state;
    assert_int_equal(
        status_list_read(&list, span_of("p1 "), span_of(MESSAGE("p1", "\"status\":\"delivery-success\"")), NOW_MS), 0);
    assert_int_equal(receipt_read_messaging(
                         &event, span_of("{\"data\":{\"messageId\":\"p1\",\"status\":\"delivered\"}}"), NOW_MS, &why),
                     0);
    assert_int_equal(list.count, 1);
    assert_memory_equal(list.receipts[0].record.key, event.record.key, STORE_KEY_SIZE);
    receipt_clear(&event);
    status_list_clear(&list);
}

static void test_the_audit_entry_says_that_it_was_asked_for(void **state)
{
    static const char expected[] =
        "{\"at\":1768473100000,\"what\":\"receipt\",\"provider_id\":\"p1\",\"delivery\":\"sent\","
        "\"happened_at\":1768473000123,\"source\":\"poll\"}";
    struct status_list list;
    struct span audit;

    (void)state;
    assert_int_equal(status_list_read(&list, span_of("p1 "),
                                      span_of(MESSAGE("p1", "\"status\":\"sent\",\"timestamp\":\"" TIME "\"")), NOW_MS),
                     0);
    audit = list.receipts[0].record.audit;
    assert_int_equal(audit.len, strlen(expected));
    assert_memory_equal(audit.data, expected, audit.len);
    status_list_clear(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_come_to_receipts_and_to_what_is_ended),
        cmocka_unit_test(test_a_state_that_was_asked_for_and_an_event_without_an_id_are_the_same_receipt),
        cmocka_unit_test(test_the_audit_entry_says_that_it_was_asked_for),
    };

    return cmocka_run_group_tests_name("status_list", tests, NULL, NULL);
}
