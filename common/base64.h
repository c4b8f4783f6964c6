/* Base64 (RFC 4648, section 4), over OpenSSL's libcrypto. */
#ifndef HERALD_COMMON_BASE64_H
#define HERALD_COMMON_BASE64_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"

void base64_add(struct buf *out, const char *data, size_t len);
/* Adds what the text means; false, with nothing added, unless it is base64 with its padding and nothing else. */
bool base64_decode(struct buf *out, const char *text, size_t len);

#endif
