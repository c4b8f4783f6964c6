/* What people see of a callback that was given up. Of its URL that is the host: there may be a secret in the rest. */
#ifndef HERALD_PRODUCER_CALLBACK_REPORT_H
#define HERALD_PRODUCER_CALLBACK_REPORT_H

#include "common/callback_url.h"
#include "common/json.h"
#include "common/store_callback.h"

struct callback_report {
    const char *id;
    struct json *json;                            /* the job; owned; NULL when it is none */
    const char *type, *message, *reason, *detail; /* "" when unknown; borrowed, as id */
    char host[CALLBACK_HOST_MAX + 8];             /* with its port */
    int64_t status, attempts, at_ms, dead_at_ms;  /* status 0: there was no answer */
};

/* Any text: what cannot be read is shown as far as it can, and has the reason `unreadable` (a worker keeps it as it
 * is). Borrows from the item. */
void callback_report_read(struct callback_report *ret, const struct store_dead_callback *item);
void callback_report_clear(struct callback_report *report);
void callback_report_json(const struct callback_report *report, struct buf *out);

#endif
