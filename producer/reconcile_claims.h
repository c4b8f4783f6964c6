/* Which of some messages of Genesys are known ones of ours already: by its id, and by its conversation, since the
 * analytics know no other. */
#ifndef HERALD_PRODUCER_RECONCILE_CLAIMS_H
#define HERALD_PRODUCER_RECONCILE_CLAIMS_H

#include "common/store_report.h"
#include "producer/provider_page.h"

struct claim {
    char id[PROVIDER_TEXT_SIZE]; /* of the message or of the conversation */
    bool is_ours;
};

struct claims {
    struct claim *claims; /* sorted, once they have been looked for */
    size_t count, cap;
    int64_t first_ms, last_ms; /* when they were created */
};

void claims_add(struct claims *claims, const struct provider_message *message);
void claims_clear(struct claims *claims);

/* Looks through the messages that came to an end from an hour before the first one on. */
int claims_look(struct claims *claims, struct store *store, int64_t now_ms, struct reason *why);
bool claims_is_ours(const struct claims *claims, const struct provider_message *message); /* after that */

#endif
