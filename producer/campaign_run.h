/* A campaign on its way into Redis: each row of the recipients becomes a message on the list, or is refused. Says
 * nothing to anybody itself: a command and a gateway tell it in their own ways. */
#ifndef HERALD_PRODUCER_CAMPAIGN_RUN_H
#define HERALD_PRODUCER_CAMPAIGN_RUN_H

#include "producer/outbox.h"
#include "producer/personalise.h"
#include "producer/recipients.h"
#include "producer/tally.h"

struct campaign_run_watch {
    /* A row is refused, perhaps somewhat later, when Redis says that its person has opted out. 0, or an err with why,
     * which ends the run. */
    int (*on_refused)(void *context, const struct recipients *source, const struct row *row,
                      const struct row_refusal *refusal, struct reason *why);
    void (*on_row)(void *context, const struct recipients *source, const struct tally *tally); /* each; may be NULL */
    void *context;
};

struct campaign_run {
    struct campaign_run_watch watch;
    char campaign[ENVELOPE_NAME_MAX + 1];
    int64_t send_at_ms;
    struct personaliser *personaliser;
    struct recipients *source; /* borrowed */
    struct store *store;       /* borrowed; NULL: all but enqueue */
    struct outbox outbox;
    struct tally tally; /* true at the end, however the run ends */
};

/* The campaign's name: `given` (may be NULL), else the template's. ERR_INVALID with why. */
int campaign_run_name(struct campaign_run *run, const struct template *t, const char *given, struct reason *why);

/* All that does not depend on the recipients, whose campaign and time are those of the run. Clear it in any case; what
 * the config points to must outlive the run. */
int campaign_run_prepare(struct campaign_run *run, struct personaliser_config *config, struct reason *why);
/* Whether these recipients have what the template needs. */
int campaign_run_bind(struct campaign_run *run, struct recipients *source, struct reason *why);
/* 0 when every row was enqueued or refused; else an err, and what could be read before it is enqueued all the same
 * unless Redis is the reason. The same campaign again is harmless: nobody is enqueued twice. */
int campaign_run_all(struct campaign_run *run, struct store *store, struct reason *why);
void campaign_run_clear(struct campaign_run *run);

#endif
