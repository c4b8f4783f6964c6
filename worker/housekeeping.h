/* The one thread of a worker that sends nothing: it fetches the token, beats the heart, and, while senders sleep, waits
 * inside Redis for their next message, so that an idle worker costs next to nothing and still starts at once. */
#ifndef HERALD_WORKER_HOUSEKEEPING_H
#define HERALD_WORKER_HOUSEKEEPING_H

#include "common/reason.h"
#include "worker/crew.h"

struct housekeeping;

/* Opens its connections; joins the crew, before any sender does. */
int housekeeping_open(struct housekeeping **ret, struct crew *crew, struct reason *why);
/* Runs in the calling thread until every sender has ended. */
void housekeeping_run(struct housekeeping *keeping);
void housekeeping_close(struct housekeeping *keeping); /* takes NULL */

#endif
