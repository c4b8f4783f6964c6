#include "producer/gateway/keyring.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "common/mem.h"
#include "common/settings.h"

struct generation {
    struct keys keys;
    struct settings settings; /* what the secrets are borrowed from */
    struct generation *older;
};

struct keyring {
    int argc;
    char *const *argv;
    struct generation *_Atomic now;
};

static void free_generation(struct generation *generation)
{
    const struct option_set set = settings_set(&generation->settings, SETTINGS_GATEWAY);

    options_clear(&set, 1);
    free(generation);
}

int keyring_reload(struct keyring *keyring, struct reason *why)
{
    struct generation *next = mem_zalloc(1, sizeof(*next));
    const struct option_set set = settings_set(&next->settings, SETTINGS_GATEWAY);
    struct option_words words;
    int rc = options_load(&set, 1, keyring->argc, keyring->argv, &words, why);

    if (rc == 0)
        rc = clients_parse(next->settings.clients, &next->keys.clients, why);
    if (rc == 0 && next->settings.webhook_secrets)
        rc = signature_read_secrets(&next->keys.secrets, next->settings.webhook_secrets, why);
    if (rc != 0) {
        free_generation(next);
        return rc;
    }
    next->older = atomic_load(&keyring->now);
    atomic_store(&keyring->now, next);
    return 0;
}

int keyring_open(struct keyring **ret, int argc, char *const *argv, struct reason *why)
{
    struct keyring *keyring = mem_zalloc(1, sizeof(*keyring));
    int rc;

    keyring->argc = argc;
    keyring->argv = argv;
    rc = keyring_reload(keyring, why);
    if (rc != 0) {
        keyring_close(keyring);
        return rc;
    }
    *ret = keyring;
    return 0;
}

void keyring_close(struct keyring *keyring)
{
    struct generation *generation, *older;

    if (!keyring)
        return;
    for (generation = atomic_load(&keyring->now); generation; generation = older) {
        older = generation->older;
        free_generation(generation);
    }
    free(keyring);
}

const struct keys *keyring_now(const struct keyring *keyring)
{
    return &atomic_load(&keyring->now)->keys;
}
