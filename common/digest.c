/* SHA-256 by libcrypto's plain functions: the newer ones look the algorithm up by name each time, which takes longer
 * than hashing what is hashed here. */
#define OPENSSL_API_COMPAT 0x10100000L
#include "common/digest.h"

#include <openssl/crypto.h>
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

void digest_sha256_parts(const struct span *parts, size_t count, uint8_t out[DIGEST_SIZE])
{
    SHA256_CTX context;
    bool is_fine = SHA256_Init(&context) == 1;

    _Static_assert(DIGEST_SIZE == SHA256_DIGEST_LENGTH, "a SHA-256 has 32 bytes");
    for (size_t i = 0; i < count; i++)
        is_fine = is_fine && SHA256_Update(&context, parts[i].data, parts[i].len) == 1;
    if (!is_fine || SHA256_Final(out, &context) != 1)
        abort(); /* they cannot fail */
    OPENSSL_cleanse(&context, sizeof(context));
}

void digest_sha256(const char *data, size_t len, uint8_t out[DIGEST_SIZE])
{
    digest_sha256_parts(&(struct span){data, len}, 1, out);
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

static void hash_two(const uint8_t *a, size_t a_len, const void *b, size_t b_len, uint8_t out[DIGEST_SIZE])
{
    digest_sha256_parts((const struct span[]){{(const char *)a, a_len}, {b, b_len}}, 2, out);
}

/* RFC 2104, section 2. libcrypto's own takes 4 us for a receipt, of which the hashes are one. */
void digest_hmac_sha256(const char *key, size_t key_len, const char *data, size_t len, uint8_t out[DIGEST_SIZE])
{
    uint8_t inner[SHA256_CBLOCK] = {0}, outer[SHA256_CBLOCK], hash[DIGEST_SIZE];

    if (key_len > sizeof(inner))
        digest_sha256(key, key_len, inner);
    else
        memcpy(inner, key, key_len);
    for (size_t i = 0; i < sizeof(inner); i++) {
        outer[i] = inner[i] ^ 0x5c;
        inner[i] ^= 0x36;
    }
    hash_two(inner, sizeof(inner), data, len, hash);
    hash_two(outer, sizeof(outer), hash, sizeof(hash), out);
    OPENSSL_cleanse(inner, sizeof(inner));
    OPENSSL_cleanse(outer, sizeof(outer));
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
