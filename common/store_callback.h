/* Callbacks in the store (store_callback.c): whom to tell what became of messages. They are queued by the steps that
 * they tell of; here they are taken, ended, and looked at by people. */
#ifndef HERALD_COMMON_STORE_CALLBACK_H
#define HERALD_COMMON_STORE_CALLBACK_H

#include "common/store.h"

#define STORE_CALLBACKS_MAX 256 /* taken at once */

/* What steps that no worker takes have to know (a cancelled campaign, a reaped message): for all of the org. */
void store_set_callbacks(struct store *store, const char *url /* NULL: none */, int64_t most);

struct store_callback_busy {
    const char *host;
    int64_t count; /* under way in this worker */
};

struct store_callback_take {
    int64_t wanted, most_of_host; /* wanted: at most STORE_CALLBACKS_MAX */
    int64_t lease_ms;             /* when one without an end is handed out again */
    const struct store_callback_busy *busy;
    size_t busy_count;
};

struct store_callback {
    struct span id, host, document; /* host: its name among those that wait */
};

struct store_callbacks {
    int rc;          /* 0, ERR_STATE (Redis said no) or ERR_UNREACHABLE (the answer was lost) */
    int64_t wall_ms; /* Redis' clock */
    int64_t due_in_ms;
    int64_t dropped; /* since ever, because too many waited */
    size_t count;
    struct store_callback items[STORE_CALLBACKS_MAX]; /* borrowed until the callback returns */
};
typedef void (*store_callbacks_fn)(void *context, const struct store_callbacks *callbacks);
void store_take_callbacks(struct store *store, const struct store_callback_take *ask, store_callbacks_fn done,
                          void *context);

enum store_callback_outcome { STORE_CALLBACK_DONE, STORE_CALLBACK_LATER, STORE_CALLBACK_DEAD };
enum store_callback_verdict { STORE_HOST_UNJUDGED, STORE_HOST_UP, STORE_HOST_DOWN };

struct store_callback_end {
    const char *id, *host;
    enum store_callback_outcome outcome;
    int64_t delay_ms;     /* of a later one */
    struct span document; /* as it now stands; absent when done */
    const char *reason;   /* of a dead one */
    enum store_callback_verdict verdict;
    int64_t host_wait_ms; /* for how long the host asked to be left alone; 0: not */
};
/* At most STORE_CALLBACKS_MAX; `most_dead`: older ones are forgotten then. `done` is told when Redis has them. */
void store_end_callbacks(struct store *store, const struct store_callback_end *ends, size_t count, int64_t most_dead,
                         store_settled_fn done, void *context);

/* --- looking, and what people do; may wait --- */

#define STORE_CALLBACK_PAGE     100
#define STORE_CALLBACK_COUNTERS 32
#define STORE_CALLBACK_HOSTS    64

struct store_callback_host {
    char name[300];
    int64_t failures; /* in a row */
    int64_t hold_ms;  /* nobody tries for so long */
};

struct store_dead_callback {
    char id[64];
    char *document; /* owned by the look */
    size_t len;
};

struct store_callback_look {
    int64_t waiting, under_way, dead;
    size_t counter_count, host_count, item_count;
    struct store_counter counters[STORE_CALLBACK_COUNTERS];
    struct store_callback_host hosts[STORE_CALLBACK_HOSTS]; /* those in trouble */
    struct store_dead_callback items[STORE_CALLBACK_PAGE];
};
/* Which dead ones: those behind `after` ("": from the oldest), or one alone. Clear it after a 0. */
struct store_callback_page {
    const char *after, *only; /* NULL: not this way */
    size_t most;
};
int store_look_at_callbacks(struct store *store, const struct store_callback_page *page,
                            struct store_callback_look *ret, int64_t patience_ms, struct reason *why);
void store_callback_look_clear(struct store_callback_look *look);

struct store_settled_callbacks {
    int64_t taken;
    int64_t unreadable; /* of a replay: they name no URL, and stay dead */
};
/* Dead ones back to be posted, or away for good; who did it is written to the audit in the same step. */
int store_settle_callbacks(struct store *store, bool is_replay, const char *const *ids, size_t count,
                           const struct audit_by *by, struct store_settled_callbacks *ret, int64_t patience_ms,
                           struct reason *why);

#endif
