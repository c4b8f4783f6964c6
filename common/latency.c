#include "common/latency.h"

#include <math.h>

size_t latency_bucket(int64_t ms)
{
    double at;

    if (ms < 1)
        return 0;
    at = floor(log((double)ms) / log(LATENCY_GROWTH)) + 1;
    return at < LATENCY_BUCKETS ? (size_t)at : LATENCY_BUCKETS - 1;
}

void latency_add(struct latency *latency, int64_t ms)
{
    latency->sum_ms += ms > 0 ? ms : 0;
    latency->buckets[latency_bucket(ms)]++;
    latency->count++;
}

void latency_add_bucket(struct latency *latency, int64_t bucket, int64_t times)
{
    if (bucket < 0 || times <= 0)
        return;
    latency->buckets[bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1] += times;
    latency->count += times;
}

void latency_merge(struct latency *into, const struct latency *from)
{
    into->sum_ms += from->sum_ms;
    into->count += from->count;
    for (size_t i = 0; i < LATENCY_BUCKETS; i++)
        into->buckets[i] += from->buckets[i];
}

int64_t latency_mean_ms(const struct latency *latency)
{
    return latency->count > 0 ? (latency->sum_ms + latency->count / 2) / latency->count : -1;
}

int64_t latency_quantile_ms(const struct latency *latency, double quantile)
{
    int64_t rank = (int64_t)ceil(quantile * (double)latency->count), seen = 0;

    if (latency->count <= 0)
        return -1;
    if (rank < 1)
        rank = 1;
    for (size_t i = 0; i < LATENCY_BUCKETS; i++) {
        seen += latency->buckets[i];
        if (seen >= rank)
            return i == 0 ? 0 : (int64_t)llround(pow(LATENCY_GROWTH, (double)i - 0.5));
    }
    return -1;
}
