/* Instants as people and other programs write them: RFC 3339 in UTC, `2026-01-15T10:30:00.123Z`. */
#ifndef HERALD_COMMON_TIMESTAMP_H
#define HERALD_COMMON_TIMESTAMP_H

#include <stdbool.h>
#include <stdint.h>

#define TIMESTAMP_SIZE   32
#define TIMESTAMP_MAX_MS INT64_C(253402300799999) /* the last of year 9999 */

/* Milliseconds since 1970; false if `text` is not an RFC 3339 date and time (any offset, up to 9 decimals). */
bool timestamp_parse(const char *text, int64_t *ret_ms);
const char *timestamp_format(int64_t ms, char out[TIMESTAMP_SIZE]); /* returns out */

#endif
