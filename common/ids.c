#include "common/ids.h"

#include <stdlib.h>
#include <sys/random.h>

/* Random bytes are fetched from the kernel this many at a time: a system call per id would cost more than the id. */
#define POOL_WORDS 256

struct pool {
    uint64_t words[POOL_WORDS];
    size_t used;
};

static _Thread_local struct pool pool = {.used = POOL_WORDS};

uint64_t random_u64(void)
{
    if (pool.used == POOL_WORDS) {
        /* getrandom gives up to 256 bytes whole; larger ones may be cut by a signal, so ask in such pieces. */
        for (size_t i = 0; i < POOL_WORDS; i += 32) {
            if (getrandom(&pool.words[i], 32 * sizeof(uint64_t), 0) != 32 * (ssize_t)sizeof(uint64_t))
                abort(); /* no random numbers: no ids, no jitter; not a state to send in */
        }
        pool.used = 0;
    }
    return pool.words[pool.used++];
}

/* Adds the lowest `digits` hexadecimal digits of a number; snprintf would cost more than all else here. */
static char *add_hex(char *out, uint64_t number, int digits)
{
    for (int shift = (digits - 1) * 4; shift >= 0; shift -= 4)
        *out++ = "0123456789abcdef"[number >> shift & 15];
    return out;
}

void id_new(char out[ID_SIZE], int64_t wall_ms)
{
    uint64_t a = random_u64(), b = random_u64(), time = (uint64_t)wall_ms;
    char *at = out;

    at = add_hex(at, time >> 16, 8);
    *at++ = '-';
    at = add_hex(at, time, 4);
    *at++ = '-';
    at = add_hex(at, 0x7000 | (a & 0xfff), 4);
    *at++ = '-';
    at = add_hex(at, 0x8000 | (a >> 12 & 0x3fff), 4);
    *at++ = '-';
    at = add_hex(at, b, 12);
    *at = '\0';
}

static bool is_allowed(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == ':' || c == '-';
}

bool id_is_valid(const char *text, size_t len)
{
    for (size_t i = 0; i < len && i < ID_MAX; i++) {
        if (!is_allowed(text[i]))
            return false;
    }
    return len > 0 && len <= ID_MAX;
}

bool id_pack(const char *text, uint8_t out[ID_BYTES])
{
    /* Of lower-case digits the value and one more, of all else 0. */
    static const uint8_t digits[256] = {
        ['0'] = 1, ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
        ['8'] = 9, ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
    };
    const uint8_t *at = (const uint8_t *)text;
    uint8_t any = 0;

    for (size_t i = 0; i < ID_BYTES; i++) {
        unsigned high, low;

        if ((i == 4 || i == 6 || i == 8 || i == 10) && *at++ != '-')
            return false;
        high = digits[at[0]];
        low = high ? digits[at[1]] : 0;
        if (!low)
            return false;
        out[i] = (uint8_t)((high - 1) << 4 | (low - 1));
        any |= out[i];
        at += 2;
    }
    return *at == '\0' && any != 0;
}

void id_unpack(const uint8_t bytes[ID_BYTES], char out[ID_SIZE])
{
    char *at = out;

    for (size_t i = 0; i < ID_BYTES; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *at++ = '-';
        at = add_hex(at, bytes[i], 2);
    }
    *at = '\0';
}
