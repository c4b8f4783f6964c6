/* The Retry-After header: seconds, three forms of a date, and everything else. */
#include "common/retry_after.h"

#include "tests/unit/unit.h"

#define NOW_MS  INT64_C(1700000000000) /* Tue, 14 Nov 2023 22:13:20 GMT */
#define REFUSED (-1)

struct retry_after_case {
    const char *about;
    const char *value;
    int64_t wait_ms; /* REFUSED: not a Retry-After */
};

static const struct retry_after_case cases[] = {
    {"seconds", "120", 120000},
    {"no seconds", "0", 0},
    {"zeros before it", "0000000000000000000000000000000000007", 7000},
    {"blanks around it", " \t5 \t", 5000},
    {"the longest wait", "86400", RETRY_AFTER_MAX_MS},
    {"a second more", "86401", RETRY_AFTER_MAX_MS},
    {"more than 64 bits", "99999999999999999999999999999999999999", RETRY_AFTER_MAX_MS},
    {"nothing", "", REFUSED},
    {"blanks", "  ", REFUSED},
    {"a minus", "-1", REFUSED},
    {"a plus", "+1", REFUSED},
    {"a fraction", "1.5", REFUSED},
    {"a unit", "5s", REFUSED},
    {"two numbers", "5 6", REFUSED},
    {"a list", "5, 6", REFUSED},
    {"hexadecimal", "0x10", REFUSED},
    {"digits of another script", "\xd9\xa3", REFUSED},
    {"a word", "soon", REFUSED},

    {"a date a minute ahead", "Tue, 14 Nov 2023 22:14:20 GMT", 60000},
    {"a date and blanks", " Tue, 14 Nov 2023 22:14:20 GMT ", 60000},
    {"this very second", "Tue, 14 Nov 2023 22:13:20 GMT", 0},
    {"a date that has passed", "Sun, 06 Nov 1994 08:49:37 GMT", 0},
    {"before 1970", "Sun, 06 Nov 1904 08:49:37 GMT", 0},
    {"exactly a day ahead", "Wed, 15 Nov 2023 22:13:20 GMT", RETRY_AFTER_MAX_MS},
    {"a year ahead", "Thu, 14 Nov 2024 22:13:20 GMT", RETRY_AFTER_MAX_MS},
    {"the last year", "Fri, 31 Dec 9999 23:59:59 GMT", RETRY_AFTER_MAX_MS},
    {"a day of the week that does not belong to it", "Mon, 14 Nov 2023 22:14:20 GMT", 60000},
    {"a leap second", "Tue, 14 Nov 2023 22:13:60 GMT", 40000},
    {"the 29th of a leap year", "Thu, 29 Feb 2024 00:00:00 GMT", RETRY_AFTER_MAX_MS},
    {"the 29th of another year", "Wed, 29 Feb 2023 00:00:00 GMT", REFUSED},
    {"the 31st of a short month", "Tue, 31 Apr 2024 00:00:00 GMT", REFUSED},
    {"day 0", "Tue, 00 Nov 2023 22:14:20 GMT", REFUSED},
    {"day 32", "Tue, 32 Nov 2023 22:14:20 GMT", REFUSED},
    {"hour 24", "Tue, 14 Nov 2023 24:00:00 GMT", REFUSED},
    {"minute 60", "Tue, 14 Nov 2023 22:60:20 GMT", REFUSED},
    {"second 61", "Tue, 14 Nov 2023 22:14:61 GMT", REFUSED},
    {"another zone", "Tue, 14 Nov 2023 22:14:20 CET", REFUSED},
    {"no zone", "Tue, 14 Nov 2023 22:14:20", REFUSED},
    {"one digit for the day", "Tue, 4 Nov 2023 22:14:20 GMT", REFUSED},
    {"one digit for the hour", "Tue, 14 Nov 2023 2:14:20 GMT", REFUSED},
    {"a month of another language", "Tue, 14 Dez 2023 22:14:20 GMT", REFUSED},
    {"small letters", "tue, 14 nov 2023 22:14:20 gmt", REFUSED},
    {"something after it", "Tue, 14 Nov 2023 22:14:20 GMT;", REFUSED},
    {"cut short", "Tue, 14 Nov 20", REFUSED},
    {"a day of the week alone", "Tue, ", REFUSED},
    {"RFC 3339", "2023-11-14T22:14:20Z", REFUSED},

    {"RFC 850", "Tuesday, 14-Nov-23 22:14:20 GMT", 60000},
    {"RFC 850, passed", "Sunday, 06-Nov-94 08:49:37 GMT", 0},
    {"RFC 850, fifty years ahead", "Tuesday, 14-Nov-73 22:14:20 GMT", RETRY_AFTER_MAX_MS},
    {"RFC 850, more than fifty years ahead is the century before", "Tuesday, 14-Nov-74 22:14:20 GMT", 0},
    {"RFC 850, four digits", "Tuesday, 14-Nov-2023 22:14:20 GMT", REFUSED},
    {"RFC 850, one digit", "Tuesday, 14-Nov-3 22:14:20 GMT", REFUSED},
    {"RFC 850, a short day of the week", "Tue, 14-Nov-23 22:14:20 GMT", REFUSED},
    {"RFC 850, blanks in the date", "Tuesday, 14 Nov 23 22:14:20 GMT", REFUSED},

    {"asctime", "Tue Nov 14 22:14:20 2023", 60000},
    {"asctime, a day of one digit", "Sun Nov  6 08:49:37 1994", 0},
    {"asctime, a zero instead of the blank", "Sun Nov 06 08:49:37 1994", 0},
    {"asctime, one digit without the blank", "Sun Nov 6 08:49:37 1994", REFUSED},
    {"asctime, a newline", "Tue Nov 14 22:14:20 2023\n", REFUSED},
    {"asctime, a zone", "Tue Nov 14 22:14:20 2023 GMT", REFUSED},
};

