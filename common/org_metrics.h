/* What is where in Redis, as metrics: the same for every program of the org, so that one that looks sees it all. */
#ifndef HERALD_COMMON_ORG_METRICS_H
#define HERALD_COMMON_ORG_METRICS_H

#include "common/metrics.h"
#include "common/store_gauges.h"

/* The message that is next on each list, since when: the age of one that does not say when it was accepted. */
struct org_metrics {
    char print[PRIORITY_COUNT][STORE_OLDEST_SIZE];
    int64_t since_ms[PRIORITY_COUNT]; /* monotonic */
};

void org_metrics_look(struct org_metrics *org, const struct store_gauges *gauges, int64_t now_ms);
double org_metrics_oldest_s(const struct org_metrics *org, const struct store_gauges *gauges, enum priority priority,
                            int64_t now_ms);

/* How many messages could leave now if there were more workers: what is ready or due, as far as the window has room. */
int64_t org_metrics_sendable(const struct store_gauges *gauges, int64_t limit /* 0: unlimited */);

void org_metrics_set(const struct org_metrics *org, const struct store_gauges *gauges, int64_t limit, int64_t now_ms,
                     struct metrics_scrape *scrape);

#endif
