#include "common/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void report_add_dead(struct report_counts *counts, struct span reason, int64_t count)
{
    size_t i = 0;

    counts->dead += count;
    while (i < counts->reason_count && !span_is(reason, counts->reasons[i].name))
        i++;
    if (i == REPORT_REASONS_MAX || reason.len > REPORT_REASON_MAX)
        return;
    if (i == counts->reason_count) {
        counts->reasons[i] = (struct report_reason){.count = 0};
        memcpy(counts->reasons[i].name, reason.data, reason.len);
        counts->reason_count++;
    }
    counts->reasons[i].count += count;
}

/* -1: not a bucket. */
static int64_t bucket_of(struct span digits)
{
    int64_t number = 0;

    if (digits.len == 0 || digits.len > 6)
        return -1;
    for (size_t i = 0; i < digits.len; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9')
            return -1;
        number = number * 10 + (digits.data[i] - '0');
    }
    return number;
}

void report_add_field(struct report_counts *counts, struct span name, int64_t value)
{
    struct span rest = {name.data + 1, name.len - 1};

    if (name.len == 0 || value < 0 || (name.len > 1 && !strchr("xql", name.data[0])))
        return;
    switch (name.data[0]) {
    case 's':
        counts->sent += value;
        break;
    case 'd':
        counts->delivered += value;
        break;
    case 'r':
        counts->read += value;
        break;
    case 'f':
        counts->failed += value;
        break;
    case 'g':
        counts->segments += value;
        break;
    case 'Q':
        counts->waited.sum_ms += value;
        break;
    case 'L':
        counts->travelled.sum_ms += value;
        break;
    case 'x':
        report_add_dead(counts, rest, value);
        break;
    case 'q':
        latency_add_bucket(&counts->waited, bucket_of(rest), value);
        break;
    case 'l':
        latency_add_bucket(&counts->travelled, bucket_of(rest), value);
        break;
    }
}

void report_merge(struct report_counts *into, const struct report_counts *from)
{
    int64_t named = 0;

    into->sent += from->sent;
    into->delivered += from->delivered;
    into->read += from->read;
    into->failed += from->failed;
    into->segments += from->segments;
    latency_merge(&into->waited, &from->waited);
    latency_merge(&into->travelled, &from->travelled);
    for (size_t i = 0; i < from->reason_count; i++) {
        const struct report_reason *reason = &from->reasons[i];

        report_add_dead(into, (struct span){reason->name, strlen(reason->name)}, reason->count);
        named += reason->count;
    }
    into->dead += from->dead - named;
}

static double share(int64_t part, int64_t whole)
{
    return whole > 0 ? 100.0 * (double)part / (double)whole : -1;
}

double report_success_rate(const struct report_counts *counts)
{
    return share(counts->delivered, counts->delivered + counts->failed);
}

double report_delivery_rate(const struct report_counts *counts)
{
    return share(counts->delivered, counts->sent);
}

const char *report_rate_text(double rate, const char *otherwise, char out[REPORT_RATE_SIZE])
{
    if (rate < 0)
        (void)snprintf(out, REPORT_RATE_SIZE, "%s", otherwise);
    else
        (void)snprintf(out, REPORT_RATE_SIZE, "%.2f%%", rate);
    return out;
}
