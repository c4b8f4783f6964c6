/* What a run came to: counts that add up, and reports that are whole whatever the texts hold. */
#include "producer/tally.h"

#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "tests/unit/unit.h"

#define HOSTILE "\x1b]0;owned\x07\x1b[31m\"\\\n\x7f\xc2\x9b"

/* What a report prints. Caller frees. */
static char *print(void (*report)(FILE *, const struct tally *, const struct tally_about *), const struct tally *tally,
                   const struct tally_about *about)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    assert_non_null(out);
    report(out, tally, about);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(strlen(text), len);
    return text;
}

static struct json *must_print_json(const struct tally *tally, const struct tally_about *about)
{
    char *text = print(tally_print_json, tally, about);
    struct reason why = {""};
    struct json *json = NULL;

    if (json_parse(&json, text, strlen(text), &why) != 0)
        fail_msg("%s in '%.2000s'", why.text, text);
    assert_int_equal(text[strlen(text) - 1], '\n');
    free(text);
    return json;
}

static int64_t number(const struct json *json, const char *key)
{
    int64_t value = -1;

    if (!json_integer(json_get(json, key), &value))
        fail_msg("%s is no whole number", key);
    return value;
}

static void refusals_are_counted_by_code_and_in_all(void **state)
{
    static char codes[TALLY_REASONS_MAX + 8][16];
    struct tally tally = {.rows = 0};
    struct json *json;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(codes); i++) { /* more codes than there is room for */
        (void)snprintf(codes[i], sizeof(codes[i]), "code_%zu", i);
        tally_refused(&tally, codes[i]);
    }
    tally_refused(&tally, "code_0"); /* by what it says, not by where it is */
    assert_int_equal(tally.refused, COUNT_OF(codes) + 1);
    assert_int_equal(tally.reason_count, TALLY_REASONS_MAX);
    json = must_print_json(&tally, &(struct tally_about){.rejects_path = "r"});
    assert_int_equal(number(json_get(json, "reasons"), "code_0"), 2);
    assert_int_equal(number(json, "refused"), COUNT_OF(codes) + 1);
    json_free(json);
    tally_clear(&tally);
}

static void each_language_keeps_its_first_three_examples_with_masked_addresses(void **state)
{
    static const char *const texts[] = {"one", "two", "three", "four"};
    struct tally tally = {.rows = 0};
    const struct json *english, *first;
    struct json *json;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        tally_language(&tally, "en", span_of("+13175550101"), span_of(texts[i]));
    tally_language(&tally, "de", span_of("+4930555010"), (struct span){NULL, 0});
    json = must_print_json(&tally, &(struct tally_about){.is_dry_run = true});
    english = json_get(json_get(json, "languages"), "en");
    assert_int_equal(number(english, "count"), 4);
    assert_int_equal(json_count(json_get(english, "examples")), TALLY_EXAMPLES);
    first = json_at(json_get(english, "examples"), 0);
    assert_string_equal(json_get_text(first, "text"), "one");
    assert_null(strstr(json_get_text(first, "to"), "555"));
    assert_int_equal(json_count(json_get(json_get(json_get(json, "languages"), "de"), "examples")), 1);
    json_free(json);
    tally_clear(&tally);
}

static void sms_are_added_up_by_encoding(void **state)
{
    struct tally tally = {.rows = 0};
    const struct json *sms;
    struct json *json;

    (void)state;
    tally_sms(&tally, &(struct sms_cost){.encoding = SMS_GSM7, .segments = 2});
    tally_sms(&tally, &(struct sms_cost){.encoding = SMS_GSM7, .segments = 1});
    tally_sms(&tally, &(struct sms_cost){.encoding = SMS_UCS2, .segments = 3});
    json = must_print_json(&tally, &(struct tally_about){.has_sms = true});
    sms = json_get(json, "sms");
    assert_int_equal(number(sms, "segments"), 6);
    assert_int_equal(number(sms, "gsm7"), 2);
    assert_int_equal(number(sms, "ucs2"), 1);
    json_free(json);
    json = must_print_json(&tally, &(struct tally_about){.has_sms = false});
    assert_null(json_get(json, "sms"));
    json_free(json);
    tally_clear(&tally);
}

