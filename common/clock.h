/* The two clocks. Waits and ages of this process use the monotonic one; only what is stored or logged uses the wall
 * clock; what several machines must agree on uses the times of common/lua/prelude.lua, inside a script, and none of
 * these. */
#ifndef HERALD_COMMON_CLOCK_H
#define HERALD_COMMON_CLOCK_H

#include <stdint.h>

int64_t clock_wall_ms(void); /* since 1970-01-01 UTC */
int64_t clock_mono_ms(void); /* since some moment; never goes back */
int64_t clock_mono_us(void); /* the same in microseconds: for how long something took */
int64_t clock_boot_ms(void); /* the same, and goes on while the machine sleeps: for leases */

#endif
