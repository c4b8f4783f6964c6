/* Chance: a repeatable stream of random numbers, UUIDs, and the latency distributions drawn from it.
 *
 * The stream is counter-based (splitmix64 over seed + n): no state to lock, and a fixed seed gives the same faults to
 * the same sequence of requests. Secrets (tokens) come from OpenSSL instead, in token.c. */
#include "tests/sandbox/dice.h"
#include "tests/sandbox/units.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define DICE_STEP      0x9e3779b97f4a7c15ULL
#define LATENCY_MAX_US (3600LL * 1000000)

static uint64_t mix(uint64_t value)
{
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ULL;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebULL;
    return value ^ (value >> 31);
}

void dice_init(struct dice *dice, uint64_t seed)
{
    atomic_store(&dice->seed, mix(seed + DICE_STEP));
    atomic_store(&dice->drawn, 0);
}

uint64_t dice_draw(struct dice *dice)
{
    uint64_t number = atomic_fetch_add_explicit(&dice->drawn, 1, memory_order_relaxed) + 1;
    return mix(atomic_load_explicit(&dice->seed, memory_order_relaxed) + number * DICE_STEP);
}

double dice_fraction(struct dice *dice)
{
    return (double)(dice_draw(dice) >> 11) * 0x1.0p-53;
}

void dice_uuid(struct dice *dice, char ret_uuid[TEXT_UUID_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    static const unsigned char place[32] = {0,  1,  2,  3,  4,  5,  6,  7,  9,  10, 11, 12, 14, 15, 16, 17,
                                            19, 20, 21, 22, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35};
    uint64_t high = (dice_draw(dice) & ~0xf000ULL) | 0x4000ULL;
    uint64_t low = (dice_draw(dice) & ~(3ULL << 62)) | (2ULL << 62);
    for (int i = 0; i < 16; i++) {
        ret_uuid[place[i]] = digits[(high >> (60 - 4 * i)) & 15];
        ret_uuid[place[i + 16]] = digits[(low >> (60 - 4 * i)) & 15];
    }
    ret_uuid[8] = ret_uuid[13] = ret_uuid[18] = ret_uuid[23] = '-';
    ret_uuid[36] = '\0';
}

static const struct {
    const char *prefix;
    int values;
} kinds[] = {
    [LATENCY_CONSTANT] = {"", 1},
    [LATENCY_NORMAL] = {"normal:", 2},
    [LATENCY_UNIFORM] = {"uniform:", 2},
    [LATENCY_EXP] = {"exp:", 1},
};

int latency_parse(const char *string, struct latency *ret_latency)
{
    struct latency latency = {.kind = LATENCY_CONSTANT};
    for (int kind = LATENCY_NORMAL; kind <= LATENCY_EXP; kind++) {
        if (strncmp(string, kinds[kind].prefix, strlen(kinds[kind].prefix)) == 0) {
            latency.kind = (enum latency_kind)kind;
        }
    }
    char parts[64];
    size_t length = strlen(string + strlen(kinds[latency.kind].prefix));
    if (length >= sizeof parts) {
        return -1;
    }
    memcpy(parts, string + strlen(kinds[latency.kind].prefix), length + 1);
    char *second = strchr(parts, ':');
    if ((second != NULL) != (kinds[latency.kind].values == 2)) {
        return -1;
    }
    if (second != NULL) {
        *second++ = '\0';
        if (units_parse_duration(second, 0, LATENCY_MAX_US, &latency.b_us) != 0) {
            return -1;
        }
    }
    if (units_parse_duration(parts, 0, LATENCY_MAX_US, &latency.a_us) != 0) {
        return -1;
    }
    if (latency.kind == LATENCY_UNIFORM && latency.b_us < latency.a_us) {
        return -1;
    }
    *ret_latency = latency;
    return 0;
}

void latency_render(const struct latency *latency, struct text *out)
{
    text_printf(out, "\"%s%" PRId64 "us", kinds[latency->kind].prefix, latency->a_us);
    if (kinds[latency->kind].values == 2) {
        text_printf(out, ":%" PRId64 "us", latency->b_us);
    }
    text_say(out, "\"");
}

int64_t latency_sample(const struct latency *latency, struct dice *dice)
{
    double a = (double)latency->a_us;
    double b = (double)latency->b_us;
    double sample = 0;
    switch (latency->kind) {
    case LATENCY_CONSTANT:
        return latency->a_us;
    case LATENCY_NORMAL:
        sample = a + b * sqrt(-2 * log(1 - dice_fraction(dice))) * cos(2 * M_PI * dice_fraction(dice));
        break;
    case LATENCY_UNIFORM:
        sample = a + (b - a) * dice_fraction(dice);
        break;
    case LATENCY_EXP:
        sample = -a * log(1 - dice_fraction(dice));
        break;
    }
    if (!(sample > 0)) {
        return 0;
    }
    return sample > (double)LATENCY_MAX_US ? LATENCY_MAX_US : (int64_t)sample;
}
