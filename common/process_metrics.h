/* What the system knows of this process: the process_* metrics that programs usually have. */
#ifndef HERALD_COMMON_PROCESS_METRICS_H
#define HERALD_COMMON_PROCESS_METRICS_H

#include "common/metrics.h"

/* What /proc does not tell is left out. */
void process_metrics_set(struct metrics_scrape *scrape);

#endif
