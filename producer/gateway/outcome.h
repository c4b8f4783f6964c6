/* What became of a message that a client handed in, and how it is told. Pure. */
#ifndef HERALD_PRODUCER_GATEWAY_OUTCOME_H
#define HERALD_PRODUCER_GATEWAY_OUTCOME_H

#include "common/refusal.h"
#include "common/store_accept.h"
#include "producer/gateway/answer.h"
#include "producer/gateway/gateway.h"

#define FULL_RETRY_AFTER_S 30 /* a backlog takes its time to shrink */

enum outcome_kind {
    OUTCOME_ACCEPTED,
    OUTCOME_REPEATED, /* accepted before, under the same key */
    OUTCOME_REFUSED,  /* the message breaks a rule, or its key was another message's */
    OUTCOME_FULL,     /* too many wait already */
    OUTCOME_UNKNOWN,  /* Redis did not say */
};

struct outcome {
    enum outcome_kind kind;
    char id[ID_SIZE];        /* "" when it is not known */
    struct refusal *refusal; /* of REFUSED; owned */
};

void outcome_set_id(struct outcome *outcome, const char *id);
void outcome_refuse(struct outcome *outcome, const struct refusal *refusal);
void outcome_of(struct outcome *outcome, int rc, const struct store_acceptance *answer);
void outcome_clear(struct outcome *outcome);
void outcome_count(const struct outcome *outcome, struct gateway_counters *counters);

/* As the member of an array: `{"status":"accepted","id":"..."}` or with code, pointer and detail. `prefix` goes in
 * front of the pointer. */
void outcome_write(const struct outcome *outcome, const char *prefix, struct buf *out);

/* The whole answer of a request for one message, and for an array. */
void outcome_write_alone(const struct outcome *outcome, struct answer *answer);
void outcomes_write(const struct outcome *outcomes, size_t count, struct answer *answer);

#endif
