#ifndef SANDBOX_UNITS_H
#define SANDBOX_UNITS_H

#include <stdint.h>

#define UNITS_DAY_US (86400LL * 1000000)

/* At most `limit` requests in any `width_us`; limit 0 means unlimited. */
struct rate {
    int64_t limit;
    int64_t width_us;
};

/* All return 0, or -1 with the result unchanged. The whole string must be used up. */
int units_parse_int(const char *string, int64_t least, int64_t most, int64_t *ret_value);
int units_parse_fraction(const char *string, double *ret_value);                /* 0..1 */
int units_parse_rate(const char *string, struct rate *ret_rate);                /* "300/60s" or "unlimited" */
int units_parse_duration(const char *string, int64_t least_us, int64_t most_us, /* "50", "50ms", "1.5s", "2m" */
                         int64_t *ret_us);

#endif
