#include "worker/pause.h"

#include <stdio.h>

#include "common/log.h"

void pause_org(struct store *store, const struct verdict *verdict, const struct answer *answer, int64_t pause_ms)
{
    char reason[200];

    if (pause_ms <= 0)
        return;
    if (verdict->org_action == ORG_PAUSE_RATE) {
        (void)snprintf(reason, sizeof(reason), "Genesys says too many requests (429)");
        log_info("org paused: too many requests", LOG_NUMBER("pause_ms", pause_ms));
    } else {
        (void)snprintf(reason, sizeof(reason),
                       "Genesys refuses us (%ld %s): check the OAuth client's credentials, roles and %s",
                       answer->status, answer->error_code, "permission conversation:message:create");
        log_error("org paused: Genesys refuses us; check the OAuth client's credentials, roles and permissions",
                  LOG_NUMBER("status", answer->status), LOG_TEXT("code", answer->error_code),
                  LOG_ONE("correlation_id", answer->correlation_id), LOG_NUMBER("pause_ms", pause_ms));
    }
    store_hold(store, pause_ms, reason);
}
