/* The clerks: threads with a store each for what takes its time (a campaign's upload, a replay, the status of all),
 * while the lanes go on serving. */
#ifndef HERALD_PRODUCER_GATEWAY_CLERKS_H
#define HERALD_PRODUCER_GATEWAY_CLERKS_H

#include <stdbool.h>

#include "common/reason.h"
#include "common/store.h"
#include "producer/gateway/gateway.h"

struct clerks;
struct exchange;

int clerks_start(struct clerks **ret, struct gateway *gateway, struct reason *why);
void clerks_stop(struct clerks *clerks); /* takes NULL; jobs not begun are dropped */

/* A job. `work` runs in a clerk's thread and touches nothing of the exchange; `answer` then runs in the exchange's lane
 * and fills the answer (NULL exchange_answer: too late); `destroy` ends the job in any case. */
struct clerk_job {
    int64_t patience_ms; /* how long the client may wait; beyond EXCHANGE_PATIENCE_MS only some clerks do it */
    void (*work)(void *job, struct store *store, struct gateway *gateway);
    void (*answer)(void *job, struct exchange *exchange);
    void (*destroy)(void *job);
};
/* Takes the job. When there are too many already, the exchange is answered 503 and the job destroyed. */
void clerks_ask(struct exchange *exchange, const struct clerk_job *kind, void *job);

#endif
