#include "worker/identity.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/digest.h"
#include "common/ids.h"
#include "common/log.h"
#include "common/store.h"

#define START_PATIENCE_MS 5000
#define NAME_LOOK_MS      250

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

/* What these queues belong to, unless the settings name it: the Redis they are in. A copy of them is in another. */
static void name_environment(struct crew *crew, const struct settings *settings)
{
    char hash[DIGEST_HEX_SIZE];
    const char *at = strrchr(settings->redis_url, '@'); /* what stands before it is a secret and may change */
    const char *where = at ? at + 1 : settings->redis_url;

    if (settings->environment) {
        (void)snprintf(crew->environment, sizeof(crew->environment), "%s", settings->environment);
        return;
    }
    digest_sha256_hex(where, strlen(where), hash);
    (void)snprintf(crew->environment, sizeof(crew->environment), "%.16s", hash);
}

void identity_choose(struct crew *crew, const struct settings *settings)
{
    name_worker(crew, settings);
    name_environment(crew, settings);
    (void)snprintf(crew->instance, sizeof(crew->instance), "%016" PRIx64, random_u64());
    crew->identity = (struct store_identity){crew->worker_id, crew->instance, crew->environment, settings->lease_ms};
}

static int explain_refusal(const struct crew *crew, const struct store_join *join, struct reason *why)
{
    switch (join->joined) {
    case STORE_JOINED:
        return 0;
    case STORE_NAME_TAKEN:
        reason_set(why, "a worker named %s is alive; names must differ", crew->worker_id);
        break;
    case STORE_NOT_HOME:
        reason_set(
            why,
            "these queues belong to environment %.64s and this worker to %.64s: if they are a restored copy, sending "
            "would send twice; if they have moved, start once with --adopt",
            join->home, crew->environment);
        break;
    }
    return ERR_INVALID;
}

/* The lease counts from before the question, on our clock. */
static int ask(struct store *store, struct crew *crew, const struct settings *settings, struct store_join *join,
               struct reason *why)
{
    int64_t asked_ms = clock_boot_ms();
    int rc = store_join(store, &crew->identity, settings->adopt, join, START_PATIENCE_MS, why);

    if (rc == 0 && join->joined == STORE_JOINED)
        crew_set_lease(crew, asked_ms + settings->lease_ms);
    return rc;
}

/* Somebody has our name. If it is alive, its lease is renewed while we look; if it is our own earlier life, which was
 * killed, the lease runs out and the name is free. */
static int wait_for_name(struct store *store, struct crew *crew, const struct settings *settings,
                         struct store_join *join, struct reason *why)
{
    int64_t left_ms = INT64_MAX;
    int rc = 0;

    while (rc == 0 && join->joined == STORE_NAME_TAKEN && join->left_ms < left_ms) {
        if (left_ms == INT64_MAX)
            log_info("another worker had this name; waiting whether it is alive", LOG_TEXT("worker", crew->worker_id),
                     LOG_NUMBER("lease_left_ms", join->left_ms));
        left_ms = join->left_ms;
        (void)poll(NULL, 0, NAME_LOOK_MS);
        rc = ask(store, crew, settings, join, why);
    }
    return rc;
}

int identity_join(struct crew *crew, const struct settings *settings, struct reason *why)
{
    struct store *store = NULL;
    struct store_join join = {.joined = STORE_NAME_TAKEN};
    int rc = store_open(&store, settings->redis_url, settings->org, why);

    if (rc == 0)
        rc = ask(store, crew, settings, &join, why);
    if (rc == 0)
        rc = wait_for_name(store, crew, settings, &join, why);
    if (rc == 0)
        rc = explain_refusal(crew, &join, why);
    store_close(store);
    return rc;
}
