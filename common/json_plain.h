/* How much of a text stands in JSON as it is. Eight bytes at a time, because every byte of every message comes by here
 * several times. Pure. */
#ifndef HERALD_COMMON_JSON_PLAIN_H
#define HERALD_COMMON_JSON_PLAIN_H

#include <stddef.h>

/* The bytes before the first control character (DEL is one), quote or backslash. */
size_t json_plain_length(const char *data, size_t len);

#endif
