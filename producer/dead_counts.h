/* How many dead letters there are, by what: read, and written as JSON. For the command line and the gateway. */
#ifndef HERALD_PRODUCER_DEAD_COUNTS_H
#define HERALD_PRODUCER_DEAD_COUNTS_H

#include "common/buf.h"
#include "producer/dead_walk.h"

#define DEAD_COUNTS_JSON_MAX ((size_t)1 << 20) /* bytes */

/* Of the letters that the filter takes. Without one it is a look; with one the letters are read, and `progress` (or
 * NULL) is told how many of how many. After an err nothing is left pending in the store. */
int dead_counts_read(struct store *store, const struct dead_filter *filter, struct store_dead_counts *ret,
                     void (*progress)(void *context, int64_t seen, int64_t total), void *context, int64_t patience_ms,
                     struct reason *why);

int64_t dead_counts_others(const struct store_dead_counts *counts); /* of campaigns that are not shown */
void dead_counts_write_json(const struct store_dead_counts *counts, struct buf *json);

#endif
