#include "worker/identity.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/digest.h"
#include "common/ids.h"
#include "common/store.h"

#define START_PATIENCE_MS 5000

static void name_worker(struct crew *crew, const struct settings *settings)
{
    char host[24] = "";

    if (settings->worker_id) {
        (void)snprintf(crew->worker_id, sizeof(crew->worker_id), "%s", settings->worker_id);
        return;
    }
    if (gethostname(host, sizeof(host) - 1) != 0 || !id_is_valid(host, strlen(host)))
        (void)snprintf(host, sizeof(host), "worker");
    (void)snprintf(crew->worker_id, sizeof(crew->worker_id), "%s.%ld.%08" PRIx32, host, (long)getpid(),
                   (uint32_t)random_u64());
}

/* What these queues belong to, unless the settings name it: the places that Redis and the API are at. */
static void name_environment(struct crew *crew, const struct settings *settings)
{
    char hash[DIGEST_HEX_SIZE], text[512];
    const char *at = strrchr(settings->redis_url, '@'); /* what stands before it is a secret and may change */

    if (settings->environment) {
        (void)snprintf(crew->environment, sizeof(crew->environment), "%s", settings->environment);
        return;
    }
    (void)snprintf(text, sizeof(text), "%.200s %.250s", at ? at + 1 : settings->redis_url, crew->api_url);
    digest_sha256_hex(text, strlen(text), hash);
    (void)snprintf(crew->environment, sizeof(crew->environment), "%.16s", hash);
}

void identity_choose(struct crew *crew, const struct settings *settings)
{
    name_worker(crew, settings);
    name_environment(crew, settings);
    (void)snprintf(crew->instance, sizeof(crew->instance), "%016" PRIx64, random_u64());
    crew->identity = (struct store_identity){crew->worker_id, crew->instance, crew->environment, settings->lease_ms};
}

static int explain_refusal(const struct crew *crew, enum store_joined joined, const char *home, struct reason *why)
{
    switch (joined) {
    case STORE_JOINED:
        return 0;
    case STORE_NAME_TAKEN:
        reason_set(why, "a worker named %s is running, or was until less than --lease ago; names must differ",
                   crew->worker_id);
        break;
    case STORE_NOT_HOME:
        reason_set(
            why,
            "these queues belong to environment %.64s and this worker to %.64s: if they are a restored copy, sending "
            "would send twice; if they have moved, start once with --adopt",
            home, crew->environment);
        break;
    }
    return ERR_INVALID;
}

int identity_join(struct crew *crew, const struct settings *settings, struct reason *why)
{
    struct store *store = NULL;
    enum store_joined joined = STORE_NAME_TAKEN;
    char home[128] = "";
    int64_t asked_ms = clock_boot_ms();
    int rc = store_open(&store, settings->redis_url, settings->org, why);

    if (rc == 0)
        rc = store_join(store, &crew->identity, settings->adopt, &joined, home, START_PATIENCE_MS, why);
    if (rc == 0)
        rc = explain_refusal(crew, joined, home, why);
    if (rc == 0)
        crew_set_lease(crew, asked_ms + settings->lease_ms);
    store_close(store);
    return rc;
}
