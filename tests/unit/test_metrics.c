/* Counting, and the text that Prometheus reads. */
#include "common/metrics.h"

#include <pthread.h>
#include <string.h>

#include "tests/unit/unit.h"

#define THREADS 4
#define TIMES   20000

static const char *name_of(size_t index)
{
    static const char *const names[] = {"plain", "a \"quoted\" one", "back\\slash", "two\nlines"};

    return names[index];
}

/* All labels of a worker have these values. */
static struct metrics *make(void)
{
    struct metric_values values[LABEL_COUNT];

    for (size_t i = 0; i < LABEL_COUNT; i++)
        values[i] = (struct metric_values){4, name_of};
    return metrics_create(false, values);
}

static const char *text_of(struct metrics *metrics, struct buf *out)
{
    struct metrics_scrape *scrape = metrics_look(metrics);

    buf_reset(out);
    metrics_write(scrape, out);
    metrics_end(scrape);
    assert_false(out->overflow);
    return buf_str(out);
}

static void expect(const char *text, const char *line)
{
    if (!strstr(text, line))
        fail_msg("no `%s` in\n%s", line, text);
}

static void a_counter_has_help_a_type_and_a_line_for_each_value(void **state)
{
    struct metrics *metrics = make();
    struct metrics_block *block = metrics_join(metrics);
    struct buf out;
    const char *text;

    (void)state;
    buf_init(&out, 1 << 20);
    metrics_count(block, METRIC_DEAD_LETTERS, 3, 2, 0, 0);
    metrics_count(block, METRIC_DEAD_LETTERS, 4, 2, 0, 0);
    text = text_of(metrics, &out);
    expect(text, "# HELP herald_dead_letters_total Messages that this worker made dead letters.\n"
                 "# TYPE herald_dead_letters_total counter\n"
                 "herald_dead_letters_total{reason=\"plain\"} 0\n"
                 "herald_dead_letters_total{reason=\"a \\\"quoted\\\" one\"} 0\n"
                 "herald_dead_letters_total{reason=\"back\\\\slash\"} 7\n"
                 "herald_dead_letters_total{reason=\"two\\nlines\"} 0\n");
    buf_clear(&out);
    metrics_destroy(metrics);
}

static void labels_stand_in_their_order(void **state)
{
    struct metrics *metrics = make();
    struct metrics_block *block = metrics_join(metrics);
    struct buf out;

    (void)state;
    buf_init(&out, 1 << 20);
    metrics_count(block, METRIC_ATTEMPTS, 1, 0, 2, 3);
    metrics_count(block, METRIC_ATTEMPTS, 1, 3, 0, 1);
    expect(text_of(metrics, &out),
           "herald_attempts_total{route=\"plain\",channel=\"back\\\\slash\",outcome=\"two\\nlines\"} 1\n");
    expect(buf_str(&out),
           "herald_attempts_total{route=\"two\\nlines\",channel=\"plain\",outcome=\"a \\\"quoted\\\" one\"} 1\n");
    buf_clear(&out);
    metrics_destroy(metrics);
}

static void a_bucket_holds_what_is_no_longer_than_its_end_and_all_before_it(void **state)
{
    static const struct {
        int64_t us;
        const char *lines;
    } cases[] = {
        {0, "_bucket{route=\"plain\",le=\"0.005\"} 1\n"},
        {5000, "_bucket{route=\"plain\",le=\"0.005\"} 1\n"},
        {5001,
         "_bucket{route=\"plain\",le=\"0.005\"} 0\nherald_api_latency_seconds_bucket{route=\"plain\",le=\"0.01\"} 1\n"},
        {10000000,
         "_bucket{route=\"plain\",le=\"5\"} 0\nherald_api_latency_seconds_bucket{route=\"plain\",le=\"10\"} 1\n"},
        {10000001,
         "_bucket{route=\"plain\",le=\"10\"} 0\nherald_api_latency_seconds_bucket{route=\"plain\",le=\"+Inf\"} 1\n"},
        {-5, "_bucket{route=\"plain\",le=\"0.005\"} 1\n"}, /* a clock that was set back */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct metrics *metrics = make();
        struct buf out;

        buf_init(&out, 1 << 20);
        metrics_observe(metrics_join(metrics), METRIC_API_LATENCY, cases[i].us, 0);
        expect(text_of(metrics, &out), cases[i].lines);
        expect(buf_str(&out), "herald_api_latency_seconds_bucket{route=\"plain\",le=\"+Inf\"} 1\n");
        expect(buf_str(&out), "herald_api_latency_seconds_count{route=\"plain\"} 1\n");
        buf_clear(&out);
        metrics_destroy(metrics);
    }
}

