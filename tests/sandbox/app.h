#ifndef SANDBOX_APP_H
#define SANDBOX_APP_H

#include "tests/sandbox/delay.h"
#include "tests/sandbox/events.h"
#include "tests/sandbox/hooks.h"
#include "tests/sandbox/ledger.h"
#include "tests/sandbox/receipts.h"
#include "tests/sandbox/script.h"
#include "tests/sandbox/settings.h"
#include "tests/sandbox/token.h"
#include "tests/sandbox/window.h"

#include <openssl/evp.h>
#include <stdatomic.h>

#define APP_STATUS_MAX 600

/* Counters since the start or the last reset. */
struct counters {
    _Atomic uint64_t requests; /* sends that came with a token or without, whatever became of them */
    _Atomic uint64_t calls;    /* other calls of the API than sends: statuses, webhooks */
    _Atomic uint64_t token_requests;
    _Atomic uint64_t tokens_issued;
    _Atomic uint64_t connections;
    _Atomic uint64_t scripted;
    _Atomic uint64_t resets;
    _Atomic uint64_t hangs;
    _Atomic uint64_t by_status[APP_STATUS_MAX];
    _Atomic uint64_t faults[FAULT_COUNT];
};

/* All the parts of a running sandbox. Each is thread-safe by itself; no two of their locks are ever held together. */
struct app {
    const struct settings *settings;
    struct tuner tuner;
    struct tokens *tokens;
    struct window *window;   /* refuses */
    struct window *observer; /* only measures */
    struct ledger *ledger;
    struct script *script;
    struct delay *delay;
    struct hooks *hooks;
    struct events *events;
    struct receipts *receipts;
    struct dice fault_dice;   /* one draw a send */
    struct dice latency_dice; /* as many draws as a latency needs */
    struct dice fate_dice;    /* as many draws as a fate needs */
    struct dice name_dice;    /* ids: different in every run */
    struct counters counters;
    EVP_MD *sha256; /* fetched once: looking it up costs more than hashing a short text */
};

/* app_seed: begins all chances anew but those of names. */
static inline void app_seed(struct app *app, uint64_t seed)
{
    dice_init(&app->fault_dice, seed);
    dice_init(&app->latency_dice, seed + 1);
    dice_init(&app->fate_dice, seed + 2);
    receipts_seed(app->receipts, seed + 3);
}

static inline void count_up(_Atomic uint64_t *counter)
{
    (void)atomic_fetch_add_explicit(counter, 1, memory_order_relaxed); /* the old value is of no interest */
}

static inline uint64_t count_of(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

#endif
