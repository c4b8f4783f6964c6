/* A pause of the whole organisation: said to the log and to Redis, for every worker. */
#ifndef HERALD_WORKER_PAUSE_H
#define HERALD_WORKER_PAUSE_H

#include "common/store.h"
#include "common/answer.h"
#include "worker/verdict.h"

/* `pause_ms` as the crew said; 0: none. */
void pause_org(struct store *store, const struct verdict *verdict, const struct answer *answer, int64_t pause_ms);

#endif