static void the_JSON_says_what_happened_and_nothing_that_did_not(void **state)
{
    struct tally tally = {.rows = 7, .valid = 5, .accepted = 3, .duplicates = 2, .refused = 2, .elapsed_ms = 500};
    struct json *json = must_print_json(&tally, &(struct tally_about){.campaign = "c", .rejects_path = "r.csv"});

    (void)state;
    assert_string_equal(json_get_text(json, "campaign"), "c");
    assert_int_equal(number(json, "rows"), 7);
    assert_int_equal(number(json, "valid"), 5);
    assert_int_equal(number(json, "accepted"), 3);
    assert_int_equal(number(json, "duplicates"), 2);
    assert_int_equal(number(json, "rows_per_second"), 14);
    assert_string_equal(json_get_text(json, "rejects_file"), "r.csv");
    json_free(json);

    tally.refused = 0;
    json = must_print_json(&tally, &(struct tally_about){.rejects_path = "r.csv", .is_dry_run = true});
    assert_null(json_get(json, "accepted"));
    assert_null(json_get(json, "duplicates"));
    assert_null(json_get(json, "campaign"));
    assert_null(json_get(json, "rejects_file")); /* there is none */
    assert_true(json_is_true(json_get(json, "dry_run")));
    json_free(json);
}

static void texts_of_any_bytes_leave_the_JSON_whole(void **state)
{
    struct tally tally = {.rows = 1, .refused = 1};
    const struct tally_about about = {.campaign = HOSTILE, .rejects_path = HOSTILE, .is_dry_run = true};
    const struct json *example;
    struct json *json;

    (void)state;
    tally_language(&tally, "en", span_of("+13175550101"), span_of(HOSTILE));
    json = must_print_json(&tally, &about);
    example = json_at(json_get(json_get(json_get(json, "languages"), "en"), "examples"), 0);
    assert_string_equal(json_get_text(example, "text"), HOSTILE);
    assert_string_equal(json_get_text(json, "rejects_file"), HOSTILE);
    json_free(json);
    tally_clear(&tally);
}

/* Three examples in each of the most languages, each of the most characters that any channel takes, all to be escaped.
 */
static void the_largest_examples_leave_the_JSON_whole(void **state)
{
    static char tags[TALLY_LANGUAGES_MAX][4];
    enum { LONGEST = 64000 };
    struct tally tally = {.rows = 0};
    char *text = malloc(LONGEST), *printed;

    (void)state;
    memset(text, 'x', LONGEST);
    for (size_t i = 0; i < TALLY_LANGUAGES_MAX; i++) {
        (void)snprintf(tags[i], sizeof(tags[i]), "%c%c", 'a' + (char)(i / 8), 'a' + (char)(i % 8));
        for (int e = 0; e < TALLY_EXAMPLES; e++)
            tally_language(&tally, tags[i], span_of("1234"), (struct span){text, LONGEST});
    }
    printed = print(tally_print_json, &tally, &(struct tally_about){.is_dry_run = true});
    assert_true(strlen(printed) > (size_t)TALLY_LANGUAGES_MAX * TALLY_EXAMPLES * LONGEST);
    assert_non_null(strstr(printed, "]}},\"rejects_file\":null,\"seconds\":0.000,\"rows_per_second\":0}\n"));
    free(printed);
    free(text);
    tally_clear(&tally);
}

static void the_table_is_free_of_control_characters(void **state)
{
    struct tally tally = {.rows = 2, .valid = 1, .refused = 1};
    const struct tally_about about = {.campaign = HOSTILE, .rejects_path = HOSTILE, .is_dry_run = true};
    char *text;

    (void)state;
    tally_language(&tally, "en", span_of("+13175550101"), span_of("A" HOSTILE "B"));
    text = print(tally_print, &tally, &about);
    for (const char *at = text; *at; at++) {
        if (((unsigned char)*at < ' ' && *at != '\n') || *at == 0x7f || (*at == '\xc2' && (unsigned char)at[1] < 0xa0))
            fail_msg("byte %02x at %zu of '%s'", (unsigned char)*at, (size_t)(at - text), text);
    }
    assert_non_null(strstr(text, "A?]0;owned??[31m\"\\\n??B"));
    assert_non_null(strstr(text, "would be sent                           1\n"));
    free(text);
    tally_clear(&tally);
}

static void a_cleared_tally_can_be_used_again(void **state)
{
    struct tally tally = {.rows = 0};

    (void)state;
    tally_language(&tally, "en", span_of("1"), span_of("a"));
    tally_clear(&tally);
    assert_int_equal(tally.language_count, 0);
    tally_language(&tally, "de", span_of("1"), span_of("a"));
    assert_int_equal(tally.languages[0].count, 1);
    tally_clear(&tally);
    tally_clear(&tally);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals_are_counted_by_code_and_in_all),
        cmocka_unit_test(each_language_keeps_its_first_three_examples_with_masked_addresses),
        cmocka_unit_test(sms_are_added_up_by_encoding),
        cmocka_unit_test(the_JSON_says_what_happened_and_nothing_that_did_not),
        cmocka_unit_test(texts_of_any_bytes_leave_the_JSON_whole),
        cmocka_unit_test(the_largest_examples_leave_the_JSON_whole),
        cmocka_unit_test(the_table_is_free_of_control_characters),
        cmocka_unit_test(a_cleared_tally_can_be_used_again),
    };

    return cmocka_run_group_tests_name("tally", tests, NULL, NULL);
}
