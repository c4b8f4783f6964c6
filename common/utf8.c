#include "common/utf8.h"

#include <string.h>

/* The lowest code point that needs a sequence of this many bytes: anything below it is an overlong form. */
static const int32_t lowest[] = {[1] = 0x0, [2] = 0x80, [3] = 0x800, [4] = 0x10000};

#define EIGHT sizeof(uint64_t)

/* Whether eight bytes from here on are ASCII, as most are. */
static bool are_ascii(const char *data, size_t len)
{
    uint64_t bytes;

    if (len < EIGHT)
        return false;
    memcpy(&bytes, data, EIGHT);
    return (bytes & UINT64_C(0x8080808080808080)) == 0;
}

static size_t sequence_length(unsigned char first)
{
    if (first < 0x80)
        return 1;
    if (first >= 0xc2 && first <= 0xdf)
        return 2;
    if ((first & 0xf0) == 0xe0)
        return 3;
    if (first >= 0xf0 && first <= 0xf4)
        return 4;
    return 0;
}

int32_t utf8_decode(const char *data, size_t len, size_t *ret_size)
{
    unsigned char first = (unsigned char)data[0];
    size_t size = sequence_length(first);
    int32_t point;

    *ret_size = 1;
    if (size == 0 || size > len)
        return -1;
    point = size == 1 ? first : first & (0x7f >> size);
    for (size_t i = 1; i < size; i++) {
        unsigned char c = (unsigned char)data[i];

        if ((c & 0xc0) != 0x80)
            return -1;
        point = (point << 6) | (c & 0x3f);
    }
    if (point < lowest[size] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
        return -1;
    *ret_size = size;
    return point;
}

size_t utf8_encode(int32_t point, char out[UTF8_MAX])
{
    size_t size = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;

    for (size_t i = size - 1; i > 0; i--, point >>= 6)
        out[i] = (char)(0x80 | (point & 0x3f));
    out[0] = (char)(size == 1 ? point : point | (0xf00 >> size & 0xff));
    return size;
}

size_t utf8_valid_prefix(const char *data, size_t len)
{
    size_t at = 0;

    while (at < len) {
        size_t size;

        if ((unsigned char)data[at] < 0x80) {
            at += are_ascii(data + at, len - at) ? EIGHT : 1;
            continue;
        }
        if (utf8_decode(data + at, len - at, &size) < 0)
            break;
        at += size;
    }
    return at;
}

bool utf8_is_valid(const char *data, size_t len)
{
    return utf8_valid_prefix(data, len) == len;
}

size_t utf8_utf16_units(const char *data, size_t len)
{
    size_t units = 0;

    for (size_t at = 0, size; at < len; at += size) {
        if (are_ascii(data + at, len - at)) {
            size = EIGHT;
            units += EIGHT;
        } else {
            units += utf8_decode(data + at, len - at, &size) >= 0x10000 ? 2 : 1;
        }
    }
    return units;
}

void utf8_repair(char *text)
{
    size_t len = strlen(text), at = utf8_valid_prefix(text, len);

    while (at < len) {
        text[at] = '?';
        at += 1 + utf8_valid_prefix(text + at + 1, len - at - 1);
    }
}
