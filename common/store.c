#include "common/store.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/digest.h"
#include "common/ids.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/store_parts.h"

#define RECONNECT_FIRST_MS         50
#define RECONNECT_MAX_MS           2000
#define CONNECT_PATIENCE_MS        5000
#define FROZEN_PATIENCE            6 /* times the patience for one that is away: slow is not away */

#define DECLARE_TEXT(upper, lower) extern const char lua_##lower[];
STORE_SCRIPTS(DECLARE_TEXT)

static void load_scripts(struct store *store)
{
#define NAME_TEXT(upper, lower) [SCRIPT_##upper] = lua_##lower,
    const char *const texts[SCRIPT_COUNT] = {STORE_SCRIPTS(NAME_TEXT)};

    for (int i = 0; i < SCRIPT_COUNT; i++) {
        store->scripts[i].text = texts[i];
        digest_sha1_hex(texts[i], strlen(texts[i]), store->scripts[i].sha);
    }
}

static bool is_org_name(const char *org)
{
    size_t len = strlen(org);

    return len > 0 && len <= STORE_ORG_MAX && id_is_valid(org, len) && !strchr(org, ':');
}

int store_open(struct store **ret, const char *redis_url, const char *org, struct reason *why)
{
    struct store *store;

    if (redis_check_url(redis_url, why) != 0)
        return ERR_INVALID;
    if (!is_org_name(org)) {
        reason_set(why, "--org must be 1 to %d letters, digits and . _ -", STORE_ORG_MAX);
        return ERR_INVALID;
    }
    store = mem_zalloc(1, sizeof(*store));
    store->url = mem_text(redis_url);
    (void)snprintf(store->org_key, sizeof(store->org_key), "herald:{%s}", org); /* fits: STORE_ORG_MAX */
    store->limits = (struct store_limits){
        .keep_ms = INT64_C(7) * 24 * 3600 * 1000,
        .dedup_ms = INT64_C(72) * 3600 * 1000,
        .campaign_memory_ms = INT64_C(30) * 24 * 3600 * 1000,
        .audit_max = 1000000,
        .report_ms = INT64_C(400) * 24 * 3600 * 1000,
    };
    load_scripts(store);
    *ret = store;
    return 0;
}

void store_set_limits(struct store *store, const struct store_limits *limits)
{
    store->limits = *limits;
}

void store_set_metrics(struct store *store, struct metrics_block *block)
{
    store->metrics = block;
}

size_t store_step_count(void)
{
    return SCRIPT_COUNT;
}

const char *store_step_name(size_t index)
{
#define STEP_TEXT(upper, lower) [SCRIPT_##upper] = #lower,
    static const char *const names[SCRIPT_COUNT] = {STORE_SCRIPTS(STEP_TEXT)};

    return names[index];
}

const struct store_limits *store_limits(const struct store *store)
{
    return &store->limits;
}

void store_set_poll_times(struct store *store, const struct store_poll_times *times)
{
    store->poll_times = *times;
}

const struct store_poll_times *store_poll_times(const struct store *store)
{
    return &store->poll_times;
}

void store_set_actor(struct store *store, const char *actor)
{
    (void)snprintf(store->actor, sizeof(store->actor), "%s", actor);
}

const char *store_actor(const struct store *store)
{
    return store->actor;
}

const char *store_list_name(enum priority priority)
{
    static const char *const names[] = {
        [PRIORITY_HIGH] = "ready:high",
        [PRIORITY_NORMAL] = "ready",
        [PRIORITY_LOW] = "ready:low",
    };

    return names[priority];
}

/* --- sending --- */

static void append_text(struct store *store, const char *text, size_t len)
{
    redis_append_formed(store->redis, (struct span){text, len});
}

/* Hands a request to the connection; with the script's text in place of its name where asked for. */
static void append_request(struct store *store, const struct request *request)
{
    const struct script *script = request->script < 0 ? NULL : &store->scripts[request->script];
    const char *what = !script ? NULL : request->is_evalued ? script->text : script->sha;
    char head[96];
    int len;

    if (what) {
        len = snprintf(head, sizeof(head), "*%zu\r\n%s\r\n$%zu\r\n", request->argc + 2,
                       request->is_evalued ? "$4\r\nEVAL" : "$7\r\nEVALSHA", strlen(what));
        append_text(store, head, (size_t)len);
        append_text(store, what, strlen(what));
        append_text(store, "\r\n", 2);
    } else {
        len = snprintf(head, sizeof(head), "*%zu\r\n", request->argc);
        append_text(store, head, (size_t)len);
    }
    append_text(store, request->bytes.data, request->bytes.len);
    store->has_appended = true;
}

