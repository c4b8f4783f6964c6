#ifndef SANDBOX_TUNING_H
#define SANDBOX_TUNING_H

#include "tests/sandbox/body.h"
#include "tests/sandbox/dice.h"
#include "tests/sandbox/fate.h"
#include "tests/sandbox/fault.h"
#include "tests/sandbox/units.h"

#include <pthread.h>

#define TUNING_TOKEN_SECONDS_MAX (48 * 3600) /* what an OAuth client of the platform can be set to */

/* How receipts are delivered. */
struct manners {
    struct latency delay; /* after the status they tell of */
    double duplicates;
    double shuffled; /* share of messages */
    int64_t retries;
    int64_t retry_us;
    int64_t timeout_us;
};

/* Everything that can change while the sandbox runs. A value to copy. */
struct tuning {
    double faults[FAULT_COUNT]; /* probabilities; their sum is at most 1 */
    int64_t fault_first;        /* only the first N sends are faulted; 0: all */
    struct latency latency;
    struct latency token_latency;
    struct rate rate;
    struct rate observe; /* only the width counts; 0: no observer */
    int64_t token_seconds;
    bool outage;
    bool retry_as_date;
    struct odds odds;
    struct manners manners;
};

void tuning_init(struct tuning *tuning);

/* tuning_is_sane: false if the fault probabilities add up to more than 1. */
bool tuning_is_sane(const struct tuning *tuning);

/* tuning_patch: takes over the members of a JSON object; on a problem `tuning` is partly changed: use a copy. */
void tuning_patch(struct tuning *tuning, const struct json_object *patch, struct problem *problem);
void tuning_render(const struct tuning *tuning, struct text *out);

/* tuning_pick_fault: the fault for a draw in [0, 1), or FAULT_COUNT for none. */
enum fault tuning_pick_fault(const struct tuning *tuning, double draw);

/* The tuning in force, shared by all threads. `lock` protects `now`. */
struct tuner {
    pthread_rwlock_t lock;
    struct tuning now;
};

void tuner_get(struct tuner *tuner, struct tuning *ret_tuning);
void tuner_set(struct tuner *tuner, const struct tuning *tuning);

#endif
