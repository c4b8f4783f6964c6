#ifndef SANDBOX_WINDOW_H
#define SANDBOX_WINDOW_H

#include "tests/sandbox/units.h"

#include <stdbool.h>
#include <stdint.h>

/* An exact sliding window over instants. Instants exactly one width apart do not share a window. Thread-safe. */
struct window;

struct window *window_create(struct rate rate);
void window_destroy(struct window *window);
void window_set_rate(struct window *window, struct rate rate);

/* window_take: true if one more is allowed now, and counts it; else false and how long until there is room. */
bool window_take(struct window *window, int64_t *ret_wait_us);

/* window_note: counts one now without judging it; needs a width. */
void window_note(struct window *window);

/* window_peak: the highest count any window has held; *ret_exact is false if the window outgrew its memory bound. */
int64_t window_peak(struct window *window, bool *ret_exact);
void window_clear(struct window *window);

#endif
