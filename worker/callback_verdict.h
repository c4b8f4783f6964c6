/* What becomes of a callback after an attempt, and what that says of its host. Pure; the table is in the .c. */
#ifndef HERALD_WORKER_CALLBACK_VERDICT_H
#define HERALD_WORKER_CALLBACK_VERDICT_H

#include "common/callback.h"
#include "common/store_callback.h"
#include "worker/verdict.h"

struct callback_limits {
    int64_t attempts_max, age_max_ms;
    int64_t retry_base_ms, retry_cap_ms;
};

struct callback_attempt {
    enum transport transport;
    long status;
    bool is_forbidden;      /* no answer, as no address of its host was allowed */
    int64_t retry_after_ms; /* -1: none */
    int64_t attempts;       /* before this one */
    int64_t age_ms;         /* since it was queued, or replayed */
};

struct callback_verdict {
    enum store_callback_outcome outcome;
    enum callback_failure failure; /* of a dead one */
    enum store_callback_verdict host;
    int64_t delay_ms, host_wait_ms;
    bool is_burnt; /* the attempt counts */
};

/* `random`: 64 uniform bits. */
struct callback_verdict callback_judge(const struct callback_attempt *attempt, const struct callback_limits *limits,
                                       uint64_t random);

#endif
