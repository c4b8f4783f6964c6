/* Receipts out of the bodies of webhooks, of both kinds. */
#include "producer/gateway/receipt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/reason.h"
#include "tests/unit/unit.h"

#define NOW_MS  INT64_C(1768473100000)
#define TIME    "2026-01-15T10:30:00.123Z"
#define TIME_MS INT64_C(1768473000123)
#define DAY_MS  INT64_C(86400000)
#define NOTHING RECEIPT_NOTHING, 0, 0, NULL, NULL
#define ID_128                                                                                                         \
    "12345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890"   \
    "123456789012345678"

typedef int (*read_fn)(struct receipt *ret, struct span body, int64_t now_ms, struct refusal *why);

struct receipt_case {
    read_fn read;
    const char *body;
    int rc;
    enum delivery delivery;
    int64_t at_ms;
    const char *code, *person; /* NULL: none */
    const char *field;         /* of a refusal */
    const char *refused_as;
};

#define TUTORIAL(members)                                                                                              \
    receipt_read_messaging, "{\"id\":\"evt_1\",\"type\":\"messaging:messages:updated\"," members "}"
#define DATA(members)    TUTORIAL("\"data\":{\"messageId\":\"msg_1\",\"status\":" members "}")
#define OPEN(members)    receipt_read_open, "{\"id\":\"msg_1\"," members "}"
#define CHANNEL(members) "\"channel\":{\"platform\":\"Open\",\"to\":{\"id\":\"ann@example.org\"}" members "}"

