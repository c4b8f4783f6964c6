/* RFC 3339 in and out. */
#include "common/timestamp.h"

#include "tests/unit/unit.h"

#define BAD INT64_MIN

struct timestamp_case {
    const char *text;
    int64_t ms; /* BAD: not a time */
};

#define JAN_15 INT64_C(1768473000000) /* 2026-01-15T10:30:00Z */

static const struct timestamp_case cases[] = {
    {"1970-01-01T00:00:00Z", 0},
    {"2026-01-15T10:30:00Z", JAN_15},
    {"2026-01-15t10:30:00z", JAN_15},
    {"2026-01-15 10:30:00Z", JAN_15},
    {"2026-01-15T10:30:00+00:00", JAN_15},
    {"2026-01-15T10:30:00-00:00", JAN_15},
    {"2026-01-15T12:00:00+01:30", JAN_15},
    {"2026-01-15T02:30:00-08:00", JAN_15},
    {"2026-01-16T09:29:00+22:59", JAN_15},
    {"2026-01-15T10:30:00.1Z", JAN_15 + 100},
    {"2026-01-15T10:30:00.123Z", JAN_15 + 123},
    {"2026-01-15T10:30:00.123999999Z", JAN_15 + 123},
    {"2026-01-15T10:30:00.009+00:00", JAN_15 + 9},
    {"9999-12-31T23:59:59.999Z", TIMESTAMP_MAX_MS},
    {"1969-12-31T23:59:59Z", BAD},
    {"1970-01-01T00:00:00+01:00", -3600000},
    /* days that there are and are not */
    {"2024-02-29T00:00:00Z", INT64_C(1709164800000)},
    {"2000-02-29T00:00:00Z", INT64_C(951782400000)},
    {"2026-02-29T00:00:00Z", BAD},
    {"2100-02-29T00:00:00Z", BAD},
    {"2024-02-30T00:00:00Z", BAD},
    {"2026-04-30T00:00:00Z", INT64_C(1777507200000)},
    {"2026-04-31T00:00:00Z", BAD},
    {"2026-01-32T00:00:00Z", BAD},
    {"2026-01-00T00:00:00Z", BAD},
    {"2026-13-01T00:00:00Z", BAD},
    {"2026-00-01T00:00:00Z", BAD},
    /* leap seconds are the second after */
    {"2016-12-31T23:59:60Z", INT64_C(1483228800000)},
    {"2016-12-31T23:59:60.5Z", INT64_C(1483228800500)},
    {"2016-12-31T15:59:60-08:00", INT64_C(1483228800000)},
    {"2015-06-30T23:59:60Z", INT64_C(1435708800000)},
    {"2026-04-31T23:59:60Z", BAD},
    {"2016-12-31T23:58:60Z", BAD},
    {"2016-12-31T10:30:60Z", BAD},
    {"2016-12-31T23:59:60+01:00", BAD},
    {"2016-12-31T23:59:61Z", BAD},
    /* not times */
    {"", BAD},
    {"now", BAD},
    {"2026-01-15", BAD},
    {"2026-01-15T10:30Z", BAD},
    {"2026-01-15T10:30:00", BAD},
    {"2026-01-15T10:30:00.Z", BAD},
    {"2026-01-15T10:30:00,5Z", BAD},
    {"2026-01-15T10:30:00.1234567890Z", BAD},
    {"2026-01-15T24:00:00Z", BAD},
    {"2026-01-15T10:60:00Z", BAD},
    {"2026-01-15T10:30:00Zx", BAD},
    {" 2026-01-15T10:30:00Z", BAD},
    {"2026-01-15T10:30:00 Z", BAD},
    {"2026-01-15T10:30:00+01", BAD},
    {"2026-01-15T10:30:00+0100", BAD},
    {"2026-01-15T10:30:00+24:00", BAD},
    {"2026-01-15T10:30:00+01:60", BAD},
    {"2026-1-15T10:30:00Z", BAD},
    {"+2026-01-15T10:30:00Z", BAD},
    {"12026-01-15T10:30:00Z", BAD},
    {"2026-01-1", BAD},
    {"-", BAD},
};

static void times_are_read_as_rfc_3339_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int64_t ms = BAD;
        bool is_time = timestamp_parse(cases[i].text, &ms);

        if (is_time != (cases[i].ms != BAD) || ms != cases[i].ms)
            fail_msg("'%s': %d, %lld instead of %lld", cases[i].text, is_time, (long long)ms, (long long)cases[i].ms);
    }
}

static void times_are_written_in_utc_with_milliseconds(void **state)
{
    char out[TIMESTAMP_SIZE];

    (void)state;
    assert_string_equal(timestamp_format(0, out), "1970-01-01T00:00:00.000Z");
    assert_string_equal(timestamp_format(JAN_15 + 7, out), "2026-01-15T10:30:00.007Z");
    assert_string_equal(timestamp_format(TIMESTAMP_MAX_MS, out), "9999-12-31T23:59:59.999Z");
    assert_string_equal(timestamp_format(-1, out), "never");
    assert_string_equal(timestamp_format(TIMESTAMP_MAX_MS + 1, out), "never");
    assert_string_equal(timestamp_format(INT64_MAX, out), "never");
}

static void what_was_written_is_read_as_the_same(void **state)
{
    (void)state;
    for (int64_t ms = 0; ms <= TIMESTAMP_MAX_MS; ms += TIMESTAMP_MAX_MS / 997 + 12345) {
        char out[TIMESTAMP_SIZE];
        int64_t again = -1;

        assert_true(timestamp_parse(timestamp_format(ms, out), &again));
        assert_int_equal(again, ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_read_as_rfc_3339_says),
        cmocka_unit_test(times_are_written_in_utc_with_milliseconds),
        cmocka_unit_test(what_was_written_is_read_as_the_same),
    };

    return cmocka_run_group_tests_name("timestamp", tests, NULL, NULL);
}
