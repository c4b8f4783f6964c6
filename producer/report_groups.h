/* What a report shows: the counts of each channel, campaign, template, hour or day, and of all. Pure. */
#ifndef HERALD_PRODUCER_REPORT_GROUPS_H
#define HERALD_PRODUCER_REPORT_GROUPS_H

#include "common/store_report.h"

enum report_by {
    REPORT_BY_NOTHING,
    REPORT_BY_CHANNEL,
    REPORT_BY_CAMPAIGN,
    REPORT_BY_TEMPLATE,
    REPORT_BY_HOUR,
    REPORT_BY_DAY
};
const char *report_by_name(enum report_by by);   /* "channel"; "" of nothing */
enum report_by report_by_find(const char *name); /* NULL, or none: nothing */

#define REPORT_GROUPS_MAX 5000 /* what is beyond shares one group */
#define REPORT_NAME_MAX   64

struct report_group {
    char name[REPORT_NAME_MAX + 1]; /* of an hour or a day: RFC 3339; "" for messages without a campaign, or template */
    struct report_counts counts;
};

struct report {
    enum report_by by;
    const char *campaign; /* only this one; NULL: all; borrowed */
    struct report_group **groups;
    size_t count, cap;
    struct report_counts total; /* after report_finish */
    void *index;
};

void report_init(struct report *report, enum report_by by, const char *campaign);
void report_clear(struct report *report);

/* For store_report_read; the context is the report. */
struct report_counts *report_pick(void *report, const struct store_report_row *row);
/* Sorts the groups (times by time, others by what was sent) and adds them up. */
void report_finish(struct report *report);

#endif
