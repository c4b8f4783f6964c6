/* The Retry-After header of an answer (RFC 9110, section 10.2.3): a number of seconds, or an HTTP-date (section 5.6.7)
 * in any of its three forms. Genesys sends seconds; a proxy before it may send a date. */
#ifndef HERALD_COMMON_RETRY_AFTER_H
#define HERALD_COMMON_RETRY_AFTER_H

#include <stdbool.h>
#include <stdint.h>

/* The longest wait that is believed: some quotas of the platform are daily, none is longer. */
#define RETRY_AFTER_MAX_MS ((int64_t)24 * 60 * 60 * 1000)

/* The wait that `value` asks for, seen from `now_ms` (wall clock, ms since the Unix epoch): 0 for a date that has
 * passed, at most RETRY_AFTER_MAX_MS. False, with nothing written, when `value` is NULL or neither form, or is a date
 * while the clock is before 1970 or after 9999. A day of the week that does not belong to the date is accepted: it does
 * not change the instant. */
bool retry_after_parse(const char *value, int64_t now_ms, int64_t *ret_wait_ms);

#endif
