/* How a number is written (RFC 8259, section 6). Pure. */
#ifndef HERALD_COMMON_JSON_NUMBER_H
#define HERALD_COMMON_JSON_NUMBER_H

#include <stdbool.h>
#include <stddef.h>

/* The length of the number at `data`, 0 if it is none. */
size_t json_number_length(const char *data, size_t len, bool *ret_is_whole);

/* Whether a whole number fits a signed one of 64 bits. */
bool json_number_fits(const char *data, size_t len);

#endif
