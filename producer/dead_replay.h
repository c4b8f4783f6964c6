/* Replaying and purging dead letters by a filter: for the command line and for the gateway, on a store of their own.
 * Prints nothing. Each letter is taken in one atomic step with its others of a batch, at most once whoever else is at
 * it; killed at any point, it is run again and goes on with what is left. */
#ifndef HERALD_PRODUCER_DEAD_REPLAY_H
#define HERALD_PRODUCER_DEAD_REPLAY_H

#include "common/options.h"
#include "producer/dead_walk.h"
#include "producer/revival.h"

struct dead_tally {
    int64_t total;   /* letters there were, of any kind */
    int64_t seen;    /* looked at */
    int64_t matched; /* the filter takes them */
    int64_t done;    /* replayed or purged; in a dry run: would be */
    int64_t refused; /* left: they could not be sent as they are (or as they were edited) */
    int64_t sent;    /* left: a late answer said that they were sent after all */
    int64_t gone;    /* somebody else took them meanwhile */
    int64_t unsure;  /* the answer was lost with the connection: done, or still there */
    bool was_stopped;
};

struct dead_job {
    bool is_purge, is_dry;
    const struct store_letter *letter; /* this one alone (store_dead_find); NULL: those that the filter takes */
    const struct dead_filter *filter;
    const struct audit_by *by; /* checked */
    int64_t limit;             /* letters; 0: all that are there at the start */
    struct rate rate;          /* at most so many in any such time; limit 0: as fast as it goes */
    const struct json *patch;  /* for the envelopes; NULL: none. reviver_check_patch has been passed */
    bool has_priority;         /* else each goes back to the list of its own */
    enum priority priority;
    const char *origins; /* as --origins */
    int64_t patience_ms; /* Redis may be away for so long */

    /* Called before each batch and while waiting; false: stop here. */
    bool (*go_on)(void *context, const struct dead_tally *tally);
    /* A letter that was left, and why: a reason's code, and a sentence. NULL: nobody wants to know. */
    void (*left)(void *context, const struct store_letter *letter, const char *code, const char *text);
    void *context;
};

/* 0, or the err that ended it; `ret` is what was done in both cases. */
int dead_job_run(struct store *store, const struct dead_job *job, struct dead_tally *ret, struct reason *why);

#define DEAD_TALLY_MAX 1024 /* bytes */
void dead_tally_write_json(const struct dead_job *job, const struct dead_tally *tally, struct buf *json);

#endif
