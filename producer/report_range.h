/* Which hours a report is about, and how they are read with few keys: whole days, UTC, by the day, what is left at both
 * ends by the hour. Pure. */
#ifndef HERALD_PRODUCER_REPORT_RANGE_H
#define HERALD_PRODUCER_REPORT_RANGE_H

#include "common/reason.h"
#include "common/store_report.h"

#define REPORT_DAYS_MAX 4000

struct report_range {
    int64_t from_ms, to_ms; /* whole hours; `to` is not in it */
};

/* `days` back from now, or `from` and `to` (RFC 3339, a date such as 2026-01-15, or an age such as 2h; NULL: not
 * given). Rounded outwards to whole hours; ages so old that their hours are not kept, to whole days. ERR_INVALID with
 * what is wrong. */
int report_range_parse(struct report_range *ret, int64_t days, const char *from, const char *to, int64_t now_ms,
                       struct reason *why);

struct report_piece {
    enum store_report_span span;
    int64_t first, last; /* hours or days since 1970 */
};
#define REPORT_PIECES_MAX 3

/* How many pieces; with `by_hour` everything is read by the hour. ERR_INVALID: hours so old are not kept. */
int report_range_pieces(const struct report_range *range, bool by_hour, int64_t now_ms,
                        struct report_piece ret[REPORT_PIECES_MAX], size_t *ret_count, struct reason *why);

/* An instant of the command line: as above. */
int report_read_time(const char *text, const char *flag, int64_t now_ms, int64_t *ret_ms, struct reason *why);

#endif
