/* A report out of what Genesys says, in the same form: `sent` are all messages that it has taken, in the hour in which
 * they were created there. */
#ifndef HERALD_PRODUCER_REPORT_PROVIDER_H
#define HERALD_PRODUCER_REPORT_PROVIDER_H

#include "producer/provider.h"
#include "producer/report_groups.h"
#include "producer/report_range.h"
#include "producer/report_rows.h"

/* `rows` may be NULL. Errors as of provider_each. */
int report_provider(const struct settings *settings, enum provider_source source, const struct report_range *range,
                    struct report *report, struct report_rows *rows, struct reason *why);

#endif
