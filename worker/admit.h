/* From a reserve to a request: what a sender does with a message before it sends it, or does not.
 *
 * Read and check; ask Redis for the last look (is it still ours, opted out, cancelled, paused, withdrawn?), all
 * messages of a batch in one step; start those that pass. */
#ifndef HERALD_WORKER_ADMIT_H
#define HERALD_WORKER_ADMIT_H

#include <stdint.h>

#include "common/span.h"

struct sender;

/* A message that a reserve brought: refused, put off, given back, or kept for the last look. `is_late`: its grant is
 * too old to be used. */
void admit_message(struct sender *sender, int64_t ticket, struct span bytes);
/* Asks for the last look at all that were kept; its answer starts what passes. */
void admit_look(struct sender *sender);

#endif
