/* What was counted for reports (parts/report.lua), by the hour and by the day, UTC; and the messages that came to an
 * end in an hour, for as long as each is known. Only keys that are named are read. For programs that may wait. */
#ifndef HERALD_COMMON_STORE_REPORT_H
#define HERALD_COMMON_STORE_REPORT_H

#include "common/report.h"
#include "common/store.h"
#include "common/store_receipt.h"

#define STORE_HOUR_MS         INT64_C(3600000)
#define STORE_DAY_MS          (24 * STORE_HOUR_MS)
#define STORE_HOURS_KEPT_DAYS 40        /* as in parts/report.lua */
#define STORE_REPORT_OTHER    "(other)" /* campaign and template of what is beyond the rows of an hour or a day */

enum store_report_span { STORE_REPORT_HOUR, STORE_REPORT_DAY };

/* What the counts of a row are about; texts are borrowed. */
struct store_report_row {
    int64_t at_ms; /* when its hour or day begins */
    const char *campaign, *channel, *template_name;
};

/* Where the sums of a row are to be added, or NULL for nowhere. Valid until the reading ends. */
typedef struct report_counts *(*store_report_pick)(void *context, const struct store_report_row *row);

/* Hours, or days, `first` to `last`, counted from 1970. */
int store_report_read(struct store *store, enum store_report_span span, int64_t first, int64_t last,
                      store_report_pick pick, void *context, int64_t patience_ms, struct reason *why);

/* The messages that came to an end in an hour, in that order, each once, as long as that is their last end and their
 * state is known (--keep): one that was replayed since is not there. Read a page at a time; false from `visit` ends
 * it. */
typedef bool (*store_report_visit)(void *context, const char *id, const struct store_message_info *info);
int store_report_ended(struct store *store, int64_t hour, store_report_visit visit, void *context, int64_t patience_ms,
                       struct reason *why);

#endif
