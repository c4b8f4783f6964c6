/* Audit entries of what people and services do. */
#include "common/audit.h"

#include <string.h>

#include "common/json.h"
#include "tests/unit/unit.h"

static const struct {
    struct audit_by by;
    struct audit_action action;
    const char *text;
} entries[] = {
    {{"cli:ann", "their number works again"},
     {.what = "replay", .at_ms = 5, .id = "m1", .campaign = "spring", .count = -1},
     "{\"at\":5,\"what\":\"replay\",\"actor\":\"cli:ann\",\"reason\":\"their number works again\",\"id\":\"m1\","
     "\"campaign\":\"spring\"}"},
    {{"cli:ann", ""},
     {.what = "replay", .at_ms = 5, .id = "m1", .campaign = "", .count = -1, .is_edited = true},
     "{\"at\":5,\"what\":\"replay\",\"actor\":\"cli:ann\",\"id\":\"m1\",\"edited\":true}"},
    {{"gateway:crm", ""},
     {.what = "pause", .at_ms = 7, .campaign = "spring", .count = -1},
     "{\"at\":7,\"what\":\"pause\",\"actor\":\"gateway:crm\",\"campaign\":\"spring\"}"},
    {{"cli:ann", "say \"no\" \\ \xc3\xa9"},
     {.what = "suppress", .at_ms = 7, .count = 0},
     "{\"at\":7,\"what\":\"suppress\",\"actor\":\"cli:ann\",\"reason\":\"say \\\"no\\\" \\\\ \xc3\xa9\",\"count\":0}"},
};

static void entries_say_who_did_what_to_which_and_why(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(entries); i++) {
        struct audit_action action = entries[i].action;
        struct json *json = NULL;
        struct reason why = {""};
        struct buf out;

        action.by = &entries[i].by;
        buf_init(&out, AUDIT_ACTION_MAX);
        assert_int_equal(audit_check_by(action.by, &why), 0);
        audit_action_write(&action, &out);
        assert_string_equal(buf_str(&out), entries[i].text);
        assert_int_equal(json_parse(&json, out.data, out.len, &why), 0);
        json_free(json);
        buf_clear(&out);
    }
}

static void actors_and_reasons_that_do_not_fit_are_refused(void **state)
{
    char longest[AUDIT_REASON_MAX + 2];
    static const struct {
        struct audit_by by;
        const char *why;
    } table[] = {
        {{"", "x"}, "nobody is named"},
        {{"cli:a\nb", "x"}, "the actor's name has a control character"},
        {{"cli:ann", "two\nlines"}, "(byte 4)"},
        {{"cli:ann", "\x7f"}, "the reason has a control character"},
        {{"cli:\xff", "x"}, "the actor's name is not UTF-8"},
        {{"cli:ann", "\xc3"}, "the reason is not UTF-8"},
    };
    struct reason why = {""};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        assert_int_equal(audit_check_by(&table[i].by, &why), ERR_INVALID);
        assert_non_null(strstr(why.text, table[i].why));
    }
    memset(longest, 'x', sizeof(longest));
    longest[AUDIT_REASON_MAX + 1] = '\0';
    assert_int_equal(audit_check_by(&(struct audit_by){"cli:ann", longest}, &why), ERR_INVALID);
    longest[AUDIT_REASON_MAX] = '\0';
    assert_int_equal(audit_check_by(&(struct audit_by){"cli:ann", longest}, &why), 0);
}

static void the_largest_entry_fits(void **state)
{
    char actor[AUDIT_ACTOR_MAX + 1], reason[AUDIT_REASON_MAX + 1], id[129], campaign[65];
    const struct audit_by by = {actor, reason};
    const struct audit_action action = {.what = "replay",
                                        .by = &by,
                                        .at_ms = INT64_MAX,
                                        .id = id,
                                        .campaign = campaign,
                                        .count = INT64_MAX,
                                        .is_edited = true};
    struct buf out;

    (void)state;
    memset(actor, '"', sizeof(actor) - 1);
    memset(reason, '\\', sizeof(reason) - 1);
    memset(id, 'i', sizeof(id) - 1);
    memset(campaign, 'c', sizeof(campaign) - 1);
    actor[sizeof(actor) - 1] = reason[sizeof(reason) - 1] = id[128] = campaign[64] = '\0';
    buf_init(&out, AUDIT_ACTION_MAX);
    audit_action_write(&action, &out);
    assert_false(out.overflow);
    buf_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_say_who_did_what_to_which_and_why),
        cmocka_unit_test(actors_and_reasons_that_do_not_fit_are_refused),
        cmocka_unit_test(the_largest_entry_fits),
    };

    return cmocka_run_group_tests_name("audit", tests, NULL, NULL);
}
