/* Numbers for those who run Herald. A thread counts in a block of its own, with no lock and no shared cache line, so
 * that counting costs a sender some nanoseconds; who looks adds the blocks up. What is there, docs/metrics.md says; it
 * is made of metrics_table.h. */
#ifndef HERALD_COMMON_METRICS_H
#define HERALD_COMMON_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/metrics_table.h"

#define METRIC_ENUM(name, ...) METRIC_##name,
enum metric { METRICS(METRIC_ENUM) METRIC_COUNT };
#define METRIC_LABEL_ENUM(name, ...) LABEL_##name,
enum metric_label { METRIC_LABELS(METRIC_LABEL_ENUM) LABEL_COUNT };
enum metric_kind { METRIC_KIND_COUNTER, METRIC_KIND_HISTOGRAM, METRIC_KIND_TOTAL, METRIC_KIND_GAUGE };

#define METRIC_DIMENSIONS 3

struct metric_about {
    const char *name, *help;
    enum metric_kind kind;
    enum metric_label labels[METRIC_DIMENSIONS]; /* LABEL_NONE at the end */
    bool is_of_worker, is_of_gateway;
};
const struct metric_about *metric_about(enum metric metric);
const char *metric_label_name(enum metric_label label);
const char *metric_label_help(enum metric_label label);

/* The values that a label can have; borrowed. */
struct metric_values {
    size_t count; /* 0 for labels that this program has no metric with */
    const char *(*name)(size_t index);
};

struct metrics; /* of one program */
struct metrics *metrics_create(bool is_gateway, const struct metric_values values[LABEL_COUNT]);
void metrics_destroy(struct metrics *metrics); /* takes NULL; blocks end with it */

/* --- counting --- */

struct metrics_block;                                        /* of one thread, which alone counts there */
struct metrics_block *metrics_join(struct metrics *metrics); /* any thread; lives as long as the metrics */

/* Does nothing without a block. The indexes are those of the label's values, 0 for LABEL_NONE. */
void metrics_count(struct metrics_block *block, enum metric metric, uint64_t by, size_t first, size_t second,
                   size_t third);
void metrics_observe(struct metrics_block *block, enum metric metric, int64_t us, size_t first);

/* --- looking --- */

struct metrics_scrape;
struct metrics_scrape *metrics_look(struct metrics *metrics); /* adds the blocks up; caller ends it */
void metrics_set(struct metrics_scrape *scrape, enum metric metric, double value, size_t first); /* totals, gauges */
/* Adds the text of Prometheus' exposition format 0.0.4. What was not set is left out, as are histograms of steps and
 * endpoints that never were. */
void metrics_write(const struct metrics_scrape *scrape, struct buf *out);
void metrics_end(struct metrics_scrape *scrape);

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

#endif
