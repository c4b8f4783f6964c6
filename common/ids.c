#include "common/ids.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

void id_new(char out[ID_SIZE], int64_t wall_ms)
{
    uint64_t a = random_u64(), b = random_u64();
    uint64_t time = (uint64_t)wall_ms & 0xffffffffffffU;

    (void)snprintf(out, ID_SIZE, "%08" PRIx64 "-%04" PRIx64 "-7%03" PRIx64 "-%04" PRIx64 "-%012" PRIx64, time >> 16,
                   time & 0xffff, a & 0xfff, 0x8000 | ((a >> 12) & 0x3fff), b & 0xffffffffffffU);
}

bool id_is_valid(const char *text, size_t len)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:-";

    for (size_t i = 0; i < len && i < ID_MAX; i++) {
        if (text[i] == '\0' || !strchr(allowed, text[i]))
            return false;
    }
    return len > 0 && len <= ID_MAX;
}
