/* What Genesys says of the messages of a conversation, made receipts: the answer of POST
 * /api/v2/conversations/messages/{conversationId}/messages/bulk, `entities` of MessageData (vendor SDK; no field of it
 * is relied on). Read from hostile bytes; pure. */
#ifndef HERALD_WORKER_STATUS_LIST_H
#define HERALD_WORKER_STATUS_LIST_H

#include "common/buf.h"
#include "common/receipt.h"
#include "common/span.h"

#define STATUS_LIST_MAX 100 /* messages of one question */

struct status_list {
    struct receipt *receipts; /* at most one of each state for each message that was asked for */
    size_t count;
    size_t known;     /* messages that the answer tells of */
    struct buf ended; /* ids of those of which nothing more will be heard, a blank behind each */
};

/* `asked`: ids with a blank behind each; what the answer says of others is passed over, and so is a second word on the
 * same. Of each state the earliest time counts; without one in the receipts that of the message itself, where it is
 * queued or sent, else 0. ERR_INVALID: no such answer. Clear it in any case. `now_ms`: wall clock. */
int status_list_read(struct status_list *ret, struct span asked, struct span body, int64_t now_ms);
void status_list_clear(struct status_list *list);

#endif
