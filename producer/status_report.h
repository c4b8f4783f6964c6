/* What `herald status` and the gateway say of an organisation: the sum of its messages, and all of it as JSON. Pure. */
#ifndef HERALD_PRODUCER_STATUS_REPORT_H
#define HERALD_PRODUCER_STATUS_REPORT_H

#include "common/buf.h"
#include "common/settings.h"
#include "common/store.h"

#define STATUS_REPORT_MAX ((size_t)4 << 20) /* bytes of the JSON */

/* accepted = the sum of all places a message can be. Messages of a plain LPUSH are counted as accepted when a worker
 * first settles them; until then they make the places more than the count (`uncounted`), never less. A replay moves a
 * message from dead to ready; a purge moves it to purged. */
struct status_sum {
    int64_t accepted, ready, sent, cancelled, purged, places, uncounted;
    bool is_balanced;
};

struct status_sum status_sum(const struct store_status *status);
int64_t status_counter(const struct store_status *status, const char *name); /* 0 when absent */
/* In status_audit.c: as rows, and as a member of the JSON. Behind: much waits, or for long though somebody exports. */
void status_print_audit(const struct store_status *status, const struct settings *settings);
void status_add_audit(const struct store_status *status, struct buf *json);
bool status_audit_is_behind(const struct store_status *status, int64_t audit_max);
/* All but the closing brace, so that more can follow. */
void status_begin_json(const char *org, const struct store_status *status, struct buf *json);

#endif
