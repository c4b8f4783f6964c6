/* Which hours a report is about, what is read for them, and into which groups it goes. */
#include "producer/report_range.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/timestamp.h"
#include "producer/report_groups.h"
#include "tests/unit/unit.h"

static int64_t at(const char *text)
{
    int64_t ms = -1;

    assert_true(timestamp_parse(text, &ms));
    return ms;
}

#define NOW "2026-02-10T12:34:56.789Z"

static const struct {
    const char *name;
    int64_t days;
    const char *from, *to;
    const char *expected; /* from and to, or what is wrong */
} ranges[] = {
    {"seven days end with this hour", 7, NULL, NULL, "2026-02-03T12:00:00.000Z 2026-02-10T13:00:00.000Z"},
    {"forty days are still hours", 40, NULL, NULL, "2026-01-01T12:00:00.000Z 2026-02-10T13:00:00.000Z"},
    {"more days are whole ones", 41, NULL, NULL, "2025-12-31T00:00:00.000Z 2026-02-10T13:00:00.000Z"},
    {"as many as there may be", 4000, NULL, NULL, "2015-02-28T00:00:00.000Z 2026-02-10T13:00:00.000Z"},
    {"an old age likewise", 7, "60d", NULL, "2025-12-12T00:00:00.000Z 2026-02-10T13:00:00.000Z"},
    {"an instant stays what it is", 7, "2025-12-12T11:00:00Z", NULL,
     "2025-12-12T11:00:00.000Z 2026-02-10T13:00:00.000Z"},
    {"what is to come", 7, "2026-02-11", NULL, "--from is not in the past"},
    {"a date is its midnight", 7, "2026-02-01", NULL, "2026-02-01T00:00:00.000Z 2026-02-10T13:00:00.000Z"},
    {"two dates are whole days", 7, "2026-02-01", "2026-02-03", "2026-02-01T00:00:00.000Z 2026-02-03T00:00:00.000Z"},
    {"instants are rounded outwards", 7, "2026-02-01T10:59:59Z", "2026-02-01T11:00:01+00:00",
     "2026-02-01T10:00:00.000Z 2026-02-01T12:00:00.000Z"},
    {"an age", 7, "2h", "1h", "2026-02-10T10:00:00.000Z 2026-02-10T12:00:00.000Z"},
    {"an offset", 7, "2026-02-01T01:00:00+02:00", "2026-02-01", "2026-01-31T23:00:00.000Z 2026-02-01T00:00:00.000Z"},
    {"an age beyond 1970", 7, "40000d", "1971-01-01", "1970-01-01T00:00:00.000Z 1971-01-01T00:00:00.000Z"},
    {"--to alone", 7, NULL, "2026-02-01", "--to wants --from"},
    {"backwards", 7, "2026-02-03", "2026-02-01", "not after"},
    {"nothing between", 7, "2026-02-03", "2026-02-03", "not after"},
    {"too long", 7, "1971-01-01", NULL, "4000 days at most"},
    {"no time", 7, "yesterday", NULL, "--from: `yesterday`"},
    {"a day that is none", 7, "2026-02-31", NULL, "--from"},
    {"hostile", 7, "2026-02-01", "%s%n%s%n%s%n%s%n%s%n%s%n%s%n%s%n%s%n%s%n%s%n%s%n%s%n", "--to"},
};

static void a_range_is_whole_hours_or_refused_with_what_is_wrong(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(ranges); i++) {
        struct report_range range;
        struct reason why = {""};
        char from[TIMESTAMP_SIZE], to[TIMESTAMP_SIZE], found[sizeof(why.text) + 80];
        int rc = report_range_parse(&range, ranges[i].days, ranges[i].from, ranges[i].to, at(NOW), &why);

        (void)snprintf(found, sizeof(found), "%s", why.text);
        if (rc == 0)
            (void)snprintf(found, sizeof(found), "%s %s", timestamp_format(range.from_ms, from),
                           timestamp_format(range.to_ms, to));
        if (!strstr(found, ranges[i].expected) || (rc != 0) != (strlen(why.text) > 0))
            fail_msg("%s: %s", ranges[i].name, found);
    }
}

static const struct {
    const char *name, *from, *to;
    bool by_hour;
    const char *expected; /* pieces: h or d, first, how many */
} cuts[] = {
    {"hours of one day", "2026-02-10T03:00:00Z", "2026-02-10T07:00:00Z", false, "h3:4"},
    {"hours over a midnight", "2026-02-09T22:00:00Z", "2026-02-10T02:00:00Z", false, "h22:4"},
    {"one whole day", "2026-02-09", "2026-02-10", false, "d9:1"},
    {"whole days", "2026-02-01", "2026-02-10", false, "d1:9"},
    {"both ends", "2026-02-07T12:00:00Z", "2026-02-10T13:00:00Z", false, "h12:12 d8:2 h0:13"},
    {"an end", "2026-02-08", "2026-02-10T01:00:00Z", false, "d8:2 h0:1"},
    {"by the hour", "2026-02-08", "2026-02-10T01:00:00Z", true, "h0:49"},
    {"old whole days", "2025-01-01", "2026-01-01", false, "d1:365"},
    {"an old hour", "2025-12-31T23:00:00Z", "2026-01-02", false, "hours are kept for 40 days"},
    {"old days by the hour", "2025-12-01", "2025-12-02", true, "hours are kept for 40 days"},
};

