/* How long a rate grant may wait between being given and being used, and what to do when Redis is too slow for that.
 *
 * The window counts a grant from the last instant at which it may be used. A wider margin costs rate, a narrower one
 * costs grants that come too late; so it begins at half a percent of the window, doubles when grants ran out unused and
 * narrows again, slowly, when they come in time. Pure. */
#ifndef HERALD_WORKER_GRANT_H
#define HERALD_WORKER_GRANT_H

#include <stdint.h>

struct grant {
    int64_t least_ms, margin_ms;
    unsigned prompt; /* reserves in a row that came in time */
};

void grant_init(struct grant *grant, int64_t window_ms); /* 0: no window at all */
void grant_note_late(struct grant *grant);
void grant_note_prompt(struct grant *grant); /* a reserve came in time */

#endif
