/* What becomes of one message in the hands of a sender: the checks before a request, and the outcome after it. */
#ifndef HERALD_WORKER_ATTEMPT_H
#define HERALD_WORKER_ATTEMPT_H

#include "common/span.h"
#include "worker/http.h"

struct sender;

/* A message that a reserve brought: refused, put off, given back or started. `is_late`: its grant is too old to be
 * used. `has_another`: there is one behind it that could be the breaker's probe instead. */
void attempt_admit(struct sender *sender, int64_t ticket, struct span bytes, bool is_late, bool has_another);

/* A request that ended. */
void attempt_finish(struct sender *sender, const struct http_result *result);

#endif
