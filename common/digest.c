/* SHA-256 by libcrypto's plain functions: the newer ones look the algorithm up by name each time, which takes longer
 * than hashing what is hashed here. */
#define OPENSSL_API_COMPAT 0x10100000L
#include "common/digest.h"

#include <assert.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdlib.h>
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
    SHA256_CTX context;

    if (SHA256_Init(&context) != 1 || SHA256_Update(&context, data, len) != 1 || SHA256_Final(out, &context) != 1)
        abort(); /* they cannot fail */
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

void digest_hmac_sha256(const char *key, size_t key_len, const char *data, size_t len, uint8_t out[DIGEST_SIZE])
{
    unsigned int size = DIGEST_SIZE;

    assert(key_len <= INT_MAX);
    if (!HMAC(EVP_sha256(), key, (int)key_len, (const unsigned char *)data, len, out, &size) || size != DIGEST_SIZE)
        abort(); /* only when there is no memory: see mem.h */
}

uint64_t digest_hash64(const char *data, size_t len)
{
    uint8_t bytes[DIGEST_SIZE];
    uint64_t hash;

    digest_sha256(data, len, bytes);
    memcpy(&hash, bytes, sizeof(hash));
    return hash;
}

static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    digit = (char)(digit | 0x20);
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

bool digest_from_hex(const char *data, size_t len, uint8_t out[DIGEST_SIZE])
{
    uint8_t bytes[DIGEST_SIZE];

    if (len != 2 * (size_t)DIGEST_SIZE)
        return false;
    for (size_t i = 0; i < DIGEST_SIZE; i++) {
        int high = hex_value(data[2 * i]), low = hex_value(data[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    memcpy(out, bytes, sizeof(bytes));
    return true;
}

bool digest_equal(const uint8_t *a, const uint8_t *b, size_t len)
{
    return CRYPTO_memcmp(a, b, len) == 0;
}
