/* Where Genesys delivers receipts, as `herald webhook` sees it: the webhooks of the tutorial's API, and the open
 * integrations of the real one (outboundNotificationWebhookUrl, vendor SDK models/open_integration_request). */
#ifndef HERALD_PRODUCER_WEBHOOKS_H
#define HERALD_PRODUCER_WEBHOOKS_H

#include <stdbool.h>

#include "common/fetch.h"
#include "common/json.h"
#include "producer/command.h"

#define WEBHOOKS_PATH     "/api/v2/webhooks"
#define INTEGRATIONS_PATH "/api/v2/conversations/messaging/integrations/open"
#define WEBHOOKS_EVENT    "messaging:messages:updated"

int webhooks_open(const struct settings *settings, struct fetch **ret, struct reason *why);

/* All entities of a listing, page by page, until `visit` returns false. Errors as of fetch_call, and ERR_STATE for an
 * answer that is no listing. *ret_status: of the last answer, 0 without one. */
int webhooks_each(struct fetch *fetch, const char *path, bool (*visit)(void *context, const struct json *entity),
                  void *context, long *ret_status, struct reason *why);

/* A call whose answer is one entity (caller frees with json_free); *ret is NULL when its body is no object. */
int webhooks_call(struct fetch *fetch, const char *method, const char *path, const struct json *body, struct json **ret,
                  struct reason *why);

/* "" when it has no such text. Borrowed. */
const char *webhooks_text(const struct json *entity, const char *key);
const char *webhooks_url(const struct json *webhook); /* of a webhook of the tutorial */

/* `herald: ` and the reason; the exit status of an error of fetch. */
enum exit_status webhooks_fail(int rc, const struct reason *why);

#endif