static const struct receipt_case cases[] = {
    /* the tutorial's */
    {DATA("\"delivered\",\"timestamp\":\"" TIME "\""), 0, DELIVERY_DELIVERED, TIME_MS, "", NULL, NULL, NULL},
    {DATA("\"queued\",\"timestamp\":1768473000123"), 0, DELIVERY_QUEUED, TIME_MS, "", NULL, NULL, NULL},
    {DATA("\"read\""), 0, DELIVERY_READ, 0, "", NULL, NULL, NULL},
    {DATA("\"Published\",\"timestamp\":null"), 0, DELIVERY_SENT, 0, "", NULL, NULL, NULL},
    {DATA("\"failed\",\"errorCode\":\"ServerError\""), 0, DELIVERY_FAILED, 0, "ServerError", NULL, NULL, NULL},
    {DATA("\"failed\",\"reason\":\"RecipientOptedOut\""), 0, DELIVERY_FAILED, 0, "RecipientOptedOut", NULL, NULL, NULL},
    {DATA("\"failed\",\"reasons\":[{\"code\":\"GeneralError\"},{\"message\":\"x\"},{\"code\":\"InvalidDestination\"}]"),
     0, DELIVERY_FAILED, 0, "InvalidDestination", NULL, NULL, NULL},
    {DATA("\"failed\",\"errorCode\":\"A\",\"reason\":\"B\""), 0, DELIVERY_FAILED, 0, "A", NULL, NULL, NULL},
    {DATA("\"failed\",\"reason\":\"a b\\\"c\\\\\xc3\xa9\\u0000\""), 0, DELIVERY_FAILED, 0, "a_b_c____", NULL, NULL,
     NULL},
    {DATA("\"failed\",\"reason\":{\"code\":\"X\"},\"errorCode\":7,\"reasons\":\"all\""), 0, DELIVERY_FAILED, 0, "",
     NULL, NULL, NULL},
    {DATA("\"delivered\",\"reason\":\"RecipientOptedOut\""), 0, DELIVERY_DELIVERED, 0, "", NULL, NULL, NULL},
    {TUTORIAL("\"data\":{\"messageId\":\"" ID_128 "\",\"status\":\"sent\"}"), 0, DELIVERY_SENT, 0, "", NULL, NULL,
     NULL},
    {receipt_read_messaging, "{\"data\":{\"messageId\":\"msg_1\",\"status\":\"sent\"}}", 0, DELIVERY_SENT, 0, "", NULL,
     NULL, NULL},
    {DATA("\"received\""), NOTHING, NULL, NULL},
    {DATA("\"removed\""), NOTHING, NULL, NULL},
    {DATA("\"lost in the post\""), NOTHING, NULL, NULL},
    {receipt_read_messaging, "{\"id\":\"e\",\"type\":\"conversation:participated:read\",\"data\":7}", NOTHING, NULL,
     NULL},
    /* times that are none: the receipt is not lost for it */
    {DATA("\"sent\",\"timestamp\":\"2026-01-15T10:30:00.123+0000\""), 0, DELIVERY_SENT, 0, "", NULL, NULL, NULL},
    {DATA("\"sent\",\"timestamp\":\"yesterday\""), 0, DELIVERY_SENT, 0, "", NULL, NULL, NULL},
    {DATA("\"sent\",\"timestamp\":\"2126-01-15T10:30:00Z\""), 0, DELIVERY_SENT, 0, "", NULL, NULL, NULL},
    {DATA("\"sent\",\"timestamp\":-5"), 0, DELIVERY_SENT, 0, "", NULL, NULL, NULL},
    {DATA("\"sent\",\"timestamp\":9223372036854775807"), 0, DELIVERY_SENT, 0, "", NULL, NULL, NULL},
    {DATA("\"sent\",\"timestamp\":1768559500000"), 0, DELIVERY_SENT, NOW_MS + DAY_MS, "", NULL, NULL, NULL},
    {DATA("\"sent\",\"timestamp\":1768559500001"), 0, DELIVERY_SENT, 0, "", NULL, NULL, NULL},
    {DATA("\"sent\",\"timestamp\":{}"), ERR_INVALID, 0, 0, NULL, NULL, "/data/timestamp", "field_invalid"},
    {DATA("\"sent\",\"timestamp\":1.5"), ERR_INVALID, 0, 0, NULL, NULL, "/data/timestamp", "field_invalid"},
    /* refused */
    {receipt_read_messaging, "", ERR_INVALID, 0, 0, NULL, NULL, "", "json_invalid"},
    {receipt_read_messaging, "[]", ERR_INVALID, 0, 0, NULL, NULL, "", "json_invalid"},
    {receipt_read_messaging, "{\"data\":", ERR_INVALID, 0, 0, NULL, NULL, "", "json_invalid"},
    {receipt_read_messaging, "{\"id\":\"\xff\"}", ERR_INVALID, 0, 0, NULL, NULL, "", "json_invalid"},
    {receipt_read_messaging, "{}", ERR_INVALID, 0, 0, NULL, NULL, "/data", "field_missing"},
    {receipt_read_messaging, "{\"id\":7}", ERR_INVALID, 0, 0, NULL, NULL, "/id", "field_invalid"},
    {receipt_read_messaging, "{\"type\":[]}", ERR_INVALID, 0, 0, NULL, NULL, "/type", "field_invalid"},
    {TUTORIAL("\"data\":[]"), ERR_INVALID, 0, 0, NULL, NULL, "/data", "field_invalid"},
    {TUTORIAL("\"data\":{}"), ERR_INVALID, 0, 0, NULL, NULL, "/data/messageId", "field_missing"},
    {TUTORIAL("\"data\":{\"messageId\":7}"), ERR_INVALID, 0, 0, NULL, NULL, "/data/messageId", "field_invalid"},
    {TUTORIAL("\"data\":{\"messageId\":\"a b\"}"), ERR_INVALID, 0, 0, NULL, NULL, "/data/messageId", "field_invalid"},
    {TUTORIAL("\"data\":{\"messageId\":\"a\\u0000b\"}"), ERR_INVALID, 0, 0, NULL, NULL, "/data/messageId",
     "field_invalid"},
    {TUTORIAL("\"data\":{\"messageId\":\"" ID_128 "x\"}"), ERR_INVALID, 0, 0, NULL, NULL, "/data/messageId",
     "field_invalid"},
    {TUTORIAL("\"data\":{\"messageId\":\"m\"}"), ERR_INVALID, 0, 0, NULL, NULL, "/data/status", "field_missing"},
    {DATA("5"), ERR_INVALID, 0, 0, NULL, NULL, "/data/status", "field_invalid"},

    /* Open Messaging */
    {OPEN("\"type\":\"Receipt\",\"status\":\"Delivered\"," CHANNEL(",\"time\":\"" TIME "\"")), 0, DELIVERY_DELIVERED,
     TIME_MS, "", "open:ann@example.org", NULL, NULL},
    {OPEN(
         "\"status\":\"Failed\",\"channel\":{\"to\":{\"id\":\"user@example.org\",\"idType\":\"Email\"},\"time\":\"" TIME
         "\"},\"reasons\":[{\"code\":\"GeneralError\",\"message\":\"mailbox full\"}],\"isFinalReceipt\":true"),
     0, DELIVERY_FAILED, TIME_MS, "GeneralError", "open:user@example.org", NULL, NULL},
    {OPEN("\"type\":\"Text\",\"direction\":\"Outbound\",\"text\":\"Hello\"," CHANNEL("")), 0, DELIVERY_SENT, 0, "",
     "open:ann@example.org", NULL, NULL},
    {OPEN("\"type\":\"Structured\",\"direction\":\"Outbound\",\"status\":\"Failed\"," CHANNEL("")), 0, DELIVERY_SENT, 0,
     "", "open:ann@example.org", NULL, NULL},
    {OPEN("\"type\":\"Receipt\",\"status\":\"Read\""), 0, DELIVERY_READ, 0, "", NULL, NULL, NULL},
    {OPEN("\"type\":\"Receipt\",\"status\":\"Read\",\"channel\":{\"platform\":\"WhatsApp\",\"to\":{\"id\":\"1\"}}"), 0,
     DELIVERY_READ, 0, "", NULL, NULL, NULL},
    {OPEN("\"type\":\"Receipt\",\"status\":\"Read\",\"channel\":{\"to\":{\"id\":\"a b\"}}"), 0, DELIVERY_READ, 0, "",
     NULL, NULL, NULL}, /* nobody's address: the message's own person counts */
    {OPEN("\"type\":\"Receipt\",\"status\":\"Removed\""), NOTHING, NULL, NULL},
    {OPEN("\"type\":\"Event\",\"events\":[{\"eventType\":\"Typing\"}]"), NOTHING, NULL, NULL},
    {OPEN("\"type\":\"Text\",\"direction\":\"Inbound\",\"text\":\"Hello\""), NOTHING, NULL, NULL},
    {OPEN("\"type\":\"Receipt\",\"direction\":\"Inbound\",\"status\":\"Read\""), NOTHING, NULL, NULL},
    {OPEN("\"type\":\"Something\""), NOTHING, NULL, NULL},
    {receipt_read_open, "{\"type\":\"Receipt\",\"status\":\"Read\"}", ERR_INVALID, 0, 0, NULL, NULL, "/id",
     "field_missing"},
    {OPEN("\"type\":\"Receipt\""), ERR_INVALID, 0, 0, NULL, NULL, "/status", "field_missing"},
    {OPEN("\"type\":1"), ERR_INVALID, 0, 0, NULL, NULL, "/type", "field_invalid"},
    {OPEN("\"direction\":1"), ERR_INVALID, 0, 0, NULL, NULL, "/direction", "field_invalid"},
    {OPEN("\"status\":\"Read\",\"channel\":7"), ERR_INVALID, 0, 0, NULL, NULL, "/channel", "field_invalid"},
    {OPEN("\"status\":\"Read\",\"channel\":{\"to\":\"x\"}"), ERR_INVALID, 0, 0, NULL, NULL, "/channel/to",
     "field_invalid"},
    {OPEN("\"status\":\"Read\",\"channel\":{\"to\":{\"id\":1}}"), ERR_INVALID, 0, 0, NULL, NULL, "/channel/to/id",
     "field_invalid"},
    {OPEN("\"status\":\"Read\",\"channel\":{\"time\":[]}"), ERR_INVALID, 0, 0, NULL, NULL, "/channel/time",
     "field_invalid"},
};

