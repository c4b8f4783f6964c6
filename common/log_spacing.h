/* Repeated warnings are spaced out and counted: the first is written at once, then at most one in an interval that
 * doubles each time, with how many there were in between. What has been quiet for long begins anew. A fixed table; when
 * it is full of others, what is new is written each time. No lock and no clock in here: the caller has them. */
#ifndef HERALD_COMMON_LOG_SPACING_H
#define HERALD_COMMON_LOG_SPACING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_SPACING_PLACES    64
#define LOG_SPACING_FIRST_MS  1000
#define LOG_SPACING_MOST_MS   300000
#define LOG_SPACING_FORGET_MS 60000 /* beyond the interval */

struct log_spacing_entry {
    uint64_t key;     /* of a level and a text */
    const char *what; /* the event, static; NULL: nobody's place */
    int level;
    int64_t last_ms;     /* when it was met last */
    int64_t next_ms;     /* not written before */
    int64_t interval_ms; /* that ends then */
    uint64_t held;       /* met and not written */
};

struct log_spacing {
    struct log_spacing_entry entries[LOG_SPACING_PLACES];
};

/* Whether it is to be written now, and how many like it were not since the last. Instants are of the monotonic clock.
 */
bool log_spacing_admit(struct log_spacing *spacing, uint64_t key, int level, const char *what, int64_t now_ms,
                       uint64_t *ret_held);

/* One whose interval has ended while some were held back (with `all`, whose has not, too): to be written as `what` with
 * that count. False: there is none. */
struct log_spacing_due {
    const char *what;
    int level;
    uint64_t held;
};
bool log_spacing_next(struct log_spacing *spacing, int64_t now_ms, bool all, struct log_spacing_due *ret);
int64_t log_spacing_due_ms(const struct log_spacing *spacing); /* when there is one; INT64_MAX: none is held back */

#endif
