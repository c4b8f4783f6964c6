/* Numbers as people write them on a command line or in /sandbox/config: integers, fractions, durations, rates.
 *
 * Every parser checks the range and refuses leftovers, so that "10x" or "1e999" is an error and never a surprise. */
#include "tests/sandbox/units.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define UNITS_LIMIT_MAX 100000000

int units_parse_int(const char *string, int64_t least, int64_t most, int64_t *ret_value)
{
    if (!isdigit((unsigned char)string[0]) && string[0] != '-') {
        return -1;
    }
    char *end = NULL;
    errno = 0;
    long long value = strtoll(string, &end, 10);
    if (errno != 0 || end == string || *end != '\0' || value < least || value > most) {
        return -1;
    }
    *ret_value = value;
    return 0;
}

/* parse_decimal: plain digits with at most one point, as strtod alone also takes "nan", "inf" and hex. */
static int parse_decimal(const char *string, const char **ret_end, double *ret_value)
{
    size_t length = strspn(string, "0123456789.");
    if (length == 0 || length > 20 || (length == 1 && string[0] == '.')) {
        return -1;
    }
    char digits[24];
    memcpy(digits, string, length);
    digits[length] = '\0';
    char *end = NULL;
    *ret_value = strtod(digits, &end);
    if (*end != '\0') {
        return -1;
    }
    *ret_end = string + length;
    return 0;
}

int units_parse_fraction(const char *string, double *ret_value)
{
    const char *end = NULL;
    double value = 0;
    if (parse_decimal(string, &end, &value) != 0 || *end != '\0' || value > 1) {
        return -1;
    }
    *ret_value = value;
    return 0;
}

int units_parse_duration(const char *string, int64_t least_us, int64_t most_us, int64_t *ret_us)
{
    static const struct {
        const char *name;
        double us;
    } units[] = {{"", 1e3}, {"us", 1}, {"ms", 1e3}, {"s", 1e6}, {"m", 60e6}, {"h", 3600e6}};
    const char *end = NULL;
    double value = 0;
    if (parse_decimal(string, &end, &value) != 0) {
        return -1;
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(end, units[i].name) != 0) {
            continue;
        }
        double us = value * units[i].us + 0.5;
        if (us < (double)least_us || us >= (double)most_us + 1) {
            return -1;
        }
        *ret_us = (int64_t)us;
        return 0;
    }
    return -1;
}

int units_parse_rate(const char *string, struct rate *ret_rate)
{
    struct rate rate = {0, 0};
    if (strcmp(string, "unlimited") == 0) {
        *ret_rate = rate;
        return 0;
    }
    const char *slash = strchr(string, '/');
    char count[16];
    if (slash == NULL || (size_t)(slash - string) >= sizeof count) {
        return -1;
    }
    memcpy(count, string, (size_t)(slash - string));
    count[slash - string] = '\0';
    if (units_parse_int(count, 1, UNITS_LIMIT_MAX, &rate.limit) != 0 ||
        units_parse_duration(slash + 1, 1000, UNITS_DAY_US, &rate.width_us) != 0) {
        return -1;
    }
    *ret_rate = rate;
    return 0;
}
