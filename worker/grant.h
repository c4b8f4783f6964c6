/* How long a rate grant may wait between being given and being used.
 *
 * Redis counts a grant from the last instant at which it is expected to be used: when it was given plus a margin. A
 * request that leaves later (Redis was slow, a connection had to be made) moves its grant to the moment of leaving
 * (store_touch), which keeps the window exact as long as the grant is still in it. One that is older than half a window
 * is not used at all: it goes back. Pure. */
#ifndef HERALD_WORKER_GRANT_H
#define HERALD_WORKER_GRANT_H

#include <stdint.h>

#include "common/options.h"

struct grant {
    int64_t margin_ms; /* a wider one costs rate, a narrower one costs touches: half a percent of the window */
    int64_t life_ms;   /* INT64_MAX without any window */
};

/* For the windows of the org and of each sender; the shorter one decides. */
struct grant grant_of(const struct rate *org, const struct rate *sender);

#endif
