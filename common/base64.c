#include "common/base64.h"

#include <openssl/evp.h>

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