static void send_unsent(struct store *store)
{
    for (; store->unsent; store->unsent = store->unsent->next) {
        append_request(store, store->unsent);
        store->unsent->is_sent = true;
        if (store->metrics)
            store->unsent->sent_us = clock_mono_us();
    }
}

static struct request *take_first(struct store *store)
{
    struct request *request = store->first;

    store->first = request->next;
    if (!store->first)
        store->last = NULL;
    request->next = NULL;
    store->pending--;
    return request;
}

/* --- connections --- */

static int64_t reconnect_delay_ms(const struct store *store)
{
    int64_t most = RECONNECT_FIRST_MS;

    for (unsigned i = 1; i < store->failures && most < RECONNECT_MAX_MS; i++)
        most *= 2;
    /* Half of it is chance, so that a hundred workers do not knock at the same moment. */
    return most / 2 + (int64_t)(random_u64() % (uint64_t)(most / 2 + 1));
}

/* The connection is gone. Requests whose answers are lost are told so, or wait for the next connection. */
static void disconnect(struct store *store, int rc, const struct reason *why)
{
    struct request *all = store->first, *next;

    if (store->failures++ == 0)
        log_warning("Redis is away", LOG_TEXT("reason", why->text));
    redis_close(store->redis);
    store->redis = NULL;
    store->retry_at_ms = clock_mono_ms() + reconnect_delay_ms(store);
    store->last_rc = rc;
    store->last_reason = *why;
    store->first = store->last = store->unsent = NULL;
    store->pending = 0;
    for (; all; all = next) {
        next = all->next;
        all->next = NULL;
        if (all->must_arrive || (!all->is_sent && !all->is_fleeting)) {
            all->is_sent = false;
            request_submit(all);
        } else {
            all->done(all, NULL);
            request_free(all);
        }
    }
}

/* Errors that say "not now" or "not here": the request was not carried out and will be, on another connection. */
static bool is_passing_error(const struct request *request, const char *error)
{
    static const char *const passing[] = {"LOADING",  "READONLY",   "MASTERDOWN",  "OOM",    "BUSY",  "MISCONF",
                                          "TRYAGAIN", "NOREPLICAS", "CLUSTERDOWN", "NOPERM", "NOAUTH"};

    if (request->may_be_refused && strncmp(error, "NOPERM", 6) == 0)
        return false;
    for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++) {
        const char *at = strstr(error, passing[i]); /* scripts put words before it */

        if (at && at - error < 160)
            return true;
    }
    return false;
}

/* Redis does not know the script (it was restarted, or flushed): once more, with the text. */
static bool sent_again_with_text(struct store *store, struct request *request, const char *error)
{
    if (!error || request->script < 0 || request->is_evalued || strncmp(error, "NOSCRIPT", 8) != 0)
        return false;
    request->is_evalued = true;
    request->is_sent = false;
    request_submit(request);
    send_unsent(store);
    return true;
}

static void note_connected(struct store *store)
{
    if (store->failures > 0)
        log_info("Redis is back", LOG_NUMBER("tries", store->failures));
    store->failures = 0;
    store->last_rc = 0;
}

/* Returns ERR_UNREACHABLE when the answer means that this connection is of no use now. */
static int answer_first(struct store *store, const struct redis_reply *reply, struct reason *why)
{
    struct request *request = store->first;
    const char *error = redis_reply_error(reply);

    if (!request) {
        reason_set(why, "Redis answered a question that nobody asked");
        return ERR_UNREACHABLE;
    }
    if (error && is_passing_error(request, error)) {
        reason_set(why, "Redis cannot do it now: %.200s", error);
        store->is_refused = true;
        return ERR_UNREACHABLE;
    }
    store->is_refused = false;
    note_connected(store);
    (void)take_first(store);
    if (sent_again_with_text(store, request, error))
        return 0;
    if (store->metrics && request->script >= 0)
        metrics_observe(store->metrics, METRIC_REDIS_STEP, clock_mono_us() - request->sent_us, (size_t)request->script);
    if (error && !request->may_be_refused)
        log_error("Redis refused a step", LOG_TEXT("reason", error));
    request->done(request, reply);
    request_free(request);
    return 0;
}

