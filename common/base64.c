#include "common/base64.h"

#include <openssl/evp.h>
#include <string.h>

#define PIECE 48 /* bytes at a time: a multiple of 3, so only the last piece is padded */

void base64_add(struct buf *out, const char *data, size_t len)
{
    unsigned char text[PIECE / 3 * 4 + 1];

    for (size_t at = 0; at < len; at += PIECE) {
        size_t piece = len - at < PIECE ? len - at : PIECE;
        int text_len = EVP_EncodeBlock(text, (const unsigned char *)data + at, (int)piece);

        buf_add(out, (const char *)text, (size_t)text_len);
    }
}

bool base64_decode(struct buf *out, const char *text, size_t len)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t padding = len > 0 && text[len - 1] == '=' ? 1 + (len > 1 && text[len - 2] == '=') : 0;
    unsigned char bytes[PIECE];

    if (len % 4 != 0)
        return false;
    for (size_t i = 0; i < len - padding; i++) { /* libcrypto takes blanks, too */
        if (!text[i] || !strchr(alphabet, text[i]))
            return false;
    }
    for (size_t at = 0; at < len; at += PIECE) {
        size_t piece = len - at < PIECE ? len - at : PIECE;
        int got = EVP_DecodeBlock(bytes, (const unsigned char *)text + at, (int)piece);

        buf_add(out, (const char *)bytes,
                (size_t)got - (at + piece == len ? padding : 0)); /* it decodes padding to NULs */
    }
    explicit_bzero(bytes, sizeof(bytes));
    return true;
}
