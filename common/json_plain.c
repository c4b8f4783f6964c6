#include "common/json_plain.h"

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define EIGHT sizeof(uint64_t)
#define ONES  UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

static bool is_plain(char c)
{
    return (unsigned char)c >= ' ' && c != 0x7f && c != '"' && c != '\\';
}

/* The highest bit of each byte that is `c`. Bytes behind such a one may be taken for it, too. */
static uint64_t equal(uint64_t bytes, char c)
{
    uint64_t rest = bytes ^ (ONES * (unsigned char)c);

    return (rest - ONES) & ~rest;
}

/* How many of eight bytes stand before the first that is not plain. */
static inline size_t plain_of_eight(const char *data)
{
    uint64_t bytes, stops;

    memcpy(&bytes, data, EIGHT);
    bytes = le64toh(bytes); /* the first one is the lowest */
    stops = (bytes - ONES * ' ') & ~bytes;
    stops = (stops | equal(bytes, '"') | equal(bytes, '\\') | equal(bytes, 0x7f)) & HIGHS;
    return stops ? (size_t)__builtin_ctzll(stops) / 8 : EIGHT;
}

size_t json_plain_length(const char *data, size_t len)
{
    size_t at = 0;

    while (len - at >= EIGHT) {
        size_t plain = plain_of_eight(data + at);

        at += plain;
        if (plain < EIGHT)
            return at;
    }
    if (len >= EIGHT) /* the last eight, of which the first are plain */
        return at == len ? len : len - EIGHT + plain_of_eight(data + len - EIGHT);
    while (at < len && is_plain(data[at]))
        at++;
    return at;
}
