/* Receipts into the store, and what is known of one message (store_receipt.c). */
#ifndef HERALD_COMMON_STORE_RECEIPT_H
#define HERALD_COMMON_STORE_RECEIPT_H

#include "common/delivery.h"
#include "common/store.h"

struct store_receipt {
    uint8_t key[STORE_KEY_SIZE]; /* of the event's id, or of (message, status) where it has none */
    const char *provider_id;     /* Genesys' id of the message */
    enum delivery delivery;
    int64_t at_ms;      /* when it happened, as the provider says; 0: now by Redis' clock */
    const char *code;   /* of a failure; "" */
    bool opts_out;      /* the person must not be written to again */
    struct span person; /* as in the suppression set, when the event says whom it is about; else the message's own */
    struct span audit;  /* the entry for the audit, JSON; written only when it was not recorded before */
};

enum store_received {
    STORE_APPLIED,  /* recorded now */
    STORE_REPEATED, /* recorded before */
    STORE_EARLY,    /* recorded now, for a message that is not known yet: it counts when the send's own answer comes */
};

/* All of the batch in one step: remembering the event, the state that only goes forward, counters, suppression, audit.
 * The end is the same whatever the order in which receipts and the send's own answer come: of each state the earliest
 * time stands, and a message counts once in each `receipt:<state>` that it has reached. The audit entry (an object with
 * at least one member) gets the message's `id` and `campaign` when they are known. What is kept for one message under a
 * key of a wrong type is passed over, the audit entry excepted.
 * rc is 0 and there is an answer for each; ERR_STATE when Redis refused; ERR_UNREACHABLE when the answer was lost (then
 * it may or may not be recorded: the same receipt again is harmless). Not kept and sent again by the store: whoever
 * brought the receipt brings it again. `dedup_ms`: how long an event is remembered. */
typedef void (*store_receipts_fn)(void *context, int rc, const enum store_received *answers, size_t count);
void store_receipts(struct store *store, int64_t dedup_ms, const struct store_receipt *receipts, size_t count,
                    store_receipts_fn done, void *context);

/* --- what is known of one message --- */

struct store_message_info {
    bool is_known;
    char state[16];  /* accepted, sent, dead, cancelled; "" when nothing is known */
    char reason[64]; /* of dead */
    char campaign[ENVELOPE_NAME_MAX + 1];
    char channel[16], template_name[STORE_TEMPLATE_MAX + 1]; /* of those that were sent or died */
    int64_t accepted_at_ms, at_ms;                           /* at: of the last change of state; 0: not known */
    int64_t since_ms; /* when it could be sent first; of those that were sent or died */
    int64_t attempts; /* burnt, as in a dead letter */
    char provider_id[ID_SIZE], conversation_id[ID_SIZE], correlation_id[ID_SIZE];
    enum delivery delivery;
    int64_t reached_at_ms[DELIVERY_COUNT]; /* when each state was reached; 0: not heard of */
    char failure_code[64];
};
/* rc as above. `info` is borrowed until the callback returns. */
typedef void (*store_message_fn)(void *context, int rc, const struct store_message_info *info);
void store_read_message(struct store *store, const char *id, store_message_fn done, void *context);

#endif
