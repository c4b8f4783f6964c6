#ifndef SANDBOX_DICE_H
#define SANDBOX_DICE_H

#include "tests/sandbox/text.h"

#include <stdatomic.h>
#include <stdint.h>

/* A counted sequence of random numbers: the n-th draw depends on the seed and n alone, so a run can be repeated, and
 * threads draw from it without a lock. Not for secrets. */
struct dice {
    _Atomic uint64_t seed;
    _Atomic uint64_t drawn;
};

void dice_init(struct dice *dice, uint64_t seed);
uint64_t dice_draw(struct dice *dice);

/* dice_fraction: a draw in [0, 1). */
double dice_fraction(struct dice *dice);

/* dice_uuid: a version 4 UUID. */
void dice_uuid(struct dice *dice, char ret_uuid[TEXT_UUID_SIZE]);

/* How long an answer takes: nothing, constant, normal, uniform or exponential. */
enum latency_kind { LATENCY_CONSTANT, LATENCY_NORMAL, LATENCY_UNIFORM, LATENCY_EXP };

struct latency {
    enum latency_kind kind;
    int64_t a_us; /* the constant, the mean, or the least */
    int64_t b_us; /* the deviation, or the most */
};

/* latency_parse: "50ms", "normal:50ms:10ms", "uniform:10ms:90ms", "exp:40ms". 0, or -1 with *ret_latency unchanged. */
int latency_parse(const char *string, struct latency *ret_latency);
void latency_render(const struct latency *latency, struct text *out);

/* latency_sample: microseconds, never negative and never over an hour. */
int64_t latency_sample(const struct latency *latency, struct dice *dice);

#endif