static void check(const struct receipt_case *row, const struct receipt *found)
{
    const struct store_receipt *record = &found->record;

    assert_int_equal(record->delivery, row->delivery);
    assert_int_equal(record->at_ms, row->at_ms);
    assert_string_equal(record->code, row->code);
    assert_int_equal(record->opts_out, delivery_code_opts_out(span_of(row->code)));
    assert_int_equal(record->person.len, row->person ? strlen(row->person) : 0);
    if (row->person)
        assert_memory_equal(record->person.data, row->person, record->person.len);
    assert_true(id_is_valid(record->provider_id, strlen(record->provider_id)));
}

static void test_each_body_is_a_receipt_or_nothing_or_refused_with_its_field(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct receipt_case *row = &cases[i];
        size_t len = strlen(row->body);
        char *body = malloc(len ? len : 1); /* exactly as long: reading on is seen */
        struct refusal why = {.code = ""};
        struct receipt found;
        int rc;

        memcpy(body, row->body, len);
        rc = row->read(&found, (struct span){body, len}, NOW_MS, &why);
        free(body);
        if (rc != row->rc)
            fail_msg("%s: %d %s %s", row->body, rc, why.field, why.text);
        if (rc == 0)
            check(row, &found);
        if (rc == ERR_INVALID && (strcmp(why.field, row->field) != 0 || strcmp(why.code, row->refused_as) != 0))
            fail_msg("%s: %s at %s", row->body, why.code, why.field);
        receipt_clear(&found);
    }
}

