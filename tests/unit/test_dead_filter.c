/* Filters of dead letters: what they take, and where they do not parse. */
#include "common/dead_filter.h"

#include <string.h>

#include "tests/unit/unit.h"

#define NOW_MS INT64_C(1768473000000) /* 2026-01-15T10:30:00Z */
#define HOUR   INT64_C(3600000)

struct taking {
    const char *filter;
    struct dead_facts facts;
    const char *to;
    bool is_taken;
};

#define LETTER                                                                                                         \
    {                                                                                                                  \
        "rejected", "spring", "bad.request", "sms", NOW_MS - 3 * HOUR                                                  \
    }
#define BARE                                                                                                           \
    {                                                                                                                  \
        "json_invalid", "", "", "none", NOW_MS - 3 * HOUR                                                              \
    }

static const struct taking takings[] = {
    {"", LETTER, "+13175550199", true},
    {"  \t ", LETTER, "+13175550199", true},
    {"reason=rejected", LETTER, NULL, true},
    {"reason=expired", LETTER, NULL, false},
    {"reason=expired,rejected", LETTER, NULL, true},
    {"reason=reject", LETTER, NULL, false},
    {"campaign=spring", LETTER, NULL, true},
    {"campaign=Spring", LETTER, NULL, false},
    {"campaign=autumn,spring", LETTER, NULL, true},
    {"campaign=", LETTER, NULL, false},
    {"campaign=", BARE, NULL, true},
    {"campaign=,spring", BARE, NULL, true},
    {"campaign=,spring", LETTER, NULL, true},
    {"code=bad.request", LETTER, NULL, true},
    {"code=bad.requests", LETTER, NULL, false},
    {"code=", LETTER, NULL, false},
    {"code=", BARE, NULL, true},
    {"channel=sms", LETTER, NULL, true},
    {"channel=whatsapp,none", LETTER, NULL, false},
    {"channel=none", BARE, NULL, true},
    {"reason=rejected campaign=spring code=bad.request channel=sms", LETTER, NULL, true},
    {"reason=rejected campaign=spring code=bad.request channel=web", LETTER, NULL, false},
    {"before=2h", LETTER, NULL, true},
    {"before=3h", LETTER, NULL, false},
    {"before=4h", LETTER, NULL, false},
    {"after=3h", LETTER, NULL, true},
    {"after=2h", LETTER, NULL, false},
    {"after=4h before=2h", LETTER, NULL, true},
    {"before=2026-01-15T07:30:00Z", LETTER, NULL, false},
    {"before=2026-01-15T07:30:00.001Z", LETTER, NULL, true},
    {"after=2026-01-15T07:30:00Z", LETTER, NULL, true},
    {"after=2026-01-15T09:30:00.001+02:00", LETTER, NULL, false},
    {"to=+13175550199", LETTER, "+13175550199", true},
    {"to=13175550199", LETTER, "+13175550199", true},
    {"to=sms:+13175550199", LETTER, "13175550199", true},
    {"to=+13175550199", LETTER, "sms:+13175550199", true},
    {"to=+13175550199", LETTER, "+131755501990", false},
    {"to=+13175550199", LETTER, "+1317555019", false},
    {"to=+13175550199,+13175550198", LETTER, "+13175550198", true},
    {"to=facebook:annsmith", LETTER, "annsmith", true},
    {"to=annsmith", LETTER, "AnnSmith", false},
    {"to=ann:4217", LETTER, "ann:4217", true},
    {"to=+13175550199", LETTER, NULL, false},
    {"to=+13175550199", LETTER, "", false},
};

static void a_filter_takes_the_letters_for_which_every_condition_holds(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(takings); i++) {
        const struct taking *row = &takings[i];
        struct dead_filter filter;
        struct reason why = {""};

        if (dead_filter_parse(&filter, row->filter, NOW_MS, &why) != 0)
            fail_msg("'%s' does not parse: %s", row->filter, why.text);
        if ((dead_filter_takes(&filter, &row->facts) && dead_filter_takes_address(&filter, span_of(row->to))) !=
            row->is_taken)
            fail_msg("'%s' (row %zu) should %stake it", row->filter, i, row->is_taken ? "" : "not ");
        assert_int_equal(dead_filter_needs_address(&filter), strstr(row->filter, "to=") != NULL);
        assert_int_equal(dead_filter_is_empty(&filter), strchr(row->filter, '=') == NULL);
        dead_filter_clear(&filter);
    }
}

