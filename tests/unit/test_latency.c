/* Latencies as histograms, and what reports make of counts. */
#include "common/latency.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/report.h"
#include "tests/unit/unit.h"

static void a_bucket_holds_what_its_header_says(void **state)
{
    (void)state;
    assert_int_equal(latency_bucket(-5), 0);
    assert_int_equal(latency_bucket(0), 0);
    assert_int_equal(latency_bucket(1), 1);
    for (int64_t ms = 1; ms < INT64_C(10000000000); ms += 1 + ms / 7) {
        double bucket = (double)latency_bucket(ms);

        assert_true((double)ms >= pow(LATENCY_GROWTH, bucket - 1) * 0.9999999);
        assert_true((double)ms <= pow(LATENCY_GROWTH, bucket) * 1.0000001);
    }
    assert_int_equal(latency_bucket(INT64_MAX), LATENCY_BUCKETS - 1);
}

static int compare(const void *a, const void *b)
{
    int64_t one = *(const int64_t *)a, other = *(const int64_t *)b;

    return one < other ? -1 : one > other;
}

static void quantiles_are_wrong_by_five_per_cent_at_most_and_the_mean_not_at_all(void **state)
{
    static const double quantiles[] = {0.01, 0.25, 0.5, 0.9, 0.95, 0.99, 1};
    int64_t values[5000], sum = 0;
    uint64_t chance = 4711;

    (void)state;
    for (int shape = 0; shape < 4; shape++) {
        struct latency latency = {.sum_ms = 0};

        sum = 0;
        for (size_t i = 0; i < COUNT_OF(values); i++) {
            chance = chance * 6364136223846793005u + 1442695040888963407u;
            values[i] = shape == 0   ? 1 + (int64_t)(chance >> 54)
                        : shape == 1 ? 60000 + (int64_t)(chance >> 44)
                        : shape == 2 ? (int64_t)exp((double)(chance >> 40) / (1 << 24) * 20)
                                     : 250;
            sum += values[i];
            latency_add(&latency, values[i]);
        }
        qsort(values, COUNT_OF(values), sizeof(values[0]), compare);
        assert_int_equal(latency.count, COUNT_OF(values));
        assert_int_equal(latency_mean_ms(&latency), (sum + latency.count / 2) / latency.count);
        for (size_t q = 0; q < COUNT_OF(quantiles); q++) {
            size_t rank = (size_t)ceil(quantiles[q] * (double)COUNT_OF(values));
            double exact = (double)values[rank - 1], told = (double)latency_quantile_ms(&latency, quantiles[q]);

            assert_true(fabs(told - exact) <= exact * 0.05 + 0.5);
        }
    }
}

static void nothing_measured_has_no_mean_and_no_quantile(void **state)
{
    struct latency latency = {.sum_ms = 0};

    (void)state;
    assert_int_equal(latency_mean_ms(&latency), -1);
    assert_int_equal(latency_quantile_ms(&latency, 0.5), -1);
    latency_add(&latency, 0);
    assert_int_equal(latency_mean_ms(&latency), 0);
    assert_int_equal(latency_quantile_ms(&latency, 0.99), 0);
}

static void histograms_add_up(void **state)
{
    struct latency one = {.sum_ms = 0}, other = {.sum_ms = 0}, both = {.sum_ms = 0};

    (void)state;
    for (int64_t ms = 0; ms < 1000; ms++) {
        latency_add(ms % 3 ? &one : &other, ms * ms);
        latency_add(&both, ms * ms);
    }
    latency_merge(&one, &other);
    assert_memory_equal(&one, &both, sizeof(both));
}

static void numbers_that_redis_cannot_have_counted_are_nothing(void **state)
{
    struct latency latency = {.sum_ms = 0}, before = latency;

    (void)state;
    latency_add_bucket(&latency, -1, 5);
    latency_add_bucket(&latency, 3, -5);
    assert_memory_equal(&latency, &before, sizeof(before));
    latency_add_bucket(&latency, INT64_MAX, 1);
    assert_int_equal(latency.buckets[LATENCY_BUCKETS - 1], 1);
}

