/* UTF-8 (RFC 3629): whether bytes are well formed, and how many UTF-16 units they come to.
 * The tutorials count a text's length as JavaScript does, in UTF-16 units: an emoji is two. */
#ifndef HERALD_COMMON_UTF8_H
#define HERALD_COMMON_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The code point at `data` (len > 0) and its length in bytes through ret_size; -1 and size 1 if it is not well formed
 * (overlong, surrogate, above U+10FFFF, cut short). */
int32_t utf8_decode(const char *data, size_t len, size_t *ret_size);

#define UTF8_MAX 4
size_t utf8_encode(int32_t point, char out[UTF8_MAX]); /* how many bytes; no NUL follows. The point is one */

bool utf8_is_valid(const char *data, size_t len);
size_t utf8_valid_prefix(const char *data, size_t len); /* bytes before the first that is not well formed */
void utf8_repair(char *text); /* bytes that are not well formed become `?`: a text cut to size */
size_t utf8_utf16_units(const char *data, size_t len); /* a byte that is not well formed counts one */

#endif
