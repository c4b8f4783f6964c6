#include "common/utf8.h"

#include <string.h>

/* The lowest code point that needs a sequence of this many bytes: anything below it is an overlong form. */
static const int32_t lowest[] = {[1] = 0x0, [2] = 0x80, [3] = 0x800, [4] = 0x10000};

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

/* How many bytes are ASCII before the first that is not: by eights, since most texts are little else. */
static size_t ascii_prefix(const char *data, size_t len)
{
    size_t at = 0;
    uint64_t eight;

    for (; len - at >= sizeof(eight); at += sizeof(eight)) {
        memcpy(&eight, data + at, sizeof(eight));
        if (eight & UINT64_C(0x8080808080808080))
            break;
    }
    while (at < len && (unsigned char)data[at] < 0x80)
        at++;
    return at;
}

size_t utf8_valid_prefix(const char *data, size_t len)
{
    size_t at = ascii_prefix(data, len), size;

    while (at < len && utf8_decode(data + at, len - at, &size) >= 0) {
        at += size;
        at += ascii_prefix(data + at, len - at);
    }
    return at;
}

bool utf8_is_valid(const char *data, size_t len)
{
    return utf8_valid_prefix(data, len) == len;
}

size_t utf8_utf16_units(const char *data, size_t len)
{
    size_t at = ascii_prefix(data, len), units = at, size, run;

    for (; at < len; at += size + run) {
        units += utf8_decode(data + at, len - at, &size) >= 0x10000 ? 2 : 1;
        run = ascii_prefix(data + at + size, len - at - size);
        units += run;
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
