/* Hashes, over OpenSSL's libcrypto, whose types stay in digest.c. */
#ifndef HERALD_COMMON_DIGEST_H
#define HERALD_COMMON_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/span.h"

#define DIGEST_SIZE     32
#define DIGEST_HEX_SIZE 65
#define DIGEST_SHA1_HEX 41

/* Of several texts as if they were one. */
void digest_sha256_parts(const struct span *parts, size_t count, uint8_t out[DIGEST_SIZE]);
void digest_sha256(const char *data, size_t len, uint8_t out[DIGEST_SIZE]);
void digest_sha256_hex(const char *data, size_t len, char out[DIGEST_HEX_SIZE]);
void digest_sha1_hex(const char *data, size_t len, char out[DIGEST_SHA1_HEX]); /* the name Redis gives a script */
/* Lower or upper case; false unless it is the hex of DIGEST_SIZE bytes. */
bool digest_from_hex(const char *data, size_t len, uint8_t out[DIGEST_SIZE]);
bool digest_equal(const uint8_t *a, const uint8_t *b, size_t len); /* in a time that depends on len alone */
/* RFC 2104 with SHA-256, of keys of any length. */
void digest_hmac_sha256(const char *key, size_t key_len, const char *data, size_t len, uint8_t out[DIGEST_SIZE]);
uint64_t digest_hash64(const char *data, size_t len); /* the first 8 bytes of SHA-256: to tell messages apart */

#endif
