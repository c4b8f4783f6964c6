/* What a report adds up. Pure.
 *
 * `sent` counts a message once, in the hour in which the first answer said so; `dead` counts deaths, in their hour: one
 * that is replayed and dies again died twice. `delivered`, `read` and `failed` count a message once each, in the hour
 * in which it was *sent*, so that they are parts of `sent` (a cohort). `segments` are those of every answered SMS: one
 * that was sent twice costs twice. `waited` is from when a message could be sent (accepted, due or replayed) until it
 * was, and counts where `sent` does; `travelled` from then until it was delivered, as the receipt says. */
#ifndef HERALD_COMMON_REPORT_H
#define HERALD_COMMON_REPORT_H

#include "common/latency.h"
#include "common/span.h"

#define REPORT_REASONS_MAX 32
#define REPORT_REASON_MAX  40
#define REPORT_RATE_SIZE   16

struct report_reason {
    char name[REPORT_REASON_MAX + 1];
    int64_t count;
};

struct report_counts {
    int64_t sent, delivered, read, failed, dead, segments;
    struct latency waited, travelled;
    size_t reason_count;
    struct report_reason reasons[REPORT_REASONS_MAX]; /* of the dead ones; one more than fit is in `dead` only */
};

/* A sum by the name that it has in Redis (parts/report.lua): `s`, `xrejected`, `q57`. Unknown names, which a newer
 * Herald may write, are nothing. */
void report_add_field(struct report_counts *counts, struct span name, int64_t value);
void report_add_dead(struct report_counts *counts, struct span reason, int64_t count);
void report_merge(struct report_counts *into, const struct report_counts *from);

/* Of those whose delivery has ended, how many were delivered: the outbound tutorial's number, which looks at those two
 * states only. And how many of all that were sent. Per cent; negative: none yet. */
double report_success_rate(const struct report_counts *counts);
double report_delivery_rate(const struct report_counts *counts);
/* `98.02%`, or `otherwise` when there is none. Returns out. */
const char *report_rate_text(double rate, const char *otherwise, char out[REPORT_RATE_SIZE]);

#endif
