/* A sender: one thread that takes messages, checks them, sends them and settles them. It owns a connection to Redis and
 * a set of HTTP transfers and waits for all of them at once; nothing it does stands still for any one of them. */
#ifndef HERALD_WORKER_SENDER_H
#define HERALD_WORKER_SENDER_H

#include "common/reason.h"
#include "worker/crew.h"

struct sender;

/* Starts the thread. The crew must outlive it. */
int sender_start(struct sender **ret, struct crew *crew, unsigned number, struct reason *why);
/* Waits for it to end (crew->is_stopping) and frees it. Returns how many outcomes could not be recorded: 0 unless Redis
 * stayed away for longer than the drain. */
size_t sender_join(struct sender *sender);

#endif
