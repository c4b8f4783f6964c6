/* The thread of a worker that asks Genesys what became of sent messages (--poll-status): agentless messages have no
 * webhook (genesys-api: section 3.2). It asks by conversation, with grants of the org's window that poll.lua hands out
 * after the messages, and its answers go the way of any receipt. What it meets (401, 429) counts for the org as if a
 * sender had met it; a 403 pauses asking alone; failures only make it wait. */
#ifndef HERALD_WORKER_POLLER_H
#define HERALD_WORKER_POLLER_H

#include "common/reason.h"
#include "worker/crew.h"

struct poller;

int poller_start(struct poller **ret, struct crew *crew, struct reason *why);
void poller_join(struct poller *poller); /* takes NULL; it ends when the crew is stopping */

#endif
