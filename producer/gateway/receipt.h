/* Receipts out of the bodies of webhooks: the outbound tutorial's event, and Open Messaging's notification
 * (docs/wire-format.md says what is read of them). Read from hostile bytes, also when they are signed. Pure. */
#ifndef HERALD_PRODUCER_GATEWAY_RECEIPT_H
#define HERALD_PRODUCER_GATEWAY_RECEIPT_H

#include "common/receipt.h"
#include "common/refusal.h"

#define RECEIPT_EVENT_MAX 256 /* bytes of an event's id */
#define RECEIPT_NOTHING   1   /* well-formed, and nothing that is recorded */

/* 0: to be recorded. RECEIPT_NOTHING: to be answered with yes and forgotten. ERR_INVALID with `why`: json_invalid,
 * field_missing or field_invalid. Clear it in any case. `now_ms`: wall clock. */
int receipt_read_messaging(struct receipt *ret, struct span body, int64_t now_ms, struct refusal *why);
int receipt_read_open(struct receipt *ret, struct span body, int64_t now_ms, struct refusal *why);

#endif
