/* All messages that Genesys says it has sent in a time, page by page, each request with a grant of the org's window. */
#ifndef HERALD_PRODUCER_PROVIDER_H
#define HERALD_PRODUCER_PROVIDER_H

#include "common/settings.h"
#include "common/store.h"
#include "producer/provider_page.h"

enum provider_source { PROVIDER_EITHER, PROVIDER_ONLY_MESSAGES, PROVIDER_ONLY_ANALYTICS };

/* `genesys`, `messages` or `analytics`. */
bool provider_source_find(const char *name, enum provider_source *ret);

struct provider_reading {
    const struct settings *settings;
    struct store *store; /* for the grants */
    enum provider_source source;
    int64_t from_ms, to_ms;                                               /* by when a message was created */
    bool is_shown;                                                        /* a progress bar, where that is a terminal */
    bool (*visit)(void *context, const struct provider_message *message); /* false ends it */
    void *context;
};

/* EITHER: the tutorial's listing, or the analytics when there is no such thing (404). A 429 pauses the whole org and is
 * waited for, a 401 fetches another token. ERR_UNREACHABLE, ERR_DENIED (credentials, permission), ERR_STATE, ERR_LIMIT
 * (no grant in five minutes), with the reason. `ret_api`: which one it was. */
int provider_each(const struct provider_reading *reading, enum provider_api *ret_api, struct reason *why);

#endif
