/* What a gateway counts besides its counters (gateway.h), which /v1/status shows as well. */
#ifndef HERALD_PRODUCER_GATEWAY_METERS_H
#define HERALD_PRODUCER_GATEWAY_METERS_H

#include "common/metrics.h"
#include "producer/gateway/endpoint.h"
#include "producer/gateway/gateway.h"

struct metrics *meters_create_gateway(void);

/* A request was answered; `endpoint` NULL: it was none. */
void meters_note_answer(struct metrics_block *block, const struct endpoint *endpoint, int status, int64_t took_us);

/* What the counters have. */
void meters_set_counters(const struct gateway_counters *counters, struct metrics_scrape *scrape);

#endif
