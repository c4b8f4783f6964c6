/* What Genesys says it has sent, a page at a time: the outbound tutorial's listing, and the details query of the real
 * analytics (genesys-api: section 3.2). Pure: the request of a page, and its answer read. */
#ifndef HERALD_PRODUCER_PROVIDER_PAGE_H
#define HERALD_PRODUCER_PROVIDER_PAGE_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/channel.h"
#include "common/delivery.h"
#include "common/reason.h"
#include "common/span.h"

enum provider_api {
    PROVIDER_MESSAGES,  /* GET /api/v2/messaging/messages; ends with hasMore */
    PROVIDER_ANALYTICS, /* POST /api/v2/analytics/conversations/details/query; ends by totalHits */
    PROVIDER_API_COUNT
};

#define PROVIDER_PAGE_SIZE 100   /* the most that both take */
#define PROVIDER_PAGES_MAX 20000 /* a listing that never ends is a mistake of the other side */
#define PROVIDER_TEXT_SIZE 288

/* One message. Texts are "" and times 0 when they are not said. Analytics knows the conversation and not the message.
 */
struct provider_message {
    char id[PROVIDER_TEXT_SIZE], conversation_id[PROVIDER_TEXT_SIZE];
    enum channel channel;
    char to[CHANNEL_PERSON_SIZE]; /* as in the suppression set: `sms:+13175550199` */
    char from[PROVIDER_TEXT_SIZE];
    char campaign[PROVIDER_TEXT_SIZE]; /* metadata.campaignId */
    enum delivery delivery;
    int64_t created_ms, sent_ms, delivered_ms, read_ms, failed_ms;
};

struct provider_request {
    const char *method, *path; /* path: without arguments, for messages of errors */
    struct buf full;           /* path with arguments */
    struct buf body;           /* empty: none */
};

/* Of the messages created from `from_ms` on and before `to_ms`; pages count from 1. Initialised once, filled again for
 * each page, given back with clear. */
void provider_request_init(struct provider_request *request);
void provider_request_fill(struct provider_request *request, enum provider_api api, int64_t from_ms, int64_t to_ms,
                           int64_t page);
void provider_request_clear(struct provider_request *request);

struct provider_answer {
    bool has_more;
    int64_t total;   /* of all pages; -1: not said */
    int64_t skipped; /* of this page: incoming ones, other media, entries without an id */
};

/* Calls `visit` for each message of a page until it returns false. ERR_STATE when the body is no such page. */
int provider_page_read(enum provider_api api, int64_t page, struct span body,
                       bool (*visit)(void *context, const struct provider_message *message), void *context,
                       struct provider_answer *ret, struct reason *why);

#endif
