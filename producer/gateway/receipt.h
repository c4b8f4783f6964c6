/* Receipts out of the bodies of webhooks: the outbound tutorial's event, and Open Messaging's notification
 * (docs/wire-format.md says what is read of them). Read from hostile bytes, also when they are signed. Pure. */
#ifndef HERALD_PRODUCER_GATEWAY_RECEIPT_H
#define HERALD_PRODUCER_GATEWAY_RECEIPT_H

#include "common/buf.h"
#include "common/channel.h"
#include "common/ids.h"
#include "common/refusal.h"
#include "common/span.h"
#include "common/store_receipt.h"

#define RECEIPT_EVENT_MAX   256               /* bytes of an event's id */
#define RECEIPT_CODE_SIZE   64                /* with the NUL; a longer code is cut */
#define RECEIPT_REASONS_MAX 20                /* that are looked at */
#define RECEIPT_AHEAD_MS    INT64_C(86400000) /* a time further ahead than this is none: it happened now */
#define RECEIPT_NOTHING     1                 /* well-formed, and nothing that is recorded */

struct receipt {
    struct store_receipt record; /* borrows from this struct, which therefore stays where it is */
    char provider_id[ID_SIZE];
    char code[RECEIPT_CODE_SIZE];
    char person[CHANNEL_ADDRESS_MAX + 16];
    struct buf audit; /* without the message's own id, which receipt.lua adds when it is known */
};

/* 0: to be recorded. RECEIPT_NOTHING: to be answered with yes and forgotten. ERR_INVALID with `why`: json_invalid,
 * field_missing or field_invalid. Clear it in any case. `now_ms`: wall clock. */
int receipt_read_messaging(struct receipt *ret, struct span body, int64_t now_ms, struct refusal *why);
int receipt_read_open(struct receipt *ret, struct span body, int64_t now_ms, struct refusal *why);
void receipt_clear(struct receipt *receipt);

#endif