static const struct {
    const char *filter, *why;
} refusals[] = {
    {"rejected", "character 1: a condition is key=value"},
    {"reason=rejected campaign", "character 17: a condition is key=value"},
    {"status=400", "character 1: the keys are"},
    {"=x", "character 1: the keys are"},
    {"Reason=x", "character 1: the keys are"},
    {"reason=a reason=b", "character 10: this key was given before"},
    {"reason=", "character 8: reason= has no value"},
    {"reason=a,", "character 10: reason= has no value"},
    {"reason=a,,b", "character 10: reason= has no value"},
    {"reason=Rejected", "character 8: a reason is a word"},
    {"campaign=a/b", "character 10: a campaign's name"},
    {"channel=fax", "character 9: a channel is"},
    {"channel=sms,fax", "character 13: a channel is"},
    {"to=", "character 4: to= has no value"},
    {"to=sms:", "character 4: to wants an address"},
    {"to=+", "character 4: to wants an address"},
    {"before=", "character 8: before= has no value"},
    {"before=yesterday", "character 8: before wants one time"},
    {"before=2026-02-30T00:00:00Z", "character 8: before wants one time"},
    {"after=1h,2h", "character 7: after wants one time"},
    {"after=-1h", "character 7: after wants one time"},
    {"before=2h after=1h", "character 8: nothing can be before this"},
    {"reason=\xff", "character 8: not UTF-8"},
};

static void a_filter_that_does_not_parse_is_refused_with_the_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(refusals); i++) {
        struct dead_filter filter;
        struct reason why = {""};

        assert_int_equal(dead_filter_parse(&filter, refusals[i].filter, NOW_MS, &why), ERR_INVALID);
        if (!strstr(why.text, refusals[i].why))
            fail_msg("'%s': '%s' instead of '%s'", refusals[i].filter, why.text, refusals[i].why);
        dead_filter_clear(&filter);
    }
}

static void an_address_is_in_no_complaint(void **state)
{
    static const char *const filters[] = {"to=+13175550199 to=+13175550198", "to=+13175550199 x",
                                          "to=+13175550199 reason="};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(filters); i++) {
        struct dead_filter filter;
        struct reason why = {""};

        assert_int_equal(dead_filter_parse(&filter, filters[i], NOW_MS, &why), ERR_INVALID);
        assert_null(strstr(why.text, "5550"));
        dead_filter_clear(&filter);
    }
}

static void a_filter_has_bounds(void **state)
{
    char text[DEAD_FILTER_MAX + 8] = "reason=a";
    struct dead_filter filter;
    struct reason why = {""};

    (void)state;
    for (int i = 1; i < DEAD_FILTER_VALUES_MAX; i++)
        memcpy(text + strlen(text), ",a", 3);
    assert_int_equal(dead_filter_parse(&filter, text, NOW_MS, &why), 0);
    dead_filter_clear(&filter);
    memcpy(text + strlen(text), ",a", 3);
    assert_int_equal(dead_filter_parse(&filter, text, NOW_MS, &why), ERR_INVALID);
    dead_filter_clear(&filter);
    memset(text, ' ', DEAD_FILTER_MAX + 1);
    text[DEAD_FILTER_MAX + 1] = '\0';
    assert_int_equal(dead_filter_parse(&filter, text, NOW_MS, &why), ERR_INVALID);
    dead_filter_clear(&filter);
    assert_int_equal(dead_filter_parse(&filter, NULL, NOW_MS, &why), 0);
    assert_true(dead_filter_is_empty(&filter));
    dead_filter_clear(&filter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_filter_takes_the_letters_for_which_every_condition_holds),
        cmocka_unit_test(a_filter_that_does_not_parse_is_refused_with_the_place),
        cmocka_unit_test(an_address_is_in_no_complaint),
        cmocka_unit_test(a_filter_has_bounds),
    };

    return cmocka_run_group_tests_name("dead filter", tests, NULL, NULL);
}
