/* Who a worker is: its name among the workers of the org, and the environment that the queues must belong to. */
#ifndef HERALD_WORKER_IDENTITY_H
#define HERALD_WORKER_IDENTITY_H

#include "common/reason.h"
#include "worker/crew.h"

/* Fills the crew's names: those of the settings, else made from host, process, chance and addresses. */
void identity_choose(struct crew *crew, const struct settings *settings);

/* Takes the name and the first lease, before anything starts, so that a wrong URL, a wrong password, a name that is
 * taken or queues that belong elsewhere are said at once. ERR_INVALID for the last two, ERR_UNREACHABLE, ERR_DENIED. */
int identity_join(struct crew *crew, const struct settings *settings, struct reason *why);

#endif
