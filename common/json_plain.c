#include "common/json_plain.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define ONES  UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

static bool is_plain(char c)
{
    return (unsigned char)c >= ' ' && c != 0x7f && c != '"' && c != '\\';
}

/* The highest bit of a byte that is `c`, or stands behind one and was borrowed from; other bits mean nothing. */
static uint64_t equal(uint64_t bytes, char c)
{
    uint64_t rest = bytes ^ (ONES * (unsigned char)c);

    return (rest - ONES) & ~rest;
}

static bool are_plain(const char *data)
{
    uint64_t bytes, below;

    memcpy(&bytes, data, sizeof(bytes));
    below = (bytes - ONES * ' ') & ~bytes;
    return ((below | equal(bytes, '"') | equal(bytes, '\\') | equal(bytes, 0x7f)) & HIGHS) == 0;
}

size_t json_plain_length(const char *data, size_t len)
{
    size_t at = 0;

    while (len - at >= sizeof(uint64_t) && are_plain(data + at))
        at += sizeof(uint64_t);
    while (at < len && is_plain(data[at]))
        at++;
    return at;
}
