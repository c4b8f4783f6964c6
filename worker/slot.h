/* A slot: one message in the hands of a sender, from the reserve that brought it to Redis' answer that it is settled.
 * Slots are made as they are needed; their buffers are used again. */
#ifndef HERALD_WORKER_SLOT_H
#define HERALD_WORKER_SLOT_H

#include "common/answer.h"
#include "common/buf.h"
#include "common/digest.h"
#include "common/envelope.h"
#include "common/store.h"

struct sender;

struct slot {
    struct slot *next;     /* in the list of free ones, or of those that one step of Redis is about */
    struct sender *sender; /* whose it is */
    char ticket[STORE_TICKET_SIZE];
    struct envelope envelope;
    uint64_t id_hash;
    bool is_new;                      /* nobody had counted it as accepted */
    enum store_move move;             /* on its way to Redis: its outcome */
    int64_t granted_ms;               /* monotonic; when its grant was asked for */
    int64_t margin_ms, life_ms;       /* of the grant: see grant.h */
    char person[CHANNEL_PERSON_SIZE]; /* as in the suppression set; "" for a conversation */

    /* While the request is under way. */
    int64_t started_ms; /* monotonic */
    int64_t left_ms;    /* monotonic; when it began to leave */
    int64_t sent_at_ms; /* Redis' clock */
    uint64_t token_generation;
    bool token_was_fresh;
    struct buf body;
    char sha256[DIGEST_HEX_SIZE];

    /* Once there is an outcome. */
    struct answer answer;
    struct buf document; /* the envelope to put off, or the dead letter */
    struct buf audit;
};

struct slots {
    struct sender *sender;
    struct slot *all; /* memory of those never used stays the system's */
    struct slot *free;
    size_t count, made, used;
};

void slots_init(struct slots *slots, size_t count, struct sender *sender);
void slots_clear(struct slots *slots);
struct slot *slots_take(struct slots *slots); /* NULL: none is free */
void slots_give(struct slots *slots, struct slot *slot);

#endif