static void fields_of_redis_add_up_and_unknown_ones_are_passed_over(void **state)
{
    static const struct {
        const char *name;
        int64_t value;
    } fields[] = {{"s", 10},  {"d", 6},    {"r", 2},  {"f", 2},  {"g", 15},        {"xrejected", 3}, {"xexpired", 1},
                  {"Q", 100}, {"q30", 10}, {"L", 70}, {"l0", 7}, {"xrejected", 1}, {"z", 9},         {"", 9},
                  {"q", 9},   {"q1x", 9},  {"s1", 9}, {"d", -3}, {"q9999999", 9},  {"sent", 9}};
    struct report_counts counts = {.sent = 0}, twice = {.sent = 0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(fields); i++)
        report_add_field(&counts, span_of(fields[i].name), fields[i].value);
    report_merge(&twice, &counts);
    report_merge(&twice, &counts);
    assert_int_equal(counts.sent, 10);
    assert_int_equal(counts.delivered, 6);
    assert_int_equal(counts.read, 2);
    assert_int_equal(counts.failed, 2);
    assert_int_equal(counts.segments, 15);
    assert_int_equal(counts.dead, 5);
    assert_int_equal(counts.reason_count, 2);
    assert_string_equal(counts.reasons[0].name, "rejected");
    assert_int_equal(counts.reasons[0].count, 4);
    assert_int_equal(counts.waited.count, 10);
    assert_int_equal(latency_mean_ms(&counts.waited), 10);
    assert_int_equal(latency_mean_ms(&counts.travelled), 10);
    assert_int_equal(twice.dead, 10);
    assert_int_equal(twice.reasons[1].count, 2);
    assert_int_equal(twice.waited.count, 20);
}

static void more_reasons_than_there_is_room_for_still_count_as_dead(void **state)
{
    struct report_counts counts = {.sent = 0}, sum = {.sent = 0};
    char name[16];

    (void)state;
    for (int i = 0; i < REPORT_REASONS_MAX + 5; i++) {
        (void)snprintf(name, sizeof(name), "x%d", i);
        report_add_field(&counts, span_of(name), 2);
    }
    report_merge(&sum, &counts);
    assert_int_equal(sum.dead, 2 * (REPORT_REASONS_MAX + 5));
    assert_int_equal(sum.reason_count, REPORT_REASONS_MAX);
}

static void rates_are_the_tutorials(void **state)
{
    static const struct {
        int64_t sent, delivered, failed;
        const char *success, *delivery;
    } rows[] = {
        {0, 0, 0, "none", "none"},
        {5, 0, 0, "none", "0.00%"},
        {245, 240, 5, "97.96%", "97.96%"},
        {300, 240, 5, "97.96%", "80.00%"},
        {3, 0, 3, "0.00%", "0.00%"},
        {3, 1, 2, "33.33%", "33.33%"},
        {1000, 1000, 0, "100.00%", "100.00%"},
    };
    char text[REPORT_RATE_SIZE];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct report_counts counts = {.sent = rows[i].sent, .delivered = rows[i].delivered, .failed = rows[i].failed};

        assert_string_equal(report_rate_text(report_success_rate(&counts), "none", text), rows[i].success);
        assert_string_equal(report_rate_text(report_delivery_rate(&counts), "none", text), rows[i].delivery);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bucket_holds_what_its_header_says),
        cmocka_unit_test(quantiles_are_wrong_by_five_per_cent_at_most_and_the_mean_not_at_all),
        cmocka_unit_test(nothing_measured_has_no_mean_and_no_quantile),
        cmocka_unit_test(histograms_add_up),
        cmocka_unit_test(numbers_that_redis_cannot_have_counted_are_nothing),
        cmocka_unit_test(fields_of_redis_add_up_and_unknown_ones_are_passed_over),
        cmocka_unit_test(more_reasons_than_there_is_room_for_still_count_as_dead),
        cmocka_unit_test(rates_are_the_tutorials),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
