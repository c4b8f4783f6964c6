/* How long things took, as a histogram that can be added up: bucket 0 is below a millisecond, bucket i from
 * LATENCY_GROWTH^(i-1) to LATENCY_GROWTH^i ms. parts/report.lua sorts into the same buckets. A quantile is told as the
 * middle of its bucket (the geometric mean of its ends), so it is wrong by at most 5 % (the square root of 1.1, less
 * 1), and by half a millisecond. The mean is exact. */
#ifndef HERALD_COMMON_LATENCY_H
#define HERALD_COMMON_LATENCY_H

#include <stddef.h>
#include <stdint.h>

#define LATENCY_GROWTH  1.1
#define LATENCY_BUCKETS 300 /* the last one begins at 72 years */

struct latency {
    int64_t sum_ms;
    int64_t count;
    int64_t buckets[LATENCY_BUCKETS];
};

size_t latency_bucket(int64_t ms);
void latency_add(struct latency *latency, int64_t ms);
/* What Redis has counted: `times` in a bucket, or of the sum; numbers that cannot be are nothing. */
void latency_add_bucket(struct latency *latency, int64_t bucket, int64_t times);
void latency_merge(struct latency *into, const struct latency *from);

/* -1 when nothing was measured. */
int64_t latency_mean_ms(const struct latency *latency);
int64_t latency_quantile_ms(const struct latency *latency, double quantile); /* 0.95: 95 % took no longer */

#endif
