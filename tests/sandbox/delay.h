#ifndef SANDBOX_DELAY_H
#define SANDBOX_DELAY_H

#include <stdbool.h>
#include <stdint.h>

/* Items that wait for their instant, and one thread that wakes them. */
struct delay;

/* Called in the delay thread, without a lock. `stopping`: the item must be let go now. Returns 0 if the item is done
 * with, or the instant at which to call again. */
typedef int64_t delay_wake(void *item, bool stopping);

struct delay *delay_create(delay_wake *wake);

/* delay_add: false if the thread is stopping or memory is short; the item was then not taken. */
bool delay_add(struct delay *delay, int64_t due_us, void *item);

/* delay_stop: wakes all that still wait; afterwards delay_add takes nothing. */
void delay_stop(struct delay *delay);
void delay_destroy(struct delay *delay);

#endif
