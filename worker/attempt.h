/* What becomes of a message whose request has ended. */
#ifndef HERALD_WORKER_ATTEMPT_H
#define HERALD_WORKER_ATTEMPT_H

#include "worker/http.h"

struct sender;

void attempt_finish(struct sender *sender, const struct http_result *result);

#endif
