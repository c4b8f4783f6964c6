/* What a worker and a gateway show to those who run them, at the address of --admin:
 *   /healthz  200 while the program's loops turn, else 503: kill it.
 *   /readyz   200 while it can do its work; else 503 and which check fails: wait, or look at what fails.
 *   /metrics  numbers for Prometheus (docs/metrics.md).
 * What Redis is asked for them is asked when somebody looks, and at most once a second. */
#ifndef HERALD_COMMON_ADMIN_H
#define HERALD_COMMON_ADMIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/metrics.h"
#include "common/reason.h"
#include "common/settings.h"

struct admin;

struct admin_check {
    const char *name; /* a key of the answer's JSON */
    /* NULL: it holds; else a sentence that says what is wrong. In the thread of the pages. */
    const char *(*problem)(void *context);
};

struct admin_config {
    const struct admin_check *checks; /* beside the one for Redis; borrowed, as all here */
    size_t check_count;
    bool (*is_alive)(void *context, int64_t now_ms); /* monotonic */
    struct metrics *metrics;
    struct rate (*rate)(void *context);                            /* the one in force */
    void (*measure)(void *context, struct metrics_scrape *scrape); /* sets what the program alone knows */
    void *context;
};

/* Listens; nobody is answered yet. NULL when --admin is `off`, or `auto` and its port is taken, which the log says.
 * ERR_INVALID: no address; ERR_IO: it cannot be listened on. */
int admin_open(struct admin **ret, const struct settings *settings, struct reason *why);
/* Answers from now on. Takes NULL, as admin_close does. */
int admin_run(struct admin *admin, const struct admin_config *config, struct reason *why);
void admin_close(struct admin *admin);

#endif
