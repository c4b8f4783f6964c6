/* The ends a message can have in a sender's hands, each on its way to Redis by the settler. */
#ifndef HERALD_WORKER_ENDING_H
#define HERALD_WORKER_ENDING_H

#include "worker/letter.h"
#include "worker/sender_parts.h"

/* One look at the clocks, for all that is decided about a message at once. */
struct instant {
    int64_t mono_ms;
    int64_t redis_ms; /* Redis' clock, as of its last answer: what ages and due times are measured by, on all machines
                         alike */
    int64_t own_ms;   /* this machine's clock */
};
struct instant ending_instant(const struct sender *sender);

int64_t ending_now_ms(const struct sender *sender); /* redis_ms alone */
/* What a message is marked with that nobody had accepted before: the later of Redis' clock and this machine's. One that
 * is put right when it was behind would otherwise make the message too old at once. */
int64_t ending_accepted_ms(const struct sender *sender);
/* Since when it may go: accepted, due, replayed, whichever was last; 0: nobody has noted it. */
int64_t ending_since_ms(const struct envelope *envelope);
/* At the time `now_ms`, until the message is too old: its own expiry, or the greatest age of any. */
int64_t ending_left_ms(const struct sender *sender, const struct envelope *envelope, int64_t now_ms);
/* The same where nothing can be undone: too old is only what is so by Redis' clock and by this machine's. */
int64_t ending_surely_left_ms(const struct sender *sender, const struct envelope *envelope, const struct instant *now);

struct store_settle ending_item(const struct slot *slot); /* the parts that every end has */
struct store_about ending_about(const struct sender *sender,
                                const struct slot *slot); /* for those that are sent or buried */

/* `give_back`: the grant was not used. */
void ending_release(struct sender *sender, struct slot *slot, bool give_back);
void ending_defer(struct sender *sender, struct slot *slot, int64_t delay_ms, const char *counted_as, bool give_back);
/* `raw`: what came off the list, for a message that is no JSON. */
void ending_bury(struct sender *sender, struct slot *slot, const struct letter *letter, struct span raw,
                 bool give_back);

#endif
