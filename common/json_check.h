/* Whether bytes are a JSON object (RFC 8259), without making anything of it: one pass, no memory. For text that is only
 * passed on; who wants to read it uses json.h, which refuses more (numbers beyond 64 bits, what is too large). Pure. */
#ifndef HERALD_COMMON_JSON_CHECK_H
#define HERALD_COMMON_JSON_CHECK_H

#include "common/span.h"

#define JSON_CHECK_DEPTH 64

/* An object that begins with the first byte and ends with the last, on one line: no control characters anywhere,
 * well-formed UTF-8, and nested at most JSON_CHECK_DEPTH deep. */
bool json_is_object_line(struct span text);

#endif
