/* Messages on their way into Redis: gathered into batches, several batches under way at once, each one atomic step. */
#ifndef HERALD_PRODUCER_OUTBOX_H
#define HERALD_PRODUCER_OUTBOX_H

#include "common/buf.h"
#include "common/store.h"
#include "producer/recipients.h"

#define OUTBOX_BATCH STORE_ENQUEUE_MAX

/* The row of a message whose person has opted out comes back, when Redis says so: somewhat later, in the order of the
 * rows. 0, or an err with why, which ends the run. */
typedef int (*outbox_refused_fn)(void *context, const struct row *row, struct reason *why);

struct outbox {
    struct store *store;
    outbox_refused_fn refused;
    void *context;
    struct outbox_rows *rows;      /* of the batch */
    struct outbox_rows *under_way; /* of those that Redis has not answered yet */
    char people[OUTBOX_BATCH][CHANNEL_PERSON_SIZE];
    char campaign[ENVELOPE_NAME_MAX + 1]; /* of the batch; "" for none */
    struct store_message messages[OUTBOX_BATCH];
    size_t offsets[OUTBOX_BATCH + 1]; /* of the envelopes in bytes */
    struct buf bytes;
    size_t count;
    /* What Redis has said so far. */
    uint64_t accepted, duplicates;
    int rc; /* an err once a batch was refused */
    struct reason why;
};

void outbox_init(struct outbox *outbox, struct store *store, outbox_refused_fn refused, void *context);
void outbox_clear(struct outbox *outbox);

/* What follows is of this campaign ("" for none). Sends what is of another; 0, or an err with why. */
int outbox_set_campaign(struct outbox *outbox, const char *campaign, struct reason *why);
/* Where the next envelope is to be written. */
struct buf *outbox_envelope(struct outbox *outbox);
/* Takes what was written there. `message` says the rest; its envelope and person are set here, the person out of
 * `content`. Keeps a copy of the row. Sends a batch when it is full; 0, or an err with why. */
int outbox_add(struct outbox *outbox, const struct store_message *message, const struct content *content,
               const struct row *row, struct reason *why);
int outbox_finish(struct outbox *outbox, struct reason *why); /* sends the rest and waits for all answers */

#endif
