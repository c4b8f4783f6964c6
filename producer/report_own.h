/* A report out of what Herald itself has counted, and rows out of what it knows of single messages. */
#ifndef HERALD_PRODUCER_REPORT_OWN_H
#define HERALD_PRODUCER_REPORT_OWN_H

#include "common/settings.h"
#include "producer/report_groups.h"
#include "producer/report_range.h"
#include "producer/report_rows.h"

/* `rows` may be NULL. */
int report_own(const struct settings *settings, const struct report_range *range, struct report *report,
               struct report_rows *rows, struct reason *why);

#endif