static void check(const struct retry_after_case *c)
{
    int64_t wait_ms = REFUSED;
    bool understood = retry_after_parse(c->value, NOW_MS, &wait_ms);

    if (understood != (c->wait_ms != REFUSED) || wait_ms != c->wait_ms)
        fail_msg("%s: '%s' came out as %lld", c->about, c->value, (long long)wait_ms);
}

static void seconds_and_dates_become_a_wait_and_the_rest_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        check(&cases[i]);
}

static void no_header_is_no_wait(void **state)
{
    int64_t wait_ms = 7;

    (void)state;
    assert_false(retry_after_parse(NULL, NOW_MS, &wait_ms));
    assert_int_equal(wait_ms, 7);
}

static void a_two_digit_year_is_the_nearest_one_at_the_turn_of_a_century(void **state)
{
    int64_t new_year_ms = INT64_C(946684800000); /* Sat, 01 Jan 2000 00:00:00 GMT */
    int64_t wait_ms;

    (void)state;
    assert_true(retry_after_parse("Saturday, 01-Jan-00 00:00:00 GMT", new_year_ms - 5000, &wait_ms));
    assert_int_equal(wait_ms, 5000);
    assert_true(retry_after_parse("Friday, 31-Dec-99 23:59:59 GMT", new_year_ms, &wait_ms));
    assert_int_equal(wait_ms, 0);
    assert_true(retry_after_parse("Friday, 01-Jan-49 00:00:00 GMT", new_year_ms - 5000, &wait_ms)); /* 2049 */
    assert_int_equal(wait_ms, RETRY_AFTER_MAX_MS);
    assert_true(retry_after_parse("Sunday, 01-Jan-50 00:00:00 GMT", new_year_ms - 5000, &wait_ms)); /* 1950 */
    assert_int_equal(wait_ms, 0);
}

static void any_clock_gives_a_wait_within_bounds(void **state)
{
    static const int64_t clocks_ms[] = {INT64_MIN, INT64_MIN + 1, -1, 0, 1, INT64_MAX - 1, INT64_MAX};
    static const char *const dates[] = {"Tue, 14 Nov 2023 22:14:20 GMT", "Tuesday, 14-Nov-23 22:14:20 GMT",
                                        "Sat, 01 Jan 0000 00:00:00 GMT"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(clocks_ms); i++) {
        for (size_t j = 0; j < COUNT_OF(dates); j++) {
            int64_t wait_ms = 0;

            (void)retry_after_parse(dates[j], clocks_ms[i], &wait_ms); /* either answer will do */
            assert_in_range(wait_ms, 0, RETRY_AFTER_MAX_MS);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seconds_and_dates_become_a_wait_and_the_rest_is_refused),
        cmocka_unit_test(no_header_is_no_wait),
        cmocka_unit_test(a_two_digit_year_is_the_nearest_one_at_the_turn_of_a_century),
        cmocka_unit_test(any_clock_gives_a_wait_within_bounds),
    };

    return cmocka_run_group_tests_name("retry_after", tests, NULL, NULL);
}
