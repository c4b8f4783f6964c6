/* Changes of the suppression set on their way into Redis: gathered into batches, each one atomic step, and each change
 * with its entry for the audit. */
#ifndef HERALD_PRODUCER_SUPPRESSION_H
#define HERALD_PRODUCER_SUPPRESSION_H

#include "common/audit.h"
#include "common/buf.h"
#include "common/channel.h"
#include "common/store_suppress.h"

#define SUPPRESSION_BATCH    200
#define SUPPRESSION_CHANNELS "sms|whatsapp|facebook|web|open|apple" /* choices of --channel */

struct suppression {
    struct store *store; /* borrowed */
    bool is_added;       /* else taken off */
    struct audit_by by;
    char actor[AUDIT_ACTOR_MAX + 1];
    char people[SUPPRESSION_BATCH][CHANNEL_PERSON_SIZE];
    struct buf audit; /* entries of the batch, one behind the other */
    size_t ends[SUPPRESSION_BATCH];
    size_t count;
    /* What Redis has said so far. */
    uint64_t changed, unchanged;
    int rc; /* an err once a batch was refused */
};

/* Borrows the store and the reason ("" for none). ERR_INVALID when the reason cannot be one. */
int suppression_init(struct suppression *suppression, struct store *store, bool is_added, const char *reason,
                     struct reason *why);
void suppression_clear(struct suppression *suppression);

/* Takes one person, as channel_read_person writes it. Sends the batch when it is full; 0, or an err with why. */
int suppression_take(struct suppression *suppression, const char *person, struct reason *why);
int suppression_finish(struct suppression *suppression, struct reason *why); /* sends the rest, waits for all answers */

#endif
