/* How long a rate grant may wait between being given and being used.
 *
 * Redis counts a grant from the last instant at which it is expected to be used: when it was given plus a margin. A
 * request that leaves later (Redis was slow, a connection had to be made) moves its grant to the moment of leaving
 * (store_touch), which keeps the window exact as long as the grant is still in it. One that is half a window beyond its
 * margin does not leave: it goes back, and the next grants get a wider margin, because a worker that keeps to one it
 * cannot meet would never send. The margin narrows again, slowly, when nothing is late. Pure. */
#ifndef HERALD_WORKER_GRANT_H
#define HERALD_WORKER_GRANT_H

#include <stdint.h>

#include "common/options.h"

struct grant {
    int64_t margin_ms; /* a wider one costs rate, a narrower one costs touches: half a percent of the window at first */
    int64_t life_ms;   /* INT64_MAX without any window */
    int64_t least_ms, half_ms;         /* the narrowest margin; half a window */
    int64_t late_ms;                   /* when the grants were asked for that were late last */
    unsigned in_time;                  /* reserves since then */
    int64_t quick_ms, quick_before_ms; /* the quickest answer of the last hundred or fewer, and of the hundred before */
    unsigned answers;
};

/* For the windows of the org and of each sender; the shorter one decides. */
void grant_init(struct grant *grant, const struct rate *org, const struct rate *sender);
/* A grant asked for at `asked_ms` could not be used; all that were asked for together count as one. */
void grant_note_late(struct grant *grant, int64_t asked_ms);
void grant_note_reserve(struct grant *grant);
/* An answer came so long after its request had left. Returns how long a quick one takes now; 0 until a hundred have
 * come, since the first ones are slow. */
int64_t grant_note_answer(struct grant *grant, int64_t took_ms);

#endif
