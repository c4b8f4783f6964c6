#include "common/metrics.h"

#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

#define BUCKETS_MAX             16
#define LINE_OF                 64 /* bytes of a cache line: blocks share none */

#define BUCKETS_ENUM(name, ...) BUCKETS_##name,
enum buckets { METRIC_BUCKETS(BUCKETS_ENUM) BUCKETS_COUNT };
#define BUCKETS_ROW(name, ...) [BUCKETS_##name] = {__VA_ARGS__},
static const int64_t bucket_ends_us[BUCKETS_COUNT][BUCKETS_MAX] = {METRIC_BUCKETS(BUCKETS_ROW)}; /* 0 ends a row */

#define OF_W(is_gateway)  (!(is_gateway))
#define OF_G(is_gateway)  (is_gateway)
#define OF_WG(is_gateway) true
#define ABOUT_ROW(id, kind_of, buckets, first, second, third, who, text, words)                                        \
    [METRIC_##id] = {.name = (text),                                                                                   \
                     .help = (words),                                                                                  \
                     .kind = METRIC_KIND_##kind_of,                                                                    \
                     .labels = {LABEL_##first, LABEL_##second, LABEL_##third},                                         \
                     .is_of_worker = OF_##who(false),                                                                  \
                     .is_of_gateway = OF_##who(true)},
static const struct metric_about abouts[] = {METRICS(ABOUT_ROW)};

#define BUCKETS_OF(id, kind, buckets, ...) [METRIC_##id] = BUCKETS_##buckets,
static const enum buckets buckets_of[] = {METRICS(BUCKETS_OF)};

#define LABEL_ROW(name, shown, help) [LABEL_##name] = {(shown), (help)},
static const struct {
    const char *shown, *help;
} labels[] = {METRIC_LABELS(LABEL_ROW)};

struct metrics_block {
    struct metrics *metrics;
    struct metrics_block *next;
    char apart[LINE_OF];
    atomic_uint_least64_t slots[];
};

struct metrics {
    bool is_gateway;
    struct metric_values values[LABEL_COUNT];
    size_t slots;
    size_t first[METRIC_COUNT]; /* slot of a metric's first series */
    size_t width[METRIC_COUNT]; /* slots of one series: of a histogram its buckets, +Inf and the sum in us */
    size_t ends[METRIC_COUNT];  /* finite buckets */

    pthread_mutex_t lock; /* guards the list; blocks never leave it */
    struct metrics_block *blocks;
};

struct metrics_scrape {
    struct metrics *metrics;
    double values[]; /* by slot; NAN: not set */
};

const struct metric_about *metric_about(enum metric metric)
{
    return &abouts[metric];
}

const char *metric_label_name(enum metric_label label)
{
    return labels[label].shown;
}

const char *metric_label_help(enum metric_label label)
{
    return labels[label].help;
}

/* --- the program's metrics --- */

static bool is_here(const struct metrics *metrics, enum metric metric)
{
    return metrics->is_gateway ? abouts[metric].is_of_gateway : abouts[metric].is_of_worker;
}

static size_t values_of(const struct metrics *metrics, enum metric metric, size_t dimension)
{
    enum metric_label label = abouts[metric].labels[dimension];

    return label == LABEL_NONE ? 1 : metrics->values[label].count;
}

static size_t series_of(const struct metrics *metrics, enum metric metric)
{
    size_t series = 1;

    for (size_t i = 0; i < METRIC_DIMENSIONS; i++)
        series *= values_of(metrics, metric, i);
    return is_here(metrics, metric) ? series : 0;
}

struct metrics *metrics_create(bool is_gateway, const struct metric_values values[LABEL_COUNT])
{
    struct metrics *metrics = mem_zalloc(1, sizeof(*metrics));

    metrics->is_gateway = is_gateway;
    memcpy(metrics->values, values, sizeof(metrics->values));
    for (int i = 0; i < METRIC_COUNT; i++) {
        const int64_t *ends_us = bucket_ends_us[buckets_of[i]];

        while (metrics->ends[i] < BUCKETS_MAX && ends_us[metrics->ends[i]] > 0)
            metrics->ends[i]++;
        metrics->width[i] = metrics->ends[i] > 0 ? metrics->ends[i] + 2 : 1;
        metrics->first[i] = metrics->slots;
        metrics->slots += series_of(metrics, (enum metric)i) * metrics->width[i];
    }
    (void)pthread_mutex_init(&metrics->lock, NULL); /* never fails with default attributes on Linux */
    return metrics;
}

void metrics_destroy(struct metrics *metrics)
{
    struct metrics_block *next;

    if (!metrics)
        return;
    for (struct metrics_block *block = metrics->blocks; block; block = next) {
        next = block->next;
        free(block);
    }
    (void)pthread_mutex_destroy(&metrics->lock);
    free(metrics);
}

/* --- counting --- */

struct metrics_block *metrics_join(struct metrics *metrics)
{
    struct metrics_block *block = mem_zalloc(1, sizeof(*block) + metrics->slots * sizeof(block->slots[0]) + LINE_OF);

    block->metrics = metrics;
    (void)pthread_mutex_lock(&metrics->lock);
    block->next = metrics->blocks;
    metrics->blocks = block;
    (void)pthread_mutex_unlock(&metrics->lock);
    return block;
}

/* Its thread is the only one that writes, so reading and writing apart is enough and no bus is locked. */
static void add(struct metrics_block *block, size_t slot, uint64_t by)
{
    uint64_t now = atomic_load_explicit(&block->slots[slot], memory_order_relaxed);

    atomic_store_explicit(&block->slots[slot], now + by, memory_order_relaxed);
}

void metrics_count(struct metrics_block *block, enum metric metric, uint64_t by, size_t first, size_t second,
                   size_t third)
{
    const struct metrics *metrics;
    size_t series;

    if (!block)
        return;
    metrics = block->metrics;
    series = (first * values_of(metrics, metric, 1) + second) * values_of(metrics, metric, 2) + third;
    add(block, metrics->first[metric] + series, by);
}

void metrics_observe(struct metrics_block *block, enum metric metric, int64_t us, size_t first)
{
    const int64_t *ends_us = bucket_ends_us[buckets_of[metric]];
    size_t slot, bucket = 0;

    if (!block)
        return;
    us = us > 0 ? us : 0;
    slot = block->metrics->first[metric] + first * block->metrics->width[metric];
    while (bucket < block->metrics->ends[metric] && us > ends_us[bucket])
        bucket++;
    add(block, slot + bucket, 1);
    add(block, slot + block->metrics->ends[metric] + 1, (uint64_t)us);
}

/* --- looking --- */

struct metrics_scrape *metrics_look(struct metrics *metrics)
{
    struct metrics_scrape *scrape = mem_zalloc(1, sizeof(*scrape) + (metrics->slots + 1) * sizeof(scrape->values[0]));
    const struct metrics_block *block;

    scrape->metrics = metrics;
    (void)pthread_mutex_lock(&metrics->lock);
    block = metrics->blocks;
    (void)pthread_mutex_unlock(&metrics->lock);
    for (; block; block = block->next) {
        for (size_t i = 0; i < metrics->slots; i++)
            scrape->values[i] += (double)atomic_load_explicit(&block->slots[i], memory_order_relaxed);
    }
    for (int i = 0; i < METRIC_COUNT; i++) {
        size_t count = series_of(metrics, (enum metric)i);

        if (abouts[i].kind != METRIC_KIND_TOTAL && abouts[i].kind != METRIC_KIND_GAUGE)
            continue;
        for (size_t n = 0; n < count; n++)
            scrape->values[metrics->first[i] + n] = NAN;
    }
    return scrape;
}

void metrics_set(struct metrics_scrape *scrape, enum metric metric, double value, size_t first)
{
    scrape->values[scrape->metrics->first[metric] + first] = value;
}

void metrics_end(struct metrics_scrape *scrape)
{
    free(scrape);
}

/* --- the text --- */

static void write_value(struct buf *out, double value)
{
    if (value == floor(value) && fabs(value) < 1e15)
        buf_int(out, (int64_t)value);
    else
        buf_printf(out, "%.15g", value);
    buf_char(out, '\n');
}

/* Backslashes, quotes and line ends are escaped; all else may stand in a value. */
static void write_escaped(struct buf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\\' || *text == '"')
            buf_char(out, '\\');
        if (*text == '\n')
            buf_text(out, "\\n");
        else
            buf_char(out, *text);
    }
}

static void write_label(struct buf *out, bool *has_some, const char *name, const char *value)
{
    buf_text(out, *has_some ? "," : "{");
    *has_some = true;
    buf_text(out, name);
    buf_text(out, "=\"");
    write_escaped(out, value);
    buf_char(out, '"');
}

/* `name<suffix>{labels,le="..."} `; `le` NULL: none. */
static void write_name(struct buf *out, const struct metrics *metrics, enum metric metric, size_t series,
                       const char *suffix, const char *le)
{
    const struct metric_about *about = &abouts[metric];
    size_t indexes[METRIC_DIMENSIONS];
    bool has_some = false;

    for (size_t i = METRIC_DIMENSIONS; i-- > 0; series /= values_of(metrics, metric, i))
        indexes[i] = series % values_of(metrics, metric, i);
    buf_text(out, about->name);
    buf_text(out, suffix);
    for (size_t i = 0; i < METRIC_DIMENSIONS && about->labels[i] != LABEL_NONE; i++)
        write_label(out, &has_some, labels[about->labels[i]].shown, metrics->values[about->labels[i]].name(indexes[i]));
    if (le)
        write_label(out, &has_some, "le", le);
    buf_text(out, has_some ? "} " : " ");
}

static void write_histogram(const struct metrics_scrape *scrape, enum metric metric, size_t series, struct buf *out)
{
    const struct metrics *metrics = scrape->metrics;
    const double *slots = &scrape->values[metrics->first[metric] + series * metrics->width[metric]];
    double count = 0;
    char le[32];

    for (size_t i = 0; i <= metrics->ends[metric]; i++) {
        count += slots[i];
        if (i < metrics->ends[metric])
            (void)snprintf(le, sizeof(le), "%g", (double)bucket_ends_us[buckets_of[metric]][i] / 1e6);
        write_name(out, metrics, metric, series, "_bucket", i < metrics->ends[metric] ? le : "+Inf");
        write_value(out, count);
    }
    write_name(out, metrics, metric, series, "_sum", NULL);
    write_value(out, slots[metrics->ends[metric] + 1] / 1e6);
    write_name(out, metrics, metric, series, "_count", NULL);
    write_value(out, count);
}

/* Of some labels most values are never met by one program: series of those come when they are. */
static bool is_sparse(enum metric metric)
{
    enum metric_label label = abouts[metric].labels[0];

    return label == LABEL_STEP || label == LABEL_ENDPOINT;
}

static bool is_shown(const struct metrics_scrape *scrape, enum metric metric, size_t series)
{
    const struct metrics *metrics = scrape->metrics;
    const double *slots = &scrape->values[metrics->first[metric] + series * metrics->width[metric]];
    double sum = 0;

    if (isnan(slots[0]))
        return false;
    for (size_t i = 0; i < metrics->width[metric]; i++)
        sum += slots[i];
    return !is_sparse(metric) || sum > 0;
}

static void write_head(const struct metric_about *about, struct buf *out)
{
    static const char *const types[] = {
        [METRIC_KIND_COUNTER] = "counter",
        [METRIC_KIND_HISTOGRAM] = "histogram",
        [METRIC_KIND_TOTAL] = "counter",
        [METRIC_KIND_GAUGE] = "gauge",
    };

    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", about->name, about->help, about->name, types[about->kind]);
}

static void write_metric(const struct metrics_scrape *scrape, enum metric metric, struct buf *out)
{
    const struct metrics *metrics = scrape->metrics;
    size_t count = series_of(metrics, metric);
    bool has_head = false;

    for (size_t series = 0; series < count; series++) {
        if (!is_shown(scrape, metric, series))
            continue;
        if (!has_head)
            write_head(&abouts[metric], out);
        has_head = true;
        if (abouts[metric].kind == METRIC_KIND_HISTOGRAM) {
            write_histogram(scrape, metric, series, out);
        } else {
            write_name(out, metrics, metric, series, "", NULL);
            write_value(out, scrape->values[metrics->first[metric] + series]);
        }
    }
}

void metrics_write(const struct metrics_scrape *scrape, struct buf *out)
{
    for (int i = 0; i < METRIC_COUNT; i++)
        write_metric(scrape, (enum metric)i, out);
}
