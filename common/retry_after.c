#include "common/retry_after.h"

#include <string.h>
#include <time.h>

#include "common/timestamp.h"

struct date {
    int year, month, day; /* the year as written, the month from 0 */
    int second_of_day;
};

static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char *const days[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
static const char *const long_days[] = {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"};

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

static bool is_digit(char c)
{
    return c >= '0' && c <= '9'; /* not isdigit: the locale has no say here */
}

static const char *skip_blanks(const char *at)
{
    while (*at == ' ' || *at == '\t')
        at++;
    return at;
}

static bool read_text(const char **at, const char *text)
{
    size_t len = strlen(text);

    if (strncmp(*at, text, len) != 0)
        return false;
    *at += len;
    return true;
}

/* Reads exactly `digits` digits; -1 if there are not so many. */
static int read_digits(const char **at, int digits)
{
    int number = 0;

    for (int i = 0; i < digits; i++, (*at)++) {
        if (!is_digit(**at))
            return -1;
        number = number * 10 + (**at - '0');
    }
    return number;
}

/* The index of the name that comes next; -1 if none of them does. Names are case-sensitive (RFC 9110, 5.6.7). */
static int read_name(const char **at, const char *const *names, int count)
{
    for (int i = 0; i < count; i++) {
        if (read_text(at, names[i]))
            return i;
    }
    return -1;
}

static bool read_time_of_day(const char **at, struct date *date)
{
    int hour, minute, second;

    hour = read_digits(at, 2);
    if (hour < 0 || hour > 23 || !read_text(at, ":"))
        return false;
    minute = read_digits(at, 2);
    if (minute < 0 || minute > 59 || !read_text(at, ":"))
        return false;
    second = read_digits(at, 2);
    if (second < 0 || second > 60) /* 60: a leap second */
        return false;
    date->second_of_day = hour * 3600 + minute * 60 + second;
    return true;
}

/* Sun, 06 Nov 1994 08:49:37 GMT */
static bool read_imf_fixdate(const char **at, int this_year, struct date *date)
{
    (void)this_year;
    if (read_name(at, days, COUNT(days)) < 0 || !read_text(at, ", "))
        return false;
    date->day = read_digits(at, 2);
    if (!read_text(at, " "))
        return false;
    date->month = read_name(at, months, COUNT(months));
    if (!read_text(at, " "))
        return false;
    date->year = read_digits(at, 4);
    return read_text(at, " ") && read_time_of_day(at, date) && read_text(at, " GMT");
}

/* Sunday, 06-Nov-94 08:49:37 GMT. Of the years that end like this, the one less than fifty years away is meant. */
static bool read_rfc850_date(const char **at, int this_year, struct date *date)
{
    int two_digits;

    if (read_name(at, long_days, COUNT(long_days)) < 0 || !read_text(at, ", "))
        return false;
    date->day = read_digits(at, 2);
    if (!read_text(at, "-"))
        return false;
    date->month = read_name(at, months, COUNT(months));
    if (!read_text(at, "-"))
        return false;
    two_digits = read_digits(at, 2);
    if (two_digits < 0)
        return false;
    date->year = this_year - this_year % 100 + two_digits;
    if (date->year > this_year + 50)
        date->year -= 100;
    else if (date->year < this_year - 49)
        date->year += 100;
    return read_text(at, " ") && read_time_of_day(at, date) && read_text(at, " GMT");
}

/* Sun Nov  6 08:49:37 1994 */
static bool read_asctime_date(const char **at, int this_year, struct date *date)
{
    (void)this_year;
    if (read_name(at, days, COUNT(days)) < 0 || !read_text(at, " "))
        return false;
    date->month = read_name(at, months, COUNT(months));
    if (!read_text(at, " "))
        return false;
    date->day = read_text(at, " ") ? read_digits(at, 1) : read_digits(at, 2);
    if (!read_text(at, " ") || !read_time_of_day(at, date) || !read_text(at, " "))
        return false;
    date->year = read_digits(at, 4);
    return true;
}

static bool date_to_ms(const struct date *date, int64_t *ret_ms)
{
    struct tm tm = {.tm_year = date->year - 1900, .tm_mon = date->month, .tm_mday = date->day};
    time_t midnight;

    if (date->year < 0 || date->month < 0 || date->day < 1 || date->day > 31)
        return false;
    midnight = timegm(&tm);
    if (tm.tm_mday != date->day) /* 31 April came out as 1 May */
        return false;
    *ret_ms = ((int64_t)midnight + date->second_of_day) * 1000;
    return true;
}

static bool parse_date(const char *value, int64_t now_ms, int64_t *ret_ms)
{
    static bool (*const forms[])(const char **at, int this_year, struct date *date) = {
        read_imf_fixdate,
        read_rfc850_date,
        read_asctime_date,
    };
    time_t now = (time_t)(now_ms / 1000);
    struct tm today;

    if (now_ms < 0 || now_ms > TIMESTAMP_MAX_MS || !gmtime_r(&now, &today))
        return false; /* a clock that is so wrong cannot say how far away a date is */
    for (int i = 0; i < COUNT(forms); i++) {
        struct date date = {0};
        const char *at = value;

        if (forms[i](&at, today.tm_year + 1900, &date) && *skip_blanks(at) == '\0')
            return date_to_ms(&date, ret_ms);
    }
    return false;
}

static bool parse_seconds(const char *at, int64_t *ret_wait_ms)
{
    int64_t wait_ms = 0;

    if (!is_digit(*at))
        return false;
    for (; is_digit(*at); at++) {
        wait_ms = wait_ms * 10 + (*at - '0') * 1000;
        if (wait_ms > RETRY_AFTER_MAX_MS) /* held at the maximum, so any number of digits fits */
            wait_ms = RETRY_AFTER_MAX_MS;
    }
    if (*skip_blanks(at) != '\0')
        return false;
    *ret_wait_ms = wait_ms;
    return true;
}

bool retry_after_parse(const char *value, int64_t now_ms, int64_t *ret_wait_ms)
{
    int64_t until_ms;

    if (!value)
        return false;
    value = skip_blanks(value);
    if (parse_seconds(value, ret_wait_ms))
        return true;
    if (!parse_date(value, now_ms, &until_ms))
        return false;
    if (until_ms <= now_ms)
        *ret_wait_ms = 0;
    else if (until_ms - now_ms > RETRY_AFTER_MAX_MS)
        *ret_wait_ms = RETRY_AFTER_MAX_MS;
    else
        *ret_wait_ms = until_ms - now_ms;
    return true;
}
