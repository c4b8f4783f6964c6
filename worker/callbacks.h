/* The thread of a worker that tells others what became of messages. It has a store, an HTTP handle and a loop of its
 * own: a receiver that is down or hangs takes nothing from sending but a thread that waits. Callbacks are taken under
 * leases (callback_take.lua), so that a worker that dies loses none; they may arrive twice, under the same
 * `webhook-id`. */
#ifndef HERALD_WORKER_CALLBACKS_H
#define HERALD_WORKER_CALLBACKS_H

#include "common/reason.h"
#include "worker/crew.h"

struct callbacks;

/* The settings of callbacks, each right and together wrong. */
int callbacks_check_settings(const struct settings *settings, struct reason *why);

int callbacks_start(struct callbacks **ret, struct crew *crew, struct reason *why);
/* Takes NULL; it ends when the crew is stopping: what is under way may take a moment more. */
void callbacks_join(struct callbacks *callbacks);

#endif
