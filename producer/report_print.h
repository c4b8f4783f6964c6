/* A report on its way out: a table for people, JSON, CSV. */
#ifndef HERALD_PRODUCER_REPORT_PRINT_H
#define HERALD_PRODUCER_REPORT_PRINT_H

#include "producer/report_groups.h"
#include "producer/report_range.h"

struct report_heading {
    const char *source, *org; /* "herald" or "genesys", and which organisation */
    struct report_range range;
};

void report_print_table(const struct report_heading *heading, const struct report *report);
void report_print_json(const struct report_heading *heading, const struct report *report);
void report_print_csv(const struct report *report);

#endif