static void whole_days_are_read_by_the_day_and_the_ends_by_the_hour(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cuts); i++) {
        struct report_range range;
        struct report_piece pieces[REPORT_PIECES_MAX];
        struct reason why = {""};
        char found[sizeof(why.text)] = "";
        size_t count = 0, len = 0;
        int64_t expected_ms = 0, covered_ms;

        assert_int_equal(report_range_parse(&range, 1, cuts[i].from, cuts[i].to, at(NOW), &why), 0);
        covered_ms = range.from_ms;
        if (report_range_pieces(&range, cuts[i].by_hour, at(NOW), pieces, &count, &why) != 0)
            (void)snprintf(found, sizeof(found), "%s", why.text);
        for (size_t p = 0; p < count; p++) {
            bool is_hour = pieces[p].span == STORE_REPORT_HOUR;
            int64_t unit_ms = is_hour ? STORE_HOUR_MS : STORE_DAY_MS;
            char instant[TIMESTAMP_SIZE];

            assert_int_equal(pieces[p].first * unit_ms, covered_ms); /* no gap, no overlap */
            covered_ms = (pieces[p].last + 1) * unit_ms;
            (void)timestamp_format(pieces[p].first * unit_ms, instant);
            len += (size_t)snprintf(found + len, sizeof(found) - len, "%s%c%d:%lld", p ? " " : "", is_hour ? 'h' : 'd',
                                    (int)strtol(instant + (is_hour ? 11 : 8), NULL, 10),
                                    (long long)(pieces[p].last - pieces[p].first + 1));
        }
        expected_ms = count > 0 ? range.to_ms : range.from_ms;
        assert_int_equal(covered_ms, expected_ms);
        if (!strstr(found, cuts[i].expected))
            fail_msg("%s: %s", cuts[i].name, found);
    }
}

static void pick(struct report *report, const char *campaign, const char *channel, const char *template_name,
                 const char *when, int64_t sent)
{
    const struct store_report_row row = {at(when), campaign, channel, template_name};
    struct report_counts *counts = report_pick(report, &row);

    if (counts)
        counts->sent += sent;
}

static const struct {
    enum report_by by;
    const char *campaign, *expected;
} groupings[] = {
    {REPORT_BY_NOTHING, NULL, "=15 "},
    {REPORT_BY_CAMPAIGN, NULL, "spring=12 =3 "},
    {REPORT_BY_CHANNEL, NULL, "sms=11 whatsapp=4 "},
    {REPORT_BY_TEMPLATE, NULL, "a=7 b=5 =3 "},
    {REPORT_BY_HOUR, NULL, "2026-02-01T03:00:00.000Z=6 2026-02-02T04:00:00.000Z=9 "},
    {REPORT_BY_DAY, NULL, "2026-02-01=6 2026-02-02=9 "},
    {REPORT_BY_TEMPLATE, "spring", "a=7 b=5 "},
    {REPORT_BY_CAMPAIGN, "autumn", ""},
};

static void rows_go_into_the_groups_that_were_asked_for(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(groupings); i++) {
        struct report *report = mem_zalloc(1, sizeof(*report));
        char found[400] = "";
        size_t len = 0;

        report_init(report, groupings[i].by, groupings[i].campaign);
        pick(report, "spring", "sms", "a", "2026-02-01T03:00:00Z", 3);
        pick(report, "spring", "whatsapp", "a", "2026-02-02T04:00:00Z", 4);
        pick(report, "spring", "sms", "b", "2026-02-02T04:00:00Z", 5);
        pick(report, "", "sms", "", "2026-02-01T03:00:00Z", 3);
        report_finish(report);
        for (size_t g = 0; g < report->count; g++)
            len += (size_t)snprintf(found + len, sizeof(found) - len, "%s=%lld ", report->groups[g]->name,
                                    (long long)report->groups[g]->counts.sent);
        assert_string_equal(found, groupings[i].expected);
        report_clear(report);
        free(report);
    }
}

static void more_groups_than_there_may_be_share_one_and_nothing_is_lost(void **state)
{
    struct report *report = mem_zalloc(1, sizeof(*report));
    int64_t others = 0;
    char name[16];

    (void)state;
    report_init(report, REPORT_BY_CAMPAIGN, NULL);
    for (int i = 0; i < REPORT_GROUPS_MAX + 100; i++) {
        (void)snprintf(name, sizeof(name), "c%d", i);
        pick(report, name, "sms", "", "2026-02-01T03:00:00Z", 2);
    }
    report_finish(report);
    for (size_t g = 0; g < report->count; g++) {
        if (strcmp(report->groups[g]->name, STORE_REPORT_OTHER) == 0)
            others = report->groups[g]->counts.sent;
    }
    assert_int_equal(report->count, REPORT_GROUPS_MAX + 1);
    assert_int_equal(others, 200);
    assert_int_equal(report->total.sent, 2 * (REPORT_GROUPS_MAX + 100));
    report_clear(report);
    free(report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_range_is_whole_hours_or_refused_with_what_is_wrong),
        cmocka_unit_test(whole_days_are_read_by_the_day_and_the_ends_by_the_hour),
        cmocka_unit_test(rows_go_into_the_groups_that_were_asked_for),
        cmocka_unit_test(more_groups_than_there_may_be_share_one_and_nothing_is_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
