#include "producer/reconcile_claims.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "producer/command.h"
#include "producer/terminal.h"

/* An answer is recorded soon after Genesys created the message, unless Redis is away for long. */
#define RECORDED_WITHIN_MS (25 * STORE_HOUR_MS)

static void add(struct claims *claims, const char *id)
{
    if (!*id)
        return;
    if (claims->count == claims->cap) {
        claims->cap = claims->cap ? 2 * claims->cap : 64;
        claims->claims = mem_resize(claims->claims, claims->cap, sizeof(claims->claims[0]));
    }
    claims->claims[claims->count] = (struct claim){.is_ours = false};
    (void)snprintf(claims->claims[claims->count++].id, PROVIDER_TEXT_SIZE, "%s", id);
}

void claims_add(struct claims *claims, const struct provider_message *message)
{
    if (claims->count == 0 || message->created_ms < claims->first_ms)
        claims->first_ms = message->created_ms;
    if (message->created_ms > claims->last_ms)
        claims->last_ms = message->created_ms;
    add(claims, message->id);
    if (strcmp(message->id, message->conversation_id) != 0)
        add(claims, message->conversation_id);
}

void claims_clear(struct claims *claims)
{
    free(claims->claims);
    *claims = (struct claims){.claims = NULL};
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct claim *)a)->id, ((const struct claim *)b)->id);
}

static struct claim *find(const struct claims *claims, const char *id)
{
    struct claim key = {.is_ours = false};

    if (!*id || claims->count == 0 || strlen(id) >= sizeof(key.id))
        return NULL;
    (void)snprintf(key.id, sizeof(key.id), "%s", id);
    return bsearch(&key, claims->claims, claims->count, sizeof(key), compare);
}

static void mark(struct claims *claims, const char *id)
{
    struct claim *claim = find(claims, id);

    /* The same id may be there twice: all of them. */
    for (struct claim *at = claim; at && at >= claims->claims && strcmp(at->id, id) == 0; at--)
        at->is_ours = true;
    for (struct claim *at = claim; at && at < claims->claims + claims->count && strcmp(at->id, id) == 0; at++)
        at->is_ours = true;
}

static bool look_at(void *context, const char *id, const struct store_message_info *info)
{
    (void)id;
    mark(context, info->provider_id);
    mark(context, info->conversation_id);
    return true;
}

int claims_look(struct claims *claims, struct store *store, int64_t now_ms, struct reason *why)
{
    int64_t first = (claims->first_ms - STORE_HOUR_MS) / STORE_HOUR_MS,
            last = (claims->last_ms + RECORDED_WITHIN_MS < now_ms ? claims->last_ms + RECORDED_WITHIN_MS : now_ms) /
                   STORE_HOUR_MS;
    struct progress progress;
    int rc = 0;

    if (claims->count == 0)
        return 0;
    qsort(claims->claims, claims->count, sizeof(claims->claims[0]), compare);
    progress_begin(&progress, "comparing", true);
    for (int64_t hour = first; rc == 0 && hour <= last; hour++) {
        rc = store_report_ended(store, hour, look_at, claims, COMMAND_PATIENCE_MS, why);
        progress_update(&progress, (uint64_t)(hour - first), (uint64_t)(last - first + 1), (uint64_t)(hour - first));
    }
    progress_end(&progress);
    return rc;
}

bool claims_is_ours(const struct claims *claims, const struct provider_message *message)
{
    const struct claim *by_id = find(claims, message->id), *by_conversation = find(claims, message->conversation_id);

    return (by_id && by_id->is_ours) || (by_conversation && by_conversation->is_ours);
}