static void the_sum_of_a_histogram_is_in_seconds(void **state)
{
    struct metrics *metrics = make();
    struct metrics_block *block = metrics_join(metrics);
    struct buf out;

    (void)state;
    buf_init(&out, 1 << 20);
    metrics_observe(block, METRIC_API_LATENCY, 1500000, 1);
    metrics_observe(block, METRIC_API_LATENCY, 250, 1);
    expect(text_of(metrics, &out), "herald_api_latency_seconds_sum{route=\"a \\\"quoted\\\" one\"} 1.50025\n");
    expect(buf_str(&out), "herald_api_latency_seconds_count{route=\"a \\\"quoted\\\" one\"} 2\n");
    buf_clear(&out);
    metrics_destroy(metrics);
}

static void what_was_not_set_is_left_out(void **state)
{
    struct metrics *metrics = make();
    struct metrics_scrape *scrape = metrics_look(metrics);
    struct buf out;

    (void)state;
    buf_init(&out, 1 << 20);
    metrics_set(scrape, METRIC_READY, 0, 1);
    metrics_set(scrape, METRIC_HOLD, 1.25, 0);
    metrics_set(scrape, METRIC_PROCESS_START, 1795316000.25, 0);
    metrics_write(scrape, &out);
    metrics_end(scrape);
    expect(buf_str(&out),
           "# TYPE herald_ready_messages gauge\nherald_ready_messages{priority=\"a \\\"quoted\\\" one\"} 0\n#");
    expect(buf_str(&out), "herald_hold_seconds 1.25\n");
    expect(buf_str(&out), "process_start_time_seconds 1795316000.25\n");
    assert_null(strstr(buf_str(&out), "herald_delayed_messages"));
    assert_null(strstr(buf_str(&out), "herald_gateway_"));           /* another program's */
    assert_null(strstr(buf_str(&out), "herald_redis_step_seconds")); /* there was none */
    buf_clear(&out);
    metrics_destroy(metrics);
}

static void without_a_block_nothing_is_counted(void **state)
{
    (void)state;
    metrics_count(NULL, METRIC_REAPED, 1, 0, 0, 0);
    metrics_observe(NULL, METRIC_API_LATENCY, 1, 0);
}

static void *count_much(void *argument)
{
    struct metrics_block *block = metrics_join(argument);

    for (int i = 0; i < TIMES; i++) {
        metrics_count(block, METRIC_REAPED, 2, 0, 0, 0);
        metrics_observe(block, METRIC_QUEUE_WAIT, i, 0);
    }
    return NULL;
}

static void the_blocks_of_all_threads_are_added_up_while_they_count(void **state)
{
    struct metrics *metrics = make();
    pthread_t threads[THREADS];
    struct buf out;

    (void)state;
    buf_init(&out, 1 << 20);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_much, metrics), 0);
    for (int i = 0; i < 20; i++)
        expect(text_of(metrics, &out), "herald_reaped_messages_total ");
    for (size_t i = 0; i < THREADS; i++)
        (void)pthread_join(threads[i], NULL);
    expect(text_of(metrics, &out), "herald_reaped_messages_total 160000\n");
    expect(buf_str(&out), "herald_queue_wait_seconds_count 80000\n");
    buf_clear(&out);
    metrics_destroy(metrics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_counter_has_help_a_type_and_a_line_for_each_value),
        cmocka_unit_test(labels_stand_in_their_order),
        cmocka_unit_test(a_bucket_holds_what_is_no_longer_than_its_end_and_all_before_it),
        cmocka_unit_test(the_sum_of_a_histogram_is_in_seconds),
        cmocka_unit_test(what_was_not_set_is_left_out),
        cmocka_unit_test(without_a_block_nothing_is_counted),
        cmocka_unit_test(the_blocks_of_all_threads_are_added_up_while_they_count),
    };

    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
