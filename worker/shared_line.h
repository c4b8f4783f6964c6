/* A header's line that many requests have in common, kept once for as long as one of them uses it: the token may be a
 * JWT of 4 kB. One thread. */
#ifndef HERALD_WORKER_SHARED_LINE_H
#define HERALD_WORKER_SHARED_LINE_H

#include <stddef.h>

struct shared_line {
    size_t users;
    char text[]; /* `Name: value`; a secret */
};

/* The line of `name` (with its colon and blank) and `value` for one more user, who drops it: *last, if it says the
 * same; else a new one, and *last is dropped and is the new one from now on. */
struct shared_line *shared_line_take(struct shared_line **last, const char *name, const char *value);
void shared_line_drop(struct shared_line *line); /* takes NULL; the last user's wipes it */

#endif
