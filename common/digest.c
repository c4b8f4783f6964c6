#include "common/digest.h"

#include <openssl/sha.h>
#include <string.h>

static void hex(const uint8_t *bytes, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * len] = '\0';
}

void digest_sha256(const char *data, size_t len, uint8_t out[DIGEST_SIZE])
{
    _Static_assert(DIGEST_SIZE == SHA256_DIGEST_LENGTH, "a SHA-256 has 32 bytes");
    (void)SHA256((const unsigned char *)data, len, out); /* returns out */
}

void digest_sha256_hex(const char *data, size_t len, char out[DIGEST_HEX_SIZE])
{
    uint8_t bytes[DIGEST_SIZE];

    digest_sha256(data, len, bytes);
    hex(bytes, sizeof(bytes), out);
}

void digest_sha1_hex(const char *data, size_t len, char out[DIGEST_SHA1_HEX])
{
    uint8_t bytes[SHA_DIGEST_LENGTH];

    (void)SHA1((const unsigned char *)data, len, bytes); /* returns bytes */
    hex(bytes, sizeof(bytes), out);
}

uint64_t digest_hash64(const char *data, size_t len)
{
    uint8_t bytes[DIGEST_SIZE];
    uint64_t hash;

    digest_sha256(data, len, bytes);
    memcpy(&hash, bytes, sizeof(hash));
    return hash;
}
