#include "common/org_metrics.h"

#include <string.h>

void org_metrics_look(struct org_metrics *org, const struct store_gauges *gauges, int64_t now_ms)
{
    for (int i = 0; i < PRIORITY_COUNT; i++) {
        if (strcmp(org->print[i], gauges->oldest_print[i]) == 0)
            continue;
        memcpy(org->print[i], gauges->oldest_print[i], sizeof(org->print[i]));
        org->since_ms[i] = now_ms;
    }
}

double org_metrics_oldest_s(const struct org_metrics *org, const struct store_gauges *gauges, enum priority priority,
                            int64_t now_ms)
{
    int64_t age_ms = now_ms - org->since_ms[priority], at_ms = gauges->oldest_at_ms[priority];

    if (!gauges->oldest_print[priority][0])
        return 0;
    if (at_ms > 0 && gauges->wall_ms - at_ms > age_ms)
        age_ms = gauges->wall_ms - at_ms;
    return (double)age_ms / 1e3;
}

int64_t org_metrics_sendable(const struct store_gauges *gauges, int64_t limit)
{
    int64_t waiting = gauges->due, room = limit > gauges->window_used ? limit - gauges->window_used : 0;

    for (int i = 0; i < PRIORITY_COUNT; i++)
        waiting += gauges->ready[i];
    if (gauges->hold_ms > 0)
        return 0;
    return limit > 0 && room < waiting ? room : waiting;
}

void org_metrics_set(const struct org_metrics *org, const struct store_gauges *gauges, int64_t limit, int64_t now_ms,
                     struct metrics_scrape *scrape)
{
    for (size_t i = 0; i < PRIORITY_COUNT; i++) {
        metrics_set(scrape, METRIC_READY, (double)gauges->ready[i], i);
        metrics_set(scrape, METRIC_OLDEST, org_metrics_oldest_s(org, gauges, (enum priority)i, now_ms), i);
    }
    metrics_set(scrape, METRIC_DELAYED, (double)gauges->delayed, 0);
    metrics_set(scrape, METRIC_DUE, (double)gauges->due, 0);
    metrics_set(scrape, METRIC_IN_FLIGHT, (double)gauges->in_flight, 0);
    metrics_set(scrape, METRIC_PARKED, (double)gauges->parked, 0);
    metrics_set(scrape, METRIC_DEAD, (double)gauges->dead, 0);
    metrics_set(scrape, METRIC_CALLBACKS, (double)gauges->callbacks, 0);
    metrics_set(scrape, METRIC_CALLBACKS_DEAD, (double)gauges->callbacks_dead, 0);
    metrics_set(scrape, METRIC_CALLBACKS_DROPPED, (double)gauges->callbacks_dropped, 0);
    metrics_set(scrape, METRIC_SENDABLE, (double)org_metrics_sendable(gauges, limit), 0);
    metrics_set(scrape, METRIC_WINDOW_USED, (double)gauges->window_used, 0);
    metrics_set(scrape, METRIC_HOLD, (double)gauges->hold_ms / 1e3, 0);
    metrics_set(scrape, METRIC_WORKERS, (double)gauges->workers, 0);
    metrics_set(scrape, METRIC_AUDIT_BACKLOG, (double)gauges->audit, 0);
    metrics_set(scrape, METRIC_AUDIT_OLDEST, gauges->audit_oldest_ms > 0 ? (double)gauges->audit_oldest_ms / 1e3 : 0,
                0);
    metrics_set(scrape, METRIC_AUDIT_CUT, (double)gauges->audit_cut, 0);
}
