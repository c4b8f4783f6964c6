/* The circuit breaker: when the API itself is in trouble, stop taking messages and try it with one at a time.
 *
 *   closed ── `threshold` failures in a row of different messages ──> open
 *   open ── the cool-down is over and a probe starts ──> half-open
 *   half-open ── the probe succeeds ──> closed
 *   half-open ── the probe fails ──> open, twice as long (capped, half of it jitter)
 *
 * Different messages, because one poisonous message fails as often as it is tried. For the same reason the message
 * that failed last should not be the next probe: ask breaker_is_poison() and take another if there is one.
 *
 * Answers come late: when it opens, requests that began while it was closed are still out, and may be answered in any
 * later state. They tell how the API was, not how it is, so
 *   - open: every answer is ignored; it neither closes early nor makes the cool-down longer;
 *   - half-open: only the answer for the message that is the probe counts;
 *   - closed again: an answer to a request that began before the closing is ignored. Else the requests that hung in the
 *     outage would run into their time-outs one after the other and open it again under a healthy API.
 *
 * A plain struct; the caller locks. Instants are of the monotonic clock, in ms, the same clock for all callers. A
 * message is named by a hash of its id; two that collide count as one, which delays an opening by one failure. */
#ifndef HERALD_WORKER_BREAKER_H
#define HERALD_WORKER_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#define BREAKER_THRESHOLD_DEFAULT 5
#define BREAKER_THRESHOLD_MAX     32

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };

struct breaker_config {
    unsigned threshold; /* different messages in a row that open it; 1 to BREAKER_THRESHOLD_MAX, else the nearest */
    int64_t base_ms;    /* the first cool-down */
    int64_t cap_ms;     /* the longest */
    int64_t probe_ms;   /* the longest that a probe can be out (more than a request may take); a probe that is not heard
                           of for so long is taken for gone, so that nothing can hold the breaker for ever */
};

struct breaker {
    struct breaker_config config;
    enum breaker_state state;
    int64_t changed_ms;                     /* when it came into this state */
    uint64_t failed[BREAKER_THRESHOLD_MAX]; /* closed: the different messages of the run, in order */
    unsigned failures;                      /* of them */
    unsigned openings;                      /* since it was last closed: the exponent of the cool-down */
    int64_t probe_at_ms;                    /* open: when the cool-down is over */
    uint64_t poison;                        /* open, half-open: the message that failed last and opened it */
    uint64_t probe;                         /* half-open: the message that is out as the probe */
    bool has_probe;
    int64_t probe_until_ms; /* with has_probe: when it is taken for gone */
};

/* What a call did to the state, for the caller to log once the lock is released; from == to: nothing. */
struct breaker_change {
    enum breaker_state from, to;
};

void breaker_init(struct breaker *breaker, const struct breaker_config *config); /* closed */
const char *breaker_state_name(enum breaker_state state);                        /* "closed", "open", "half_open" */

/* How many messages may be taken now: INT_MAX when closed, 1 when a probe may start, else 0. Changes nothing: what is
 * taken is admitted by breaker_note_probe(), since another thread may be quicker. */
int breaker_allowance(const struct breaker *breaker, int64_t now_ms);

/* The instant at which to ask again: INT64_MIN, or one that has passed, means now. While a probe is out its answer can
 * come before that instant, so whoever reports the answer wakes the others. */
int64_t breaker_next_ms(const struct breaker *breaker);

/* Whether the message failed last and so should not be the probe unless there is no other. Always false when closed. */
bool breaker_is_poison(const struct breaker *breaker, uint64_t id_hash);

/* Call right before a request starts, for every one. True: it may start; unless closed, it is now the probe, which has
 * to end in exactly one of the three calls below. False: not now (open, or another thread's probe is out): the message
 * goes back. `ret_change` may be NULL here and below, else it is always filled. */
bool breaker_note_probe(struct breaker *breaker, uint64_t id_hash, int64_t now_ms, struct breaker_change *ret_change);

/* A request that began at `started_ms` was answered at `now_ms`. `random`: 64 uniform bits. */
void breaker_success(struct breaker *breaker, uint64_t id_hash, int64_t started_ms, int64_t now_ms,
                     struct breaker_change *ret_change);
void breaker_failure(struct breaker *breaker, uint64_t id_hash, int64_t started_ms, int64_t now_ms, uint64_t random,
                     struct breaker_change *ret_change);

/* The request was withdrawn, or its answer says nothing about the API (429, 401, 403). If it was the probe, another may
 * go at once; for any other message this does nothing. */
void breaker_probe_gone(struct breaker *breaker, uint64_t id_hash);

#endif