static void key_of(read_fn read, const char *body, uint8_t key[STORE_KEY_SIZE])
{
    struct receipt receipt;
    struct refusal why;

    assert_int_equal(read(&receipt, span_of(body), NOW_MS, &why), 0);
    memcpy(key, receipt.record.key, STORE_KEY_SIZE);
    receipt_clear(&receipt);
}

static void test_two_bodies_are_one_event_when_id_or_else_message_and_status_are_the_same(void **state)
{
#define EVENT(id, message, status)                                                                                     \
    receipt_read_messaging, "{" id "\"data\":{\"messageId\":\"" message "\",\"status\":\"" status "\"}}"
#define NOTICE(id, time, rest) receipt_read_open, "{\"id\":\"" id "\",\"channel\":{\"time\":\"" time "\"}," rest "}"
    static const struct {
        read_fn read;
        const char *body;
        read_fn other_read;
        const char *other;
        bool is_same;
    } table[] = {
        {EVENT("\"id\":\"e1\",", "m1", "sent"), EVENT("\"id\":\"e1\",", "m1", "sent"), true},
        {EVENT("\"id\":\"e1\",", "m1", "sent"), EVENT("\"id\":\"e1\",", "m2", "read"), true},
        {EVENT("\"id\":\"e1\",", "m1", "sent"), EVENT("\"id\":\"e2\",", "m1", "sent"), false},
        {EVENT("", "m1", "sent"), EVENT("", "m1", "sent"), true},
        {EVENT("\"id\":\"\",", "m1", "sent"), EVENT("\"id\":null,", "m1", "sent"), true},
        {EVENT("", "m1", "delivered"), EVENT("", "m1", "delivery-success"), true},
        {EVENT("", "m1", "sent"), EVENT("", "m1", "read"), false},
        {EVENT("", "m1", "sent"), EVENT("", "m2", "sent"), false},
        {EVENT("", "m1", "sent"), EVENT("\"id\":\"m1\",", "m1", "sent"), false},
        {EVENT("\"id\":\"a\\u0000b\",", "m1", "sent"), EVENT("\"id\":\"a\\u0000c\",", "m1", "sent"), false},
        {NOTICE("m1", TIME, "\"status\":\"Read\""), NOTICE("m1", TIME, "\"status\":\"Read\",\"type\":\"Receipt\""),
         true},
        {NOTICE("m1", TIME, "\"status\":\"Read\""), NOTICE("m1", "2026-01-15T10:30:00.124Z", "\"status\":\"Read\""),
         false},
        {NOTICE("m1", TIME, "\"status\":\"Read\""), NOTICE("m1", TIME, "\"status\":\"Sent\""), false},
        {NOTICE("m1", TIME, "\"type\":\"Text\""), NOTICE("m1", TIME, "\"type\":\"Text\",\"text\":\"x\""), true},
        {NOTICE("m1", TIME, "\"type\":\"Text\""), NOTICE("m1", TIME, "\"type\":\"Receipt\",\"status\":\"Sent\""),
         false},
        {NOTICE("m1", TIME, "\"status\":\"Sent\""), EVENT("", "m1", "sent"), false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        uint8_t one[STORE_KEY_SIZE], other[STORE_KEY_SIZE];

        key_of(table[i].read, table[i].body, one);
        key_of(table[i].other_read, table[i].other, other);
        if ((memcmp(one, other, STORE_KEY_SIZE) == 0) != table[i].is_same)
            fail_msg("case %zu", i);
    }
}

static void assert_audit(read_fn read, const char *body, const char *expected)
{
    struct receipt receipt;
    struct refusal why;
    char found[1024];

    assert_int_equal(read(&receipt, span_of(body), NOW_MS, &why), 0);
    (void)snprintf(found, sizeof(found), "%.*s", (int)receipt.record.audit.len, receipt.record.audit.data);
    assert_string_equal(found, expected);
    receipt_clear(&receipt);
}

static void test_the_audit_entry_says_what_was_heard_and_shows_no_address(void **state)
{
    (void)state;
    assert_audit(
        receipt_read_messaging,
        "{\"id\":\"evt \\\"1\",\"data\":{\"messageId\":\"msg_1\",\"status\":\"delivery-failed\",\"errorCode\":\"X\","
        "\"timestamp\":\"" TIME "\"}}",
        "{\"at\":1768473100000,\"what\":\"receipt\",\"provider_id\":\"msg_1\",\"delivery\":\"failed\",\"code\":\"X\","
        "\"happened_at\":1768473000123,\"event\":\"evt \\\"1\"}");
    assert_audit(
        receipt_read_open,
        "{\"id\":\"m-1\",\"status\":\"Read\",\"channel\":{\"to\":{\"id\":\"ann@example.org\"}},\"text\":\"secret\"}",
        "{\"at\":1768473100000,\"what\":\"receipt\",\"provider_id\":\"m-1\",\"delivery\":\"read\","
        "\"to\":\"open:an*************\"}");
}

static void test_the_longest_of_everything_fits(void **state)
{
    struct receipt receipt;
    struct refusal why;
    char event[RECEIPT_EVENT_MAX + 2], person[CHANNEL_ADDRESS_MAX + 1], code[200], body[2048];

    (void)state;
    memset(event, '\x01', sizeof(event)); /* six characters each in JSON */
    memset(event, 'e', RECEIPT_EVENT_MAX);
    event[RECEIPT_EVENT_MAX] = '\0';
    memset(person, 'p', CHANNEL_ADDRESS_MAX);
    person[CHANNEL_ADDRESS_MAX] = '\0';
    memset(code, 'c', sizeof(code) - 1);
    code[sizeof(code) - 1] = '\0';
    (void)snprintf(body, sizeof(body),
                   "{\"id\":\"" ID_128 "\",\"status\":\"Failed\",\"channel\":{\"to\":{\"id\":\"%s\"}},"
                   "\"reasons\":[{\"code\":\"%s\"}]}",
                   person, code);
    assert_int_equal(receipt_read_open(&receipt, span_of(body), NOW_MS, &why), 0);
    assert_int_equal(receipt.record.person.len, CHANNEL_ADDRESS_MAX + strlen("open:"));
    assert_int_equal(strlen(receipt.code), RECEIPT_CODE_SIZE - 1);
    assert_false(receipt.audit.overflow);
    receipt_clear(&receipt);
    (void)snprintf(body, sizeof(body), "{\"id\":\"%s\",\"data\":{\"messageId\":\"" ID_128 "\",\"status\":\"sent\"}}",
                   event);
    assert_int_equal(receipt_read_messaging(&receipt, span_of(body), NOW_MS, &why), 0);
    receipt_clear(&receipt);
    (void)snprintf(body, sizeof(body), "{\"id\":\"%sx\",\"data\":{\"messageId\":\"m\",\"status\":\"sent\"}}", event);
    assert_int_equal(receipt_read_messaging(&receipt, span_of(body), NOW_MS, &why), ERR_INVALID);
    assert_string_equal(why.field, "/id");
    receipt_clear(&receipt);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_body_is_a_receipt_or_nothing_or_refused_with_its_field),
        cmocka_unit_test(test_two_bodies_are_one_event_when_id_or_else_message_and_status_are_the_same),
        cmocka_unit_test(test_the_audit_entry_says_what_was_heard_and_shows_no_address),
        cmocka_unit_test(test_the_longest_of_everything_fits),
    };

    return cmocka_run_group_tests_name("receipt", tests, NULL, NULL);
}
