/* How much is where, asked without waiting: for metrics and health, which look again and again. */
#ifndef HERALD_COMMON_STORE_GAUGES_H
#define HERALD_COMMON_STORE_GAUGES_H

#include "common/store.h"

#define STORE_OLDEST_SIZE 41 /* of a message: a hash in hex, with its NUL */

struct store_gauges {
    int64_t wall_ms; /* Redis' clock */
    int64_t ready[PRIORITY_COUNT];
    int64_t oldest_at_ms[PRIORITY_COUNT];                 /* when the next of each list was accepted; 0: not known */
    char oldest_print[PRIORITY_COUNT][STORE_OLDEST_SIZE]; /* tells it from others; "": the list is empty */
    int64_t delayed, due;                                 /* put off, and how many of them fall due by now */
    int64_t in_flight, parked, dead;
    int64_t window_used;
    int64_t hold_ms;                                      /* 0: not paused */
    int64_t workers;                                      /* with a lease */
    int64_t audit, audit_cut;                             /* entries of the stream, and those that were cut off it */
    int64_t audit_oldest_ms;                              /* age of the oldest there; -1: there is none */
    int64_t callbacks, callbacks_dead, callbacks_dropped; /* waiting or under way, given up; dropped since ever */
};

enum store_gauged {
    STORE_GAUGED,
    STORE_GAUGE_REFUSED, /* Redis is there and answered with an error, which the log has */
    STORE_GAUGE_LOST,    /* no answer */
};

typedef void (*store_gauged_fn)(void *context, enum store_gauged gauged, const struct store_gauges *gauges);
/* `window_ms`: of the rate; 0: unlimited. */
void store_ask_gauges(struct store *store, int64_t window_ms, store_gauged_fn done, void *context);

#endif
