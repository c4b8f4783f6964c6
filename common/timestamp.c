#include "common/timestamp.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* Reads exactly `digits` digits; -1 if there are not so many. */
static int read_digits(const char **at, int digits)
{
    int number = 0;

    for (int i = 0; i < digits; i++, (*at)++) {
        if (**at < '0' || **at > '9')
            return -1;
        number = number * 10 + (**at - '0');
    }
    return number;
}

static bool read_char(const char **at, const char *one_of)
{
    if (**at == '\0' || !strchr(one_of, **at))
        return false;
    (*at)++;
    return true;
}

static bool read_date_time(const char **at, struct tm *tm)
{
    tm->tm_year = read_digits(at, 4) - 1900;
    if (tm->tm_year < 70 || !read_char(at, "-"))
        return false;
    tm->tm_mon = read_digits(at, 2) - 1;
    if (tm->tm_mon < 0 || tm->tm_mon > 11 || !read_char(at, "-"))
        return false;
    tm->tm_mday = read_digits(at, 2);
    if (tm->tm_mday < 1 || tm->tm_mday > 31 || !read_char(at, "Tt "))
        return false;
    tm->tm_hour = read_digits(at, 2);
    if (tm->tm_hour < 0 || tm->tm_hour > 23 || !read_char(at, ":"))
        return false;
    tm->tm_min = read_digits(at, 2);
    if (tm->tm_min < 0 || tm->tm_min > 59 || !read_char(at, ":"))
        return false;
    tm->tm_sec = read_digits(at, 2);
    return tm->tm_sec >= 0 && tm->tm_sec <= 60;
}

static bool read_fraction_ms(const char **at, int *ret_ms)
{
    int scale = 100, ms = 0, digits = 0;

    if (!read_char(at, "."))
        return true;
    for (; **at >= '0' && **at <= '9' && digits < 9; digits++, (*at)++, scale /= 10)
        ms += (**at - '0') * scale;
    *ret_ms = ms;
    return digits > 0;
}

static bool read_offset_minutes(const char **at, int *ret_minutes)
{
    int sign, hours, minutes;

    if (read_char(at, "Zz"))
        return true;
    sign = **at == '-' ? -1 : 1;
    if (!read_char(at, "+-"))
        return false;
    hours = read_digits(at, 2);
    if (hours < 0 || hours > 23 || !read_char(at, ":"))
        return false;
    minutes = read_digits(at, 2);
    if (minutes < 0 || minutes > 59)
        return false;
    *ret_minutes = sign * (hours * 60 + minutes);
    return true;
}

bool timestamp_parse(const char *text, int64_t *ret_ms)
{
    struct tm tm = {0};
    int day, leap, offset_minutes = 0, fraction_ms = 0;
    int64_t seconds;

    if (!read_date_time(&text, &tm) || !read_fraction_ms(&text, &fraction_ms) ||
        !read_offset_minutes(&text, &offset_minutes) || *text != '\0')
        return false;
    day = tm.tm_mday;
    leap = tm.tm_sec == 60; /* 1970's clock has none: it is the second that follows */
    tm.tm_sec -= leap;
    seconds = (int64_t)timegm(&tm) + leap - (int64_t)offset_minutes * 60;
    if (tm.tm_mday != day) /* 31 April came out as 1 May */
        return false;
    if (leap && seconds % (24 * 3600) != 0) /* a leap second is the last of a day, in UTC */
        return false;
    *ret_ms = seconds * 1000 + fraction_ms;
    return true;
}

const char *timestamp_format(int64_t ms, char out[TIMESTAMP_SIZE])
{
    struct tm tm;
    time_t seconds = (time_t)(ms / 1000);
    char date[24];

    if (ms < 0 || ms > TIMESTAMP_MAX_MS || !gmtime_r(&seconds, &tm)) {
        (void)snprintf(out, TIMESTAMP_SIZE, "never");
        return out;
    }
    (void)strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm); /* always fits: the year has four digits */
    (void)snprintf(out, TIMESTAMP_SIZE, "%s.%03dZ", date, (int)(ms % 1000));
    return out;
}
