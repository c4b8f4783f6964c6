/* The inside of a store, for its two files: the connection (store.c) and the requests that go over it
 * (store_request.c). */
#ifndef HERALD_COMMON_STORE_PARTS_H
#define HERALD_COMMON_STORE_PARTS_H

#include <stdatomic.h>

#include "common/store_request.h"

struct store {
    char *url;
    char org_key[STORE_ORG_MAX + 16]; /* `herald:{org}` */
    struct store_limits limits;
    struct store_poll_times poll_times;
    char actor[AUDIT_ACTOR_MAX + 1];
    struct script scripts[SCRIPT_COUNT];
    struct metrics_block *metrics; /* NULL: none */

    struct redis *redis; /* NULL between connections */
    int64_t opened_at_ms, retry_at_ms;
    unsigned failures; /* in a row */
    int last_rc;
    struct reason last_reason;
    bool is_refused;   /* Redis is there and cannot do what it is asked (OOM, READONLY); until an answer differs */
    bool has_appended; /* something was queued on the connection since it was last pumped */
    bool has_clock;
    atomic_bool has_given_up;

    struct request *first, *last; /* sent ones before unsent ones */
    struct request *unsent;
    size_t pending;
    struct request *spare; /* done with, their buffers as large as they had become */
    size_t spare_count;

    int64_t clock_least_ms, clock_most_ms; /* the org's time less clock_boot_ms; once has_clock */
};

void request_free(struct request *request); /* keeps it to be used again, while there are few of those */
void request_free_spares(struct store *store);

#endif