static int answer_all(struct store *store, struct reason *why)
{
    struct redis_reply *reply;
    int rc = 0;

    while (rc == 0 && (reply = redis_next(store->redis)) != NULL) {
        rc = answer_first(store, reply, why);
        redis_reply_free(reply);
    }
    return rc;
}

static int pump_connection(struct store *store, struct reason *why)
{
    int rc;

    /* Answers lead to new requests, and their answers may be there already: go on until nothing was queued, so that no
     * answer lies read and unseen until the socket stirs again. */
    do {
        store->has_appended = false;
        rc = redis_pump(store->redis, why);
        if (rc == 0 && !redis_is_ready(store->redis)) {
            if (clock_mono_ms() - store->opened_at_ms < CONNECT_PATIENCE_MS)
                return 0;
            reason_set(why, "Redis does not answer");
            return ERR_UNREACHABLE;
        }
        if (rc == 0) {
            /* A Redis that refuses every step takes connections gladly: that alone must not make us knock faster. */
            if (!store->is_refused)
                note_connected(store);
            rc = answer_all(store, why);
            send_unsent(store);
        }
    } while (rc == 0 && store->has_appended);
    return rc;
}

int store_pump(struct store *store, struct reason *why)
{
    struct reason reason = {""};
    int rc = 0;

    if (!store->redis && clock_mono_ms() >= store->retry_at_ms) {
        rc = redis_open(&store->redis, store->url, &reason);
        store->opened_at_ms = clock_mono_ms();
    }
    if (rc == 0 && store->redis)
        rc = pump_connection(store, &reason);
    if (rc != 0)
        disconnect(store, rc, &reason);
    if (store->last_rc != 0 && why)
        *why = store->last_reason;
    return store->last_rc;
}

int store_fd(const struct store *store)
{
    return store->redis ? redis_fd(store->redis) : -1;
}

bool store_wants_write(const struct store *store)
{
    return store->redis && (store->unsent || redis_wants_write(store->redis));
}

int64_t store_wait_ms(const struct store *store)
{
    int64_t now = clock_mono_ms();

    if (store->redis)
        return redis_is_ready(store->redis) ? -1 : CONNECT_PATIENCE_MS;
    return store->retry_at_ms > now ? store->retry_at_ms - now : 0;
}

bool store_is_up(const struct store *store)
{
    return store->redis && redis_is_ready(store->redis);
}

size_t store_pending(const struct store *store)
{
    return store->pending;
}

int store_finish(struct store *store, size_t left, int64_t patience_ms, struct reason *why)
{
    int64_t away_since_ms = clock_mono_ms(), moved_ms = away_since_ms;
    size_t before = store->pending;
    struct reason reason = {"Redis does not answer"};
    int rc = store_pump(store, &reason);

    /* Looked at even when nothing is waited for: who asks for one thing after another would never end otherwise. */
    while (store->pending > left || !store_is_up(store) || atomic_load(&store->has_given_up)) {
        if (atomic_load(&store->has_given_up)) {
            *why = (struct reason){"this program is being stopped"};
            return ERR_UNREACHABLE;
        }
        if (store_is_up(store) && !store->is_refused) {
            away_since_ms = clock_mono_ms();
        } else if (rc == ERR_DENIED || clock_mono_ms() - away_since_ms >= patience_ms) {
            *why = reason;
            return rc != 0 ? rc : ERR_UNREACHABLE;
        }
        if (store->pending != before)
            moved_ms = clock_mono_ms();
        before = store->pending;
        if (clock_mono_ms() - moved_ms >= FROZEN_PATIENCE * patience_ms) {
            *why = (struct reason){"Redis is connected and does not answer"};
            return ERR_UNREACHABLE;
        }
        if (store->redis)
            redis_wait(store->redis, store_is_up(store) ? 1000 : 50);
        else
            (void)poll(NULL, 0, (int)store_wait_ms(store)); /* backoff is at most RECONNECT_MAX_MS */
        rc = store_pump(store, &reason);
    }
    return 0;
}

void store_drop(struct store *store)
{
    while (store->first)
        request_free(take_first(store));
    store->unsent = NULL;
    redis_close(store->redis);
    store->redis = NULL;
}

void store_give_up(struct store *store)
{
    atomic_store(&store->has_given_up, true);
}

void store_close(struct store *store)
{
    if (!store)
        return;
    store_drop(store);
    request_free_spares(store);
    if (store->url)
        explicit_bzero(store->url, strlen(store->url)); /* a password may be in it */
    free(store->url);
    free(store);
}
